"""How fast a function of the noise grows: which moment its mean needs."""

from __future__ import annotations

import math

import sympy as sp

FAR = (1e3, 1e6)
"""Where the growth is measured; a transition beyond the first would be missed."""


def growth(function: sp.Expr, z: sp.Symbol) -> int | None:
    """The least n with |function| = O(|z|^n), measured at large |z| for arbitrary values of the other symbols; None
    where it grows faster than any power."""
    steepest = 0.0
    for direction in (1, -1):
        near, far = (_size(function, z, direction * distance) for distance in FAR)
        if not (math.isfinite(near) and math.isfinite(far)):
            return None
        if near > 0 and far > 0:
            steepest = max(steepest, math.log(far / near) / math.log(FAR[1] / FAR[0]))
    return math.ceil(round(steepest, 2))


def tamed_by_gaussian(function: sp.Expr, z: sp.Symbol) -> bool:
    """Whether |function| e^(-z^2/4) falls at large |z|: then every Gaussian mean of it and of its square exists."""
    for direction in (1, -1):
        near, far = (_size(function, z, direction * d) * math.exp(-(d**2) / 4) for d in (20.0, 40.0))
        if not far < near + 1e-300:
            return False
    return True


def _size(function: sp.Expr, z: sp.Symbol, at: float) -> float:
    function = _without_integrals(function)
    others = sorted(function.free_symbols - {z}, key=str)
    values = {symbol: sp.Float(0.5 + 0.1 * i) for i, symbol in enumerate(others)}
    value = sp.Abs(function.subs(values).subs(z, sp.Float(at))).evalf()
    return float(value) if value.is_number and value.is_finite is not False else math.inf


def _without_integrals(function: sp.Expr) -> sp.Expr:
    """A mean over further noise grows as what it is the mean of does, at one value of that noise."""
    from adasde.derive.functions import Expectation, zeta

    return function.replace(lambda e: isinstance(e, Expectation), lambda e: e.args[0].subs(zeta, sp.Rational(7, 10)))
