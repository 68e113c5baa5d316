"""x - e of the rules with error feedback: its increment, and the SDE that follows where the gradient has one."""

from __future__ import annotations

from functools import partial

import sympy as sp

from adasde.derive.expansion import derive
from adasde.derive.notation import G, eta, g, s, x
from adasde.derive.operations import workers
from adasde.derive.optimizers.compression import e, ef_signsgd, ef_sto_sign, ef_top_k
from adasde.derive.rule import UpdateRule
from adasde.papers.parts import Parts, coefficients, of_sde
from adasde.papers.statement import unnumbered

PAPER = "karimireddy2019"
SENT = sp.Symbol("sent", real=True)
"""What the workers of `ef_sto_sign` send on average."""


def increment(rule: UpdateRule, unit: sp.Expr = sp.S.One) -> sp.Expr:
    """(x' - unit e') - (x - unit e), with the mean over workers as one symbol."""
    after, left_out = rule.update
    moved = sp.expand(after - unit * left_out - (x - unit * e))
    return moved.replace(lambda node: isinstance(node, workers), lambda _: SENT)


def of_difference(rule: UpdateRule) -> Parts:
    """The SDE of x - e, as a rule of its own: x' = x + increment."""
    moved = UpdateRule(
        name=f"{rule.name}, x - e",
        title=rule.title,
        states=(x,),
        update=(x + increment(rule),),
        hyperparameters=rule.hyperparameters,
        nonnegative=(),
        dialect=rule.dialect,
        cite=rule.cite,
        source=rule.source,
    )
    return of_sde(derive(moved).sde)


_statement = partial(unnumbered, PAPER)
_EXACT = "an identity of the rule's update: what is applied cancels, whatever the compressor (form recalled)"
SGD = coefficients((x,), [-G], sp.Matrix([[eta * s**2]]))

STATEMENTS = (
    _statement(
        "top-k with error feedback, x - e",
        {"increment of x - e": -eta * g},
        lambda: {"increment of x - e": increment(ef_top_k)},
        _EXACT,
    ),
    _statement(
        "signs with error feedback, x - e",
        {"increment of x - e": -eta * g},
        lambda: {"increment of x - e": increment(ef_signsgd)},
        _EXACT,
    ),
    _statement(
        "signs with error feedback, SDE of x - e",
        SGD,
        lambda: of_difference(ef_signsgd),
        "that of SGD, but for G, which is the gradient at x and not at x - e",
    ),
    _statement(
        "averaged stochastic signs with error feedback, x - eta e",
        {"increment of x - eta e": -eta * SENT},
        lambda: {"increment of x - eta e": increment(ef_sto_sign, eta)},
        "e is kept in units of the step here; the mean of what the workers send takes the place of the gradient",
        provenance="derived",
    ),
)
