"""Moments of linear equations and recursions, for statements about quadratic losses."""

from __future__ import annotations

import sympy as sp

from adasde.derive.expectation import expectation
from adasde.derive.law import Law
from adasde.derive.notation import t


def linearised(drift: sp.Matrix, states: list[sp.Symbol], at: dict[sp.Symbol, sp.Expr]) -> sp.Matrix:
    """The derivative of the drift by the states, at a point."""
    return drift.jacobian(states).subs(at).applyfunc(sp.simplify)


def moments(drift: sp.Expr, variance: sp.Expr, y: sp.Symbol, start: sp.Expr) -> tuple[sp.Expr, sp.Expr]:
    """Mean and variance at time t of dY = drift dt + noise, drift = -rate y and a constant variance, from a point."""
    rate = -sp.diff(drift, y)
    return start * sp.exp(-rate * t), variance / (2 * rate) * (1 - sp.exp(-2 * rate * t))


def recursion(change: sp.Expr, y: sp.Symbol, noise: sp.Symbol, law: Law) -> tuple[sp.Expr, sp.Expr]:
    """(factor, variance) of one step y' = factor y + noise, for a change linear in y and in the noise."""
    factor = 1 + sp.diff(change, y)
    return sp.expand(factor), expectation(sp.expand(change.subs(y, 0) ** 2), law)
