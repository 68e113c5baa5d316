"""Rung 6: the model against the optimizer at dt = eta, eta/4 and eta/16, and where they differ at eta/2.

What a model of weak order one promises is not a difference below some margin at a given eta, but one that falls like
eta at fixed rates (1 - beta)/eta: its drift and the covariance of its noise are right to leading order, so that the
excess loss, whatever its own size, is off by a share O(eta). A model of order two promises no more here, because
Euler's method at dt = eta/r is off by O(eta) itself. Where the interval of a difference is not within the margin, it is
therefore measured again at eta/2. It halves if it is O(eta), and stays if the model is wrong to leading order; 1/sqrt 2
lies between in the logarithm, and with confidence below it the difference is the model's own, above it the model fails.
(While the loss still falls, a wrong variance is O(eta) of its excess as well: that is for rungs 2 and 4 to see.)

Decays of buffers that a model averages out are fixed, not their rates, so they are the same at eta/2.
"""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

from adasde.comparison import Agreement, Comparison, compare
from adasde.derive.fast_states import fixed_decays
from adasde.derive.functions import Expectation
from adasde.losses import parse_loss
from adasde.plan import DEFAULT_START
from adasde.verify.check import Check
from adasde.verify.setting import Setting

SUBSTEPS = (1, 4, 16)
PATHS = 10_000
"""Of each comparison, unless the caller says how many."""
FEWEST = 64
"""Below this an interval from the normal law of a mean is no interval."""
SUMMANDS = 5 * 10**9
"""Of sums over pairs of nodes, in the models' steps of the first comparison, up to which paths are bounded by default;
about 10 ns each, and twice as many at eta/2."""
OUTCOMES = {"agrees": "holds", "undecided": "undecided", "differs": "fails", "diverged": "fails"}
FALLS = math.sqrt(0.5)
"""Ratio of differences at eta/2 and eta between those of order one, 1/2, and of order zero, 1."""


def refinement(setting: Setting, arguments: dict[str, Any]) -> list[Check]:
    """Final mean loss of the model and of the optimizer on common noise; agreement must not depend on dt.

    Without ``paths`` among the arguments, `affordable` of them; where these are fewer than `PATHS`, the checks say so.
    """
    if arguments.get("paths") is not None:
        return _refinement(setting, arguments)
    paths = affordable(setting, arguments)
    found = _refinement(setting, arguments | {"paths": paths})
    if paths == PATHS:
        return found
    few = f"; {paths} paths, as the model's steps sum over pairs of nodes: --paths sets their number"
    return [replace(check, measured=check.measured + few) for check in found]


def affordable(setting: Setting, arguments: dict[str, Any]) -> int:
    """`PATHS`, or where the model's steps sum over pairs of nodes, as many as `SUMMANDS` allow, at least `FEWEST`: the
    same on every machine."""
    named = (value for _, value in setting.sde.named)
    if not any(node.nested for value in named for node in value.atoms(Expectation)):
        return PATHS
    loss = arguments["loss"]
    dimension: int = (parse_loss(loss) if isinstance(loss, str) else loss).dimension
    summands: int = sum(SUBSTEPS) * arguments["steps"] * dimension * setting.module.QUADRATURE**2
    return min(PATHS, max(FEWEST, SUMMANDS // summands))


def _refinement(setting: Setting, arguments: dict[str, Any]) -> list[Check]:
    comparison = _complete(compare(setting.optimizer, [setting.sde.model], substeps=SUBSTEPS, **arguments))
    if all(agreement.verdict in ("agrees", "diverged") for agreement in comparison.agreements):
        return checks(comparison)
    return checks(comparison, _complete(at_half_rate(setting, arguments)))


def _complete(comparison: Comparison) -> Comparison:
    """Passes on an interrupt: a verdict on some of the paths is none."""
    if not comparison.algorithm.complete:
        raise KeyboardInterrupt
    return comparison


def at_half_rate(setting: Setting, arguments: dict[str, Any]) -> Comparison:
    """The same comparison at eta/2, over as many units of time, on other draws, with the same rates, but for decays of
    buffers that are averaged out: these stay."""
    values = setting.values | {"lr": setting.values["lr"] / 2}
    fixed = fixed_decays(setting.rule)
    for h in setting.rule.hyperparameters:
        if h.rate is not None and h.symbol not in fixed:
            values[h.name] = 1 - (1 - setting.values[h.name]) / 2
    hyperparameters = {name for h in setting.module.HYPERPARAMETERS for name in (h.name, *h.aliases)}
    kept = {name: value for name, value in arguments.items() if name not in hyperparameters}
    start = arguments.get("start")
    if start is None and setting.step.singular:
        start = DEFAULT_START
    later = {"steps": 2 * arguments["steps"], "seed": arguments.get("seed", 0) + 1, "start": start and 2 * start}
    return compare(setting.optimizer, [setting.sde.model], substeps=SUBSTEPS, **(kept | later | values))


def checks(comparison: Comparison, half: Comparison | None = None) -> list[Check]:
    """One `Check` for each model and time step of a comparison; ``half`` is the one at eta/2."""
    final = comparison.algorithm
    found = []
    for i, agreement in enumerate(comparison.agreements):
        size = f"within {agreement.margin:.0%} of the excess loss"
        statement = f"{agreement.model} at dt = eta/{agreement.substeps}: final loss on {final.loss} {size}"
        measured = f"difference {_interval(agreement)}, optimizer {final.loss_mean[-1]:.4g}"
        outcome = OUTCOMES[agreement.verdict]
        if agreement.verdict == "diverged":
            measured = f"{int(final.diverged[-1])} optimizer paths of {final.paths} diverged"
        if agreement.verdict in ("differs", "undecided") and half is not None:
            falling = falls(agreement, half.agreements[i])
            outcome = falling if agreement.verdict == "differs" or falling == "recorded" else "undecided"
            statement += ", or off by what falls like eta"
            measured += f"; at eta/2 {_interval(half.agreements[i])}"
        found.append(Check(6, statement, outcome, measured))
    return found


def falls(whole: Agreement, half: Agreement) -> str:
    """``recorded`` where the difference at eta/2 is smaller than `FALLS` times that at eta, ``fails`` where it is
    larger, each with the confidence of the two comparisons, which are independent; else ``undecided``."""
    if half.verdict == "diverged":
        return "fails"
    excess = abs(half.difference) - FALLS * abs(whole.difference)
    error = math.hypot(half.high - half.difference, FALLS * (whole.high - whole.difference))
    if abs(excess) <= error:
        return "undecided"
    return "recorded" if excess < 0 else "fails"


def _interval(agreement: Agreement) -> str:
    return f"{agreement.difference:+.2%} [{agreement.low:+.2%}, {agreement.high:+.2%}]"
