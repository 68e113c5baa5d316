"""Equations at a point, in numbers: expectations over the noise as weighted sums, everything else by sympy."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import mpmath
import numpy as np
import sympy as sp

from adasde.derive.functions import Expectation, empirical_sign, outer, zeta
from adasde.ensemble import Array

Point = Mapping[sp.Symbol, sp.Expr | float]
Sums = Mapping[type, tuple[Array, Array]]
"""Nodes and weights of `Expectation`, and of `empirical_sign`: all atoms of the data."""


def values_at(expressions: Iterable[sp.Expr], point: Point, sums: Sums, digits: int = 20) -> Array:
    """The expressions at ``point``, computed in ``digits`` digits, with E h(Z) as the sum of w h(z)."""
    with mpmath.workdps(digits):
        settled = expectations_at(expressions, point, sums, digits)
        return np.array([_real(e.subs(point).evalf(digits), digits) for e in settled])


def _real(value: sp.Expr, digits: int) -> float:
    """The value as a float: the root of a variance that is exactly zero can come out as i 10^(-digits/2)."""
    number = complex(value)
    if abs(number.imag) > 10.0 ** (3 - digits / 2) * (1 + abs(number.real)):
        raise ArithmeticError(f"the root of a negative number: {value}")
    return number.real


def expectations_at(expressions: Iterable[sp.Expr], point: Point, sums: Sums, digits: int) -> list[sp.Expr]:
    """The expressions with every expectation over the noise as its number at ``point``."""
    listed = list(expressions)
    nodes = sp.Tuple(*listed).atoms(Expectation, empirical_sign)
    rules = {kind: _standardised(rule) if kind is empirical_sign else rule for kind, rule in sums.items()}
    nested = {node for node in nodes if isinstance(node, Expectation) and node.nested}
    plain = {node for node in nodes if outer not in node.free_symbols} - nested
    found = {node: sp.Float(mean_over(_integrand(node).subs(point), rules[type(node)]), digits) for node in plain}
    found |= {node: sp.Float(nested_mean(node, point, rules[Expectation]), digits) for node in nested}
    return [e.xreplace(found) for e in listed]


def nested_mean(node: Expectation, point: Point, nodes: tuple[Array, Array]) -> float:
    """The sum over pairs of nodes that a nested `Expectation` stands for, in float64."""
    z, w = nodes
    inner = {part: sp.Dummy() for part in node.args[0].atoms(Expectation)}
    given = {}
    with np.errstate(over="ignore"):
        for part, name in inner.items():
            h = sp.lambdify((outer, zeta), part.args[0].subs(point), "numpy")
            given[name] = np.broadcast_to(h(z[:, None], z[None, :]), (z.size, z.size)) @ w
        whole = sp.lambdify((outer, *given), node.args[0].xreplace(inner).subs(point), "numpy")
        return float(np.sum(w * whole(z, *given.values())))


def mean_over(integrand: sp.Expr, nodes: tuple[Array, Array]) -> mpmath.mpf:
    """Sum of w h(z) for h a function of `zeta` alone, in the working precision of mpmath."""
    h = sp.lambdify(zeta, integrand, "mpmath")
    pairs = zip(*(part.tolist() for part in nodes), strict=True)
    return mpmath.fsum(mpmath.mpf(w) * h(mpmath.mpf(z)) for z, w in pairs)


def _standardised(nodes: tuple[Array, Array]) -> tuple[Array, Array]:
    """Atoms of total weight 1, mean 0 and variance 1 in the working precision: the equations take these for exact, and
    where a sign is all but certain a variance 1 - mu^2 - ... is smaller than the rounding of float64 atoms."""
    z, w = (np.array([mpmath.mpf(a) for a in part.tolist()], dtype=object) for part in nodes)
    w = w / w.sum()
    z = z - w @ z
    return z / mpmath.sqrt(w @ z**2), w


def _integrand(node: sp.Expr) -> sp.Expr:
    if isinstance(node, Expectation):
        return node.args[0]
    c, n = node.args
    return zeta**n * sp.sign(zeta + c)
