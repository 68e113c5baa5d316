"""The table from which `special.student_t_sign` is evaluated at one number nu of degrees of freedom.

Made with this package's own functions, + - * / sqrt and exactly rounded sums, so that the table too has the same bytes
on every CPU.
"""

# helpers d644048f90ee: numba's cache watches this file only, so `adasde kernels --write` stamps what it inlines here.
from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from adasde.kernels.compilation import compiled
from adasde.kernels.elementary import exp, expm1, log
from adasde.kernels.trigonometric import cos

Array = NDArray[np.float64]

TERMS = 20
"""Length of the polynomial: the error of the table is below 3e-15 for every nu."""
HEAD = 5
"""What stands before the polynomial: nu; n = min(nu, 1e16), sqrt n, ln sqrt n, c."""
GAUSSIAN_FROM = 1e16
"""n from which on the law is the normal one to 1e-16."""

_SPACING, _LOW, _POINTS = 0.2, -80.0, 421
"""Trapezoidal rule in ln(b r): error below 1e-16."""


def student_t_data(nu: float) -> Array:
    """(nu, n, sqrt n, ln sqrt n, c, P_0, ..., P_19) for nu > 0, n = min(nu, 1e16); a few milliseconds.

    With x = y^2/(nu + y^2), q = sqrt x and b = nu/2,

        1 - (2 F(y) - 1) = I_{1-x}(b, 1/2) = (1 - x)^b H(q),    H(0) = 1,

    where H has no singularity but a cut from q = -1 to -infinity. t = (1 + c) q/(1 + c q) maps [0, 1] to itself and the
    cut away from it; for nu -> 0 the best c is sqrt 2 - 1, for large nu it follows the width sqrt nu of H.
    (H - 1)/t is a polynomial in w = 2 t - 1 by interpolation in Chebyshev points.
    """
    n = min(nu, GAUSSIAN_FROM)
    root, c = math.sqrt(n), 0.25 * math.sqrt(n + 2.7)
    k = np.arange(TERMS)
    cosines = _functions((np.pi / TERMS) * (k[:, None] * (k + 0.5)).ravel())[2].reshape(TERMS, TERMS)
    t = 0.5 * (1.0 + cosines[1])
    ratio = _less_one(t / (1.0 + c - c * t), 0.5 * n) / t
    chebyshev = 2.0 / TERMS * _sums(cosines * ratio)
    chebyshev[0] *= 0.5
    polynomial = np.polynomial.chebyshev.cheb2poly(chebyshev)
    return np.array([nu, n, root, _functions(np.array([root]))[3, 0], c, *polynomial])


def _less_one(q: Array, b: float) -> Array:
    """H(q) - 1 to a few units in the last place, from H = int_0^inf e^(-b r) D(r, x)^(-1/2) dr / (the same at x = 0).

    D(r, x) = x + (1 - x)(1 - e^-r): Euler's integral of the incomplete beta function with 1 - x' = (1 - x) e^-r. The
    difference of the roots is written without cancellation, and the sum is over r = e^u/b.
    """
    u: Array = _LOW + _SPACING * np.arange(_POINTS, dtype=np.float64)
    e = _functions(u)[0]
    weight = _functions(u - e)[0]
    decay, minus, *_ = _functions(-(e / b))
    x = np.square(q)[:, None]
    here, there = np.sqrt(-minus), np.sqrt(x - (1.0 - x) * minus)
    return -_sums(weight * x * decay / (here * there * (here + there))) / math.fsum(weight / here)


def _sums(rows: Array) -> Array:
    """The sum of each row, rounded once."""
    return np.array([math.fsum(row) for row in rows.tolist()])


@compiled()
def _functions(x: Array) -> Array:
    """exp, expm1, cos and ln of the numbers x (L,), as (4, L)."""
    values = np.empty((4, x.size))
    for j in range(x.size):
        values[0, j], values[1, j], values[2, j], values[3, j] = exp(x[j]), expm1(x[j]), cos(x[j]), log(x[j])
    return values
