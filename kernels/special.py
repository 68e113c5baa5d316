"""Special functions of float64 that vectorise over lanes and give the same bytes on every CPU.

Like the elementary functions they are made of + - * / sqrt, integer operations and selections alone.
`tests/kernels/fit_erf.py` made the tables. This module passes on all that generated code may call.

Every function takes every float64: what it gives for +-inf, NaN and outside its domain is said with its error, and
+-0 counts as 0. No branches: a condition chooses between values that are both calculated.
"""

# helpers 3f4ccfd32917: numba's cache watches this file only, so `adasde kernels --write` stamps what it inlines here.
from __future__ import annotations

import math

import numpy as np
from numba import float64

from adasde.kernels.compilation import inlined
from adasde.kernels.elementary import exp, expm1, polynomial, sign, two_polynomials
from adasde.kernels.elementary import log as log_of_normal
from adasde.kernels.elementary import log1p as log1p_of_finite
from adasde.kernels.empirical import empirical_sign
from adasde.kernels.student_t import HEAD, TERMS
from adasde.kernels.trigonometric import atan, cos, sin

__all__ = [
    "atan",
    "cos",
    "empirical_sign",
    "erf",
    "erfc",
    "exp",
    "expm1",
    "gamma_step",
    "log",
    "log1p",
    "log_tail",
    "normal_tail",
    "polynomial",
    "power",
    "sigmoid",
    "sign",
    "sin",
    "student_t_sign",
    "tanh",
    "whole_power",
]

# fmt: off
ERF_P = (
    1.1283791670955348, 0.21504811195687176, 0.06433277946179575, 0.0064184047784708815,
    0.0007759060971838459, 4.7484849248377996e-05, 3.009059622608774e-06, 1.0724188458271297e-07,
    3.4111277857929924e-09, 3.52193785671425e-11, 3.5198241092985924e-14,
)
ERF_Q = (
    1.0, 0.5239147604179462, 0.1316516948150123, 0.02099010919651951, 0.0023636937368471233,
    0.00019757804573313856, 1.2490037433345165e-05, 5.924768183113629e-07, 2.0110850510091935e-08,
    4.285073268934222e-10, 1.6781098345114378e-12,
)
TAIL_P = (
    0.5, 0.7732296250098024, 0.5916390642562283, 0.287597198126936, 0.09691308267641659, 0.02337980540042347,
    0.0040372149490344325, 0.0004827891522595268, 3.655111164668453e-05, 1.3538001466932056e-06,
)
TAIL_Q = (
    1.0, 2.3443438108224632, 2.5537938603816905, 1.706616703778913, 0.7771175982923204, 0.252861617690227,
    0.05980786772475161, 0.010211417179723814, 0.0012135664136841392, 9.1620049920405e-05, 3.393473725912313e-06,
)
# fmt: on
ERF_END, TAIL_END = 5.6, 39.0
GAMMA_STEP = (1.0, 1.0 / 64, -19.0 / 2**13, 631.0 / 2**19, -174317.0 / 2**27)
_SPLIT = 2.0**27 + 1.0
_SMALLEST_NORMAL, _LARGEST = 2.0**-1022, 1.7976931348623157e308
_LN_2_54 = 37.42994775023705
"""54 ln 2."""


@inlined()
def log(x: float) -> float:
    """ln x, relative error below 2e-16, subnormal x included; -inf for 0, inf for inf, NaN for x < 0 and NaN."""
    small = x < _SMALLEST_NORMAL
    y = log_of_normal(x * 2.0**54 if small else x) - (_LN_2_54 if small else 0.0)
    y = y if x < math.inf else x
    y = y if x > 0.0 or x != x else -math.inf
    return math.nan if x < 0.0 else y


@inlined()
def log1p(x: float) -> float:
    """ln(1 + x), relative error below 6e-16, also next to 0; -inf for -1, inf for inf, NaN for x < -1 and NaN."""
    y = log1p_of_finite(x)
    y = y if x < math.inf else x
    y = y if x > -1.0 or x != x else -math.inf
    return math.nan if x < -1.0 else y


@inlined()
def power(x: float, y: float) -> float:
    """x^y = exp(y ln x) for x >= 0, relative error below (2 + |y ln x|) 3e-16; NaN for x < 0, whole y included.

    0^y is 0, 1 or inf for y > 0, y = 0, y < 0; x^0 = 1 for every x >= 0.
    """
    z = exp(y * log(x))
    return 1.0 if y == 0.0 and x >= 0.0 else z


@inlined()
def whole_power(x: float, n: int) -> float:
    """x^n for whole n >= 0, relative error below 2 n units of rounding: by squaring, a loop of log2(n) rounds."""
    result, square = 1.0, float64(x)
    while n > 0:
        if n & 1:
            result *= square
        n >>= 1
        square *= square
    return result


@inlined()
def gamma_step(b: float) -> float:
    """Gamma(b + 1/2)/Gamma(b) for 0 < b < 1e300, relative error below 1e-14; NaN for NaN.

    Gamma(w + 3/4)/Gamma(w + 1/4) = sqrt w (1 + 1/(64 w^2) - ...), next term 0.0024/w^10, at w = b + 31.75, and back by
    32 factors (b + k)/(b + k + 1/2).
    """
    w = b + 31.75
    ratio = math.sqrt(w) * polynomial(1.0 / (w * w), GAMMA_STEP)
    for k in range(32):
        ratio *= (b + k) / (b + k + 0.5)
    return ratio


@inlined()
def tanh(x: float) -> float:
    """tanh x = e/(e + 2) with e = expm1(2 |x|) and the sign of x, relative error below 1e-15; NaN for NaN."""
    a = abs(x)
    e = expm1(2.0 * (20.0 if a > 20.0 else a))
    y = e / (e + 2.0)
    return -y if x < 0.0 else y


@inlined()
def sigmoid(x: float) -> float:
    """1/(1 + e^-x), relative error below 1e-15 for x >= -708; below, where results are subnormal, one of their
    units. 0 at -inf, 1 at inf, NaN for NaN."""
    e = exp(-abs(x))
    return (e if x < 0.0 else 1.0) / (1.0 + e)


@inlined()
def erf(x: float) -> float:
    """The error function: a P(a^2)/Q(a^2) with the sign of x, a = |x| cut to 5.6; absolute error below 7e-15,
    |erf| <= 1.

    +-1 at +-inf, NaN for NaN.
    """
    a = abs(x)
    a = ERF_END if a > ERF_END else a
    p, q = two_polynomials(a * a, ERF_P, ERF_Q)
    y = a * p / q
    y = 1.0 if y > 1.0 else y
    return math.copysign(y, x)


@inlined()
def _tail_parts(a: float) -> tuple[float, float, float]:
    """(h, l, r) with (1 - Phi(a)) = r exp(-(h + l)/2) for 0 <= a, cut to 39: r = P(a)/Q(a) and a^2 = h + l exactly.

    l is what rounding takes from a^2 (Dekker 1971): without it exp(-a^2/2) is off by a^2/2 units in the last place.
    """
    a = TAIL_END if a > TAIL_END else a
    c = _SPLIT * a
    high = c - (c - a)
    low = a - high
    h = a * a
    l = ((high * high - h) + 2.0 * high * low) + low * low
    return h, l, polynomial(a, TAIL_P) / polynomial(a, TAIL_Q)


@inlined()
def normal_tail(z: float) -> float:
    """1 - Phi(z) for a standard normal; relative error below 2e-15 for z <= 37.5, beyond where results are
    subnormal, off by at most one of their units, and 0 from 38.6 on; 1 at -inf, NaN for NaN.

    The square of exp(-z^2/4) instead of exp(-z^2/2), so that only the last product can be subnormal.
    """
    h, l, r = _tail_parts(abs(z))
    e = exp(-0.25 * h)
    tail = (r * (1.0 - 0.5 * l) * e) * e
    return 1.0 - tail if z < 0.0 else tail


@inlined()
def log_tail(z: float) -> float:
    """-ln(1 - Phi(z)), a standard exponential if z is standard normal; relative error below 2e-15 for -37.5 <= z <= 38.

    For z < 0 it is ln(1 + q) with q = Phi(z)/(1 - Phi(z)). Beyond, z is cut to +-39: 764.7 from 39 upwards. NaN for
    NaN.
    """
    h, l, r = _tail_parts(abs(z))
    e = exp(-0.25 * h)
    tail = (r * (1.0 - 0.5 * l) * e) * e
    below = log1p_of_finite(tail / (1.0 - tail))
    above = 0.5 * h - log_of_normal(r)
    return below if z < 0.0 else above


@inlined()
def erfc(x: float) -> float:
    """1 - erf(x) = 2 (1 - Phi(sqrt 2 x)); relative error below 3e-15 for x <= 26.5, beyond where results are
    subnormal, off by at most one of their units, and 0 from 27.3 on. 2 at -inf, 0 at inf, NaN for NaN.

    The square of x itself is the one that has to be exact.
    """
    h, l, _ = _tail_parts(abs(x))
    a = math.sqrt(2.0) * abs(x)
    a = TAIL_END if a > TAIL_END else a
    e = exp(-0.5 * h)
    tail = (2.0 * (polynomial(a, TAIL_P) / polynomial(a, TAIL_Q)) * (1.0 - l) * e) * e
    return 2.0 - tail if x < 0.0 else tail


@inlined()
def _student_t_polynomial(w: float, p: np.ndarray, first: int) -> float:
    """sum_k p[first + k] w^k for k < `TERMS`, even and odd powers apart, as `polynomial` does it for tuples."""
    v = w * w
    high, low = p[first + TERMS - 1], p[first + TERMS - 2]
    for k in range(3, TERMS, 2):
        high = high * v + p[first + TERMS - k]
        low = low * v + p[first + TERMS - k - 1]
    result: float = low + w * high
    return result


@inlined()
def student_t_sign(y: float, p: np.ndarray, first: int) -> float:
    """E sign(y + T) = 2 F(y) - 1 for Student's t with nu > 0 degrees of freedom; absolute error below 5e-15, |.| <= 1,
    relative error below 1e-13 for nu >= 0.05.

    p[first], p[first + 1], ... is `student_t.student_t_data(nu)`, which has the formula: with s = |y|/sqrt nu,
    L = ln(1 + s^2) and e = expm1(-nu L/2) it is -e - (1 + e) t P(2 t - 1), which keeps small y. Where s > 1, z = 1/s
    takes the place of s, so that nothing overflows: L = 2 ln(y sqrt(1 + z^2)) - 2 ln sqrt nu. +-1 at +-inf, NaN for
    NaN.
    """
    nu, root, log_root, c = p[first + 1], p[first + 2], p[first + 3], p[first + 4]
    a = abs(y)
    outside = a > root
    z = (root if outside else a) / (a if outside else root)
    square = z * z
    u = 1.0 + square
    h = math.sqrt(u)
    # A factor instead of a choice: a number of p that is read under a condition would stop vectorisation.
    far = 1.0 if outside else 0.0
    rest = (1.0 - far) * (square - (u - 1.0)) - far * log_root
    e = expm1(-(0.5 + 0.5 * far) * nu * (log_of_normal(a * h if outside else u) + rest))
    e = -1.0 if a > _LARGEST else e
    q = 1.0 if outside else z
    t = (1.0 + c) * q / (h + c * q)
    value = -e - (1.0 + e) * t * _student_t_polynomial(2.0 * t - 1.0, p, first + HEAD)
    value = 1.0 if value > 1.0 else value
    return -value if y < 0.0 else value
