"""Rules that treat some steps apart: the first one, the first few, every n-th.

An early branch is left out of an SDE: it covers a number of steps that stays bounded as eta -> 0, and the model takes
over after them. A branch that comes back every n steps is no such thing, and is refused.
"""

from __future__ import annotations

import sympy as sp
from sympy.core.relational import Relational

from adasde.derive.law import NotDerivable
from adasde.derive.notation import k


def first_step(then: sp.Expr, later: sp.Expr) -> sp.Expr:
    """``then`` in step 1 and ``later`` in all others: torch's momentum starts with b_1 = g."""
    return early(sp.Eq(k, 1), then, later)


def early(condition: Relational, then: sp.Expr, later: sp.Expr) -> sp.Expr:
    """``then`` while the condition on k holds, ``later`` for good: RAdam takes plain steps while rho_k <= 5."""
    return sp.Piecewise((sp.sympify(then), condition), (sp.sympify(later), True))


def every(n: int, then: sp.Expr, otherwise: sp.Expr) -> sp.Expr:
    """``then`` in the steps n, 2 n, ... and ``otherwise`` in all others: lookahead."""
    return sp.Piecewise((sp.sympify(then), sp.Eq(sp.Mod(k, n), 0)), (sp.sympify(otherwise), True))


def has_early_branch(expression: sp.Expr) -> bool:
    """Whether some steps are treated apart."""
    return bool(expression.has(sp.Piecewise))


def late(expression: sp.Expr, rule: str) -> sp.Expr:
    """The expression as it is after the early steps. Raises `NotDerivable` for a branch that comes back."""
    if expression.has(sp.Mod):
        period = next(iter(expression.atoms(sp.Mod))).args[1]
        raise NotDerivable(
            f"{rule}: every {period} steps are treated apart: that is a rule of {period} steps, whose composition has "
            "an SDE of its own; it is not supported"
        )
    return expression.replace(lambda e: isinstance(e, sp.Piecewise), lambda e: e.args[-1][0])
