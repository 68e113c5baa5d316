"""The steps of one rule and its models before they are text, and where they find their parameters."""

from __future__ import annotations

import re
from dataclasses import dataclass

import sympy as sp

from adasde.derive.emit.lanes import LaneBody, algorithm_body, along_body, sde_body
from adasde.derive.emit.prose import algorithm_docstring, sde_docstring
from adasde.derive.emit.stages import ARGUMENTS, algorithm_stages, draws_text, is_staged, model_stages, sizes_text
from adasde.derive.emit.sums import nested
from adasde.derive.functions import Expectation
from adasde.derive.model import SDE
from adasde.derive.rule import UpdateRule

QUADRATURE, PAIRED = 64, 36
"""Quadrature nodes of an expectation without a closed form; in either dimension where one stands in another."""


@dataclass(frozen=True)
class Steps:
    """The steps of one rule before they are text.

    algorithm  the optimizer's own over lanes, None for a composite rule
    steps      the models' over lanes
    alongs     the leading position drifts that models of weak order two are taken along
    staged     the text of steps in stages; see `emit.stages`
    """

    algorithm: LaneBody | None
    steps: list[tuple[SDE, LaneBody]]
    alongs: dict[SDE, LaneBody]
    staged: list[str]

    @property
    def bodies(self) -> list[LaneBody]:
        own = [self.algorithm] if self.algorithm else []
        return [*own, *(body for _, body in self.steps), *self.alongs.values()]

    @property
    def nodes(self) -> int:
        """How many quadrature nodes the parameter array holds: every module of a rule must agree on that."""
        values = [value for b in self.bodies for _, value in (*b.per_step, *b.per_lane)]
        if not any(value.has(Expectation) for value in values) and not any("QUADRATURE" in t for t in self.staged):
            return 0
        return PAIRED if any(map(nested, self.bodies)) else QUADRATURE


def steps_of(rule: UpdateRule, sdes: list[SDE]) -> Steps:
    """The steps of a rule and its models."""
    staged = [*([None] if rule.composite else []), *filter(is_staged, sdes)]
    return Steps(
        algorithm=None if rule.composite else algorithm_body(rule),
        steps=[(sde, sde_body(sde)) for sde in sdes if not is_staged(sde)],
        alongs={sde: along_body(sde) for sde in sdes if sde.along is not None},
        staged=[_staged(rule, sde) for sde in staged],
    )


def function_name(sde: SDE) -> str:
    return f"{sde.model}_{sde.law.name.replace('-', '_')}"


def parameter_symbols(rule: UpdateRule) -> tuple[sp.Symbol, ...]:
    """The head of the parameter array p: hyperparameters and rates. Quadrature nodes and weights follow where a model
    of the module needs them, then the law's own numbers."""
    rates = tuple(h.rate for h in rule.hyperparameters if h.rate is not None)
    return (*(h.symbol for h in rule.hyperparameters), *rates)


def _staged(rule: UpdateRule, sde: SDE | None) -> str:
    """The algorithm of a composite rule, or a model, as a step in stages; see `emit.stages`."""
    stages = algorithm_stages(rule) if sde is None else model_stages(sde)
    places = {symbol: f"p[{i}]" for i, symbol in enumerate(parameter_symbols(rule))}
    if sde is None:
        name, docstring, facts = (
            "algorithm",
            algorithm_docstring(rule, "in stages"),
            "noises=1, moments=0, singular=False",
        )
        sizes = sizes_text(rule, places)
        facts += f", sizes={sizes}" if sizes else ""
    else:
        name, docstring = function_name(sde), sde_docstring(sde, "in stages")
        facts = f"noises={sde.diffusion.cols}, moments={sde.moments}, singular={sde.singular}"
    body = "\n".join(stages.lines)
    law = {} if sde is None else {symbol: f"p[LAW + {i}]" for i, symbol in enumerate(sde.law.parameters)}
    used = {y: place for y, place in (places | law).items() if re.search(rf"\b{y}\b", body)}
    lines = [f"@staged_kernel(draws={draws_text(stages, places)}, {facts})", f"def {name}({ARGUMENTS}):", docstring]
    if used:
        lines.append(f"    {', '.join(map(str, used))} = {', '.join(used.values())}")
    return "\n".join([*lines, "    d, lanes = gradient.shape", body])
