"""Covariance of the signs of two correlated normals, from Plackett's identity dPhi2/dr = phi2.

R. L. Plackett, Biometrika 41, 1954; Z. Drezner and G. O. Wesolowsky, J. Stat. Comput. Simul. 35, 1990; A. Genz,
Stat. Comput. 14, 2004, from which the way to treat correlations near one comes.
"""

# helpers 92073b819029: numba's cache watches this file only, so `adasde kernels --write` stamps what it inlines here.
from __future__ import annotations

import math

import numpy as np

from adasde.kernels.compilation import compiled_number
from adasde.kernels.special import atan, cos, exp, normal_tail, sin

# fmt: off
LEGENDRE_X = np.array((
    0.07652652113349734, 0.22778585114164507, 0.37370608871541955, 0.5108670019508271, 0.636053680726515,
    0.7463319064601508, 0.8391169718222188, 0.912234428251326, 0.9639719272779138, 0.993128599185095,
))
LEGENDRE_W = np.array((
    0.15275338713072628, 0.14917298647260424, 0.1420961093183824, 0.1316886384491769, 0.1181945319615186,
    0.1019301198172407, 0.08327674157670471, 0.06267204833410879, 0.040601429800386446, 0.017614007139150893,
))
# fmt: on
NEAR_ONE, CERTAIN = 0.925, 40.0
"""Correlation from which on the integral is taken from 1 downwards; |a| from which on Phi(-|a|) is 0."""
_TWO_PI = 2.0 * math.pi


@compiled_number()
def sign_covariance(a: float, b: float, r: float) -> float:
    """Cov(sign(Z1 + a), sign(Z2 + b)) for standard normals with correlation r in [-1, 1]; absolute error below 2e-15.

    It is 4 (P(Z1 > -a, Z2 > -b) - P(Z1 > -a) P(Z2 > -b)) = 4 int_0^r phi2(a, b; t) dt: zero for r = 0 and for
    |a| or |b| > 40, (2/pi) arcsin r for a = b = 0, and -Cov(a, -b, -r).
    """
    if r == 0.0 or abs(a) > CERTAIN or abs(b) > CERTAIN:
        return 0.0
    if r < 0.0:
        return -_positive(a, -b, -r)
    return _positive(a, b, r)


@compiled_number()
def _positive(a: float, b: float, r: float) -> float:
    """The covariance for 0 < r <= 1; at r = 1 it is 4 Phi(min(a, b)) Phi(-max(a, b))."""
    if r <= NEAR_ONE:
        return 4.0 * _from_zero(a, b, r)
    whole = normal_tail(-min(a, b)) * normal_tail(max(a, b))
    return 4.0 * whole - 4.0 * _to_one(a, b, r) if r < 1.0 else 4.0 * whole


@compiled_number()
def _arcsin(r: float) -> float:
    """arcsin r for |r| < 1, by a step of Newton's method from the arc tangent, whose own error is too large."""
    angle = atan(r / math.sqrt((1.0 - r) * (1.0 + r)))
    return angle + (r - sin(angle)) / cos(angle)


@compiled_number()
def _from_zero(a: float, b: float, r: float) -> float:
    """int_0^r phi2(a, b; t) dt with t = sin u: 1/(2 pi) int exp(-(a^2 + b^2 - 2 a b sin u)/(2 cos^2 u)) du."""
    half = 0.5 * _arcsin(r)
    total = 0.0
    for k in range(2 * LEGENDRE_X.size):
        x = LEGENDRE_X[k // 2] if k % 2 else -LEGENDRE_X[k // 2]
        sine = sin(half * (1.0 + x))
        total += LEGENDRE_W[k // 2] * exp((2.0 * a * b * sine - a * a - b * b) / (2.0 * (1.0 - sine * sine)))
    return half * total / _TWO_PI


@compiled_number()
def _to_one(a: float, b: float, r: float) -> float:
    """int_r^1 phi2(a, b; t) dt with t = sqrt(1 - x^2), for r next to 1.

    It is 1/(2 pi) int_0^A exp(-D/(2 x^2)) g(x^2) dx, A^2 = 1 - r^2, D = (a - b)^2, with the smooth
    g(y) = exp(-a b/(1 + sqrt(1 - y)))/sqrt(1 - y) = exp(-a b/2) (1 + c y + c d y^2 + ...), c = (4 - a b)/8,
    d = (12 - a b)/16. The expansion is integrated exactly (`_gaussian_powers`) and the rest by Gauss-Legendre.
    """
    square = (1.0 - r) * (1.0 + r)
    end, gap, product = math.sqrt(square), (a - b) * (a - b), a * b
    if gap / square + product > 1400.0:
        return 0.0
    c, d = (4.0 - product) / 8.0, (12.0 - product) / 16.0
    zeroth, first, second = _gaussian_powers(end, gap)
    base = exp(-0.5 * product)
    total = base * (zeroth + c * (first + d * second))
    for k in range(2 * LEGENDRE_X.size):
        x = 0.5 * end * (1.0 + (LEGENDRE_X[k // 2] if k % 2 else -LEGENDRE_X[k // 2]))
        y = x * x
        root = math.sqrt(1.0 - y)
        rest = exp(-product / (1.0 + root)) / root - base * (1.0 + c * y * (1.0 + d * y))
        total += 0.5 * end * LEGENDRE_W[k // 2] * exp(-0.5 * gap / y) * rest
    return total / _TWO_PI


@compiled_number()
def _gaussian_powers(end: float, gap: float) -> tuple[float, float, float]:
    """int_0^A x^n exp(-D/(2 x^2)) dx for n = 0, 2, 4, by parts: I_n = (A^(n+1) e - D I_(n-2))/(n + 1) with e the
    exponential at A, and I_0 = A e - sqrt(2 pi D) (1 - Phi(sqrt(D)/A))."""
    e = exp(-0.5 * gap / (end * end))
    root = math.sqrt(gap)
    zeroth = end * e - math.sqrt(_TWO_PI) * root * normal_tail(root / end)
    first = (end**3 * e - gap * zeroth) / 3.0
    return zeroth, first, (end**5 * e - gap * first) / 5.0
