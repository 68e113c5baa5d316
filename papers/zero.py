"""Whether an expression vanishes: by its value at a point where it does not, by its form where it does."""

from __future__ import annotations

import sympy as sp
from sympy.core.function import AppliedUndef


def nonzero_at_a_point(expression: sp.Expr) -> bool:
    """Whether it has a value other than 0 where its symbols and unknown functions have unrelated values in (0, 1)."""
    unknown = sorted(expression.atoms(sp.Derivative), key=_order) + sorted(expression.atoms(AppliedUndef), key=str)
    for k, function in enumerate(unknown):
        expression = expression.subs(function, sp.Symbol(f"unknown{k}", positive=True))
    symbols = sorted(expression.free_symbols, key=str)
    value = expression.subs({y: sp.sqrt(sp.prime(k + 5)) / 10 for k, y in enumerate(symbols)}).evalf(20)
    return bool(value.is_number and value.is_finite and abs(value) > sp.Float("1e-12"))


def _order(derivative: sp.Derivative) -> tuple[int, str]:
    """Higher derivatives first: a lower one is part of them."""
    return -derivative.derivative_count, str(derivative)
