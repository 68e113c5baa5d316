"""Where a function of the noise has kinks: any number of them, from signs, absolute values, minima and maxima."""

from __future__ import annotations

import itertools
from collections.abc import Callable

import numpy as np
import sympy as sp
from scipy.optimize import brentq

SCAN = np.linspace(-30.0, 30.0, 3001) + 1e-3
"""Draws between which zeros that have no formula are looked for; off the round numbers."""


def switches(expression: sp.Basic, z: sp.Symbol) -> set[sp.Expr]:
    """Functions of z at whose zeros the expression has a kink: arguments of signs, absolute values and steps, and
    differences of what a minimum or maximum is taken of."""
    found = {e.args[0] for e in expression.atoms(sp.sign, sp.Abs, sp.Heaviside)}
    extrema = expression.atoms(sp.Min, sp.Max)
    found |= {a - b for e in extrema for a, b in itertools.combinations(e.args, 2)}
    return {switch for switch in found if switch.has(z)}


def zeros(switch: sp.Expr, z: sp.Symbol) -> list[float]:
    """Zeros of a function of z: exact for an affine one, else by bisection between changes of sign on `SCAN`."""
    if switch.is_polynomial(z) and sp.degree(switch, z) == 1:
        line = sp.Poly(switch, z)
        return [float(-line.nth(0) / line.nth(1))]
    function: Callable[[float], float] = sp.lambdify(z, switch, "math")
    signs = np.sign([float(function(y)) for y in SCAN])
    return [float(brentq(function, SCAN[i], SCAN[i + 1], xtol=1e-14)) for i in np.flatnonzero(np.diff(signs) != 0)]
