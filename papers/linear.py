"""Moments of linear equations and recursions, for statements about quadratic losses."""

from __future__ import annotations

import sympy as sp

from adasde.derive.expectation import expectation
from adasde.derive.law import Law
from adasde.derive.notation import t


def lyapunov(slope: sp.Matrix, covariance: sp.Matrix) -> sp.Matrix:
    """The stationary covariance C of dY = slope Y dt + noise: slope C + C slope^T + covariance = 0."""
    return _solved(slope.rows, lambda c: slope * c + c * slope.T + covariance)


def stationary(slope: sp.Matrix, covariance: sp.Matrix) -> sp.Matrix:
    """The stationary covariance C of y' = slope y + noise: C = slope C slope^T + covariance."""
    return _solved(slope.rows, lambda c: slope * c * slope.T + covariance - c)


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


def near_rest(drift: sp.Expr, variance: sp.Expr, y: sp.Symbol, eta: sp.Symbol) -> tuple[sp.Expr, sp.Expr]:
    """(v1, v2) in the stationary variance eta v1 + eta^2 v2 + ... of something symmetric that comes to rest at 0.

    In equilibrium E[2 y drift + variance] = 0. ``variance`` = eta (a0 + a2 y^2 + ...), drift = b1 y + b3 y^3 + ...;
    to this order the law is Gaussian, E y^4 = 3 (E y^2)^2.
    """
    b1, b3 = (sp.diff(drift, y, n).subs(y, 0) / sp.factorial(n) for n in (1, 3))
    a0, a2 = (sp.diff(variance / eta, y, n).subs(y, 0) / sp.factorial(n) for n in (0, 2))
    first = -a0 / (2 * b1)
    return sp.simplify(first), sp.simplify(-(a2 * first + 6 * b3 * first**2) / (2 * b1))


def _solved(n: int, equation) -> sp.Matrix:  # type: ignore[no-untyped-def]
    unknown = sp.Matrix(n, n, lambda i, j: sp.Symbol(f"c{min(i, j)}{max(i, j)}"))
    found = sp.solve(list(equation(unknown)), list(unknown.free_symbols), dict=True)[0]
    return unknown.subs(found).applyfunc(sp.factor)
