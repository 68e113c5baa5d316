"""Equations at a point, in numbers: expectations over the noise as weighted sums, everything else by sympy."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import mpmath
import numpy as np
import sympy as sp

from adasde.derive.functions import Expectation, empirical_sign, zeta
from adasde.ensemble import Array

Point = Mapping[sp.Symbol, sp.Expr | float]
Sums = Mapping[type, tuple[Array, Array]]
"""Nodes and weights of `Expectation`, and of `empirical_sign`: all atoms of the data."""


def values_at(expressions: Iterable[sp.Expr], point: Point, sums: Sums, digits: int = 20) -> Array:
    """The expressions at ``point``, computed in ``digits`` digits, with E h(Z) as the sum of w h(z)."""
    with mpmath.workdps(digits):
        settled = expectations_at(expressions, point, sums, digits)
        return np.array([float(e.subs(point).evalf(digits)) for e in settled])


def expectations_at(expressions: Iterable[sp.Expr], point: Point, sums: Sums, digits: int) -> list[sp.Expr]:
    """The expressions with every expectation over the noise as its number at ``point``."""
    listed = list(expressions)
    nodes = sp.Tuple(*listed).atoms(Expectation, empirical_sign)
    found = {node: sp.Float(mean_over(_integrand(node).subs(point), sums[type(node)]), digits) for node in nodes}
    return [e.xreplace(found) for e in listed]


def mean_over(integrand: sp.Expr, nodes: tuple[Array, Array]) -> mpmath.mpf:
    """Sum of w h(z) for h a function of `zeta` alone, in the working precision of mpmath."""
    h = sp.lambdify(zeta, integrand, "mpmath")
    pairs = zip(*(part.tolist() for part in nodes), strict=True)
    return mpmath.fsum(mpmath.mpf(w) * h(mpmath.mpf(z)) for z, w in pairs)


def _integrand(node: sp.Expr) -> sp.Expr:
    if isinstance(node, Expectation):
        return node.args[0]
    c, n = node.args
    return zeta**n * sp.sign(zeta + c)
