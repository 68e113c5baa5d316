"""Elementary and special functions of float64 that vectorise over lanes and give the same bytes on every CPU.

The C library's functions stop vectorisation and differ in the last bit between machines. These are made of
+ - * / sqrt, integer operations and selections alone. `tests/kernels/fit_erf.py` made the tables.
"""

from __future__ import annotations

import math
from typing import Any, TypeVar

import llvmlite.ir as ir
import numpy as np
from numba import float32, float64, int32, int64
from numba.extending import intrinsic

from adasde.kernels.philox import compiled, inlined

Real = TypeVar("Real", float, np.float32)

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
ATAN_P = (
    0.9999999999999748, 2.0380164284007303, 1.3929496782077921, 0.36630759177761035, 0.031006576347310622,
    0.0003720845847441287,
)
ATAN_Q = (
    1.0, 2.371349761730505, 1.9833995989220166, 0.6960279795347191, 0.09398914699058437, 0.003264644484791499,
)
LOG_P = (
    0.6666666666666725, 0.39999999999468133, 0.2857142873141141, 0.2222219962899188, 0.18183512375102842,
    0.1531531799066444, 0.14783791252326806,
)
EXP_P = (
    0.5, 0.16666666666666677, 0.04166666666666669, 0.008333333333321431, 0.001388888888887189,
    0.00019841269886564292, 2.4801587350107717e-05, 2.7557243817918326e-06, 2.7557251907180913e-07,
    2.5109159914144335e-08, 2.092157892073138e-09,
)
# fmt: on
ERF_END = 5.6

_ROOT_HALF = np.int64(0x3FE6A09E667F3BCD)
_MANTISSA = np.int64(0x000FFFFFFFFFFFFF)
_BITS_OF_2_52 = np.int64(0x4330000000000000)
_ROUND = 1.5 * 2.0**52
_LN2_HIGH, _LN2_LOW = 6.93147180369123816490e-01, 1.90821492927058770002e-10
"""The high part of ln 2 has 21 trailing zero bits: its product with an exponent is exact."""

_GAMMA_RATIO = (1.0, 1 / 64, -19 / 8192, 631 / 524288, -174317 / 134217728, 20491783 / 8589934592)
_ROOT_PI = math.sqrt(math.pi)
_FINITE_SUM_UP_TO = 100.0


@intrinsic  # type: ignore[untyped-decorator]
def bits_of(typing_context: Any, x: Any) -> Any:
    """The bits of a float as a signed integer of the same width."""
    if x not in (float32, float64):
        return None
    integer = int32 if x == float32 else int64
    width = ir.IntType(integer.bitwidth)
    return integer(x), lambda context, builder, signature, arguments: builder.bitcast(arguments[0], width)


@intrinsic  # type: ignore[untyped-decorator]
def float_of(typing_context: Any, i: Any) -> Any:
    """The float of the same width with these bits."""
    single = i == int32
    width = ir.FloatType() if single else ir.DoubleType()
    result = float32 if single else float64
    return result(i), lambda context, builder, signature, arguments: builder.bitcast(arguments[0], width)


@inlined()
def polynomial(u: Real, c: tuple[Real, ...]) -> Real:
    """sum_k c[k] u^k for a tuple c of two or more numbers: even and odd powers, each by Horner's rule in u^2.

    Two chains, because with one a loop waits for its own results (a quarter slower).
    """
    v = u * u
    n = len(c)
    high, low = c[n - 1], c[n - 2]
    for k in range(n - 3, -1, -2):
        high = high * v + c[k]
    for k in range(n - 4, -1, -2):
        low = low * v + c[k]
    return high + u * low if n % 2 == 1 else low + u * high


@inlined()
def log(x: float) -> float:
    """ln x for a positive normal number x, relative error below 2e-16.

    x = 2^e m with m in [sqrt(1/2), sqrt 2); with f = m - 1, s = f/(2 + f), z = s^2:
    ln m = 2 atanh s = f - s (f - z P(z)).
    """
    shifted = bits_of(float64(x)) - _ROOT_HALF
    # e + 2048 put into the mantissa of 2^52: AVX2 cannot convert 64-bit integers.
    e: float = float_of((((shifted >> 52) & 0xFFF) ^ 0x800) | _BITS_OF_2_52) - (2.0**52 + 2048.0)
    f: float = float_of((shifted & _MANTISSA) + _ROOT_HALF) - 1.0
    s = f / (2.0 + f)
    z = s * s
    return e * _LN2_HIGH + (f - (s * (f - z * polynomial(z, LOG_P)) - e * _LN2_LOW))


@inlined()
def log1p(q: float) -> float:
    """ln(1 + q) for finite q >= 0: what rounding takes from 1 + q comes back as a first-order term."""
    u = 1.0 + q
    return log(u) + (q - (u - 1.0)) / u


@inlined()
def _exp_parts(x: float) -> tuple[float, float]:
    """(p, h) with exp x = 2 h (1 + p) and h a power of two: p = expm1 r = r + r^2 P(r) for r = x - n ln 2."""
    x = 710.0 if x > 710.0 else x
    x = -707.0 if x < -707.0 else x
    shifted = x * (1.0 / math.log(2.0)) + _ROUND
    n = shifted - _ROUND
    r = (x - n * _LN2_HIGH) - n * _LN2_LOW
    return r + r * r * polynomial(r, EXP_P), float_of((bits_of(shifted) + 1022) << 52)


@inlined()
def exp(x: float) -> float:
    """exp x, relative error below 4e-16; inf above 709.79, and 1e-307 instead of less below -707."""
    p, h = _exp_parts(x)
    return 2.0 * (h * p + h)


@inlined()
def expm1(x: float) -> float:
    """exp(x) - 1 for x >= -0.34, relative error below 5e-16, also next to 0; inf above 709.79."""
    p, h = _exp_parts(x)
    return 2.0 * (h * p + (h - 0.5))


@inlined()
def sign(x: float) -> float:
    """-1, 0 or 1; 0 stays 0 and NaN stays NaN."""
    return 1.0 if x > 0.0 else (-1.0 if x < 0.0 else x)


@inlined()
def erf(x: float) -> float:
    """The error function x P(x^2)/Q(x^2), x cut to [-5.6, 5.6]; absolute error below 7e-15, |erf| <= 1."""
    x = ERF_END if x > ERF_END else x
    x = -ERF_END if x < -ERF_END else x
    u = x * x
    y = x * polynomial(u, ERF_P) / polynomial(u, ERF_Q)
    y = 1.0 if y > 1.0 else y
    return -1.0 if y < -1.0 else y


@inlined()
def atan(x: float) -> float:
    """arctan x = z P(z^2)/Q(z^2) if z = |x| <= 1, else pi/2 - arctan(1/|x|); absolute error below 3e-15."""
    a = abs(x)
    inverse = 1.0 / a
    z = inverse if a > 1.0 else a
    u = z * z
    y = z * polynomial(u, ATAN_P) / polynomial(u, ATAN_Q)
    y = 0.5 * math.pi - y if a > 1.0 else y
    return -y if x < 0.0 else y


@inlined()
def _sine_cosine(t: float) -> tuple[float, float]:
    """(sin, cos) of arctan t = (t, 1)/sqrt(1 + t^2), without overflow for large t."""
    a = abs(t)
    inverse = 1.0 / a
    z = inverse if a > 1.0 else a
    h = 1.0 / math.sqrt(1.0 + z * z)
    sine, cosine = (h, z * h) if a > 1.0 else (z * h, h)
    return -sine if t < 0.0 else sine, cosine


@inlined()
def student_t_sign(y: float, nu: float) -> float:
    """E sign(y + T) = 2 F(y) - 1 for Student's t with nu > 0 degrees of freedom; absolute error below 3e-14.

    nu = 1, 2, 3 and inf, where it is erf(y / sqrt 2), have closed forms that vectorise if nu is a constant of
    the compiled loop. The rest is scalar code.
    """
    if nu == 1.0:
        return 2.0 / math.pi * atan(y)
    if nu == 2.0:
        return _sine_cosine(y * math.sqrt(0.5))[0]
    if nu == 3.0:
        t = y * (1.0 / math.sqrt(3.0))
        sine, cosine = _sine_cosine(t)
        return 2.0 / math.pi * (atan(t) + sine * cosine)
    if nu == math.inf:
        return erf(y * math.sqrt(0.5))
    return _student_t_sign(float(y), float(nu))


@compiled()
def _student_t_sign(y: float, nu: float) -> float:
    if y != y or not nu > 0.0:
        return math.nan
    if abs(y) == math.inf:
        return sign(y)
    whole = nu <= _FINITE_SUM_UP_TO and float(int(nu)) == nu
    g = min(1.0, _finite_sum(abs(y), nu) if whole else _beta_series(abs(y), nu))
    return -g if y < 0.0 else g


@compiled()
def _finite_sum(y: float, nu: float) -> float:
    """2 F(y) - 1 for whole nu > 1, y >= 0 (Abramowitz and Stegun 26.7.3, 26.7.4); theta = arctan(y/sqrt nu).

    sin theta (1 + 1/2 cos^2 + 1/2 3/4 cos^4 + ...) for even nu, and for odd nu
    2/pi (theta + sin theta cos theta (1 + 2/3 cos^2 + ...)); nu // 2 terms, all positive.
    """
    t = y / math.sqrt(nu)
    sine, cosine = _sine_cosine(t)
    odd = int(nu) % 2
    term = total = sine * (cosine if odd else 1.0)
    for k in range(1 + odd, int(nu) - 2, 2):
        term *= cosine * cosine * k / (k + 1.0)
        total += term
    return 2.0 / math.pi * (atan(t) + total) if odd else total


@compiled()
def _gamma_ratio(z: float) -> float:
    """Gamma(z + 1/2) / Gamma(z): the recurrence up to z >= 16, then a series in 1/(z - 1/4)^2."""
    factor = 1.0
    while z < 16.0:
        factor *= z / (z + 0.5)
        z += 1.0
    w = z - 0.25
    return factor * math.sqrt(w) * polynomial(1.0 / w / w, _GAMMA_RATIO)


@compiled()
def _beta_series(y: float, nu: float) -> float:
    """2 F(y) - 1 = I_x(1/2, b) for finite y >= 0, b = nu/2, x = y^2/(nu + y^2), by series of positive terms.

    I_x(1/2, b) = 2 R/sqrt(pi) x^(1/2) (1-x)^b sum (b + 1/2)_n/(3/2)_n x^n for x < 1/2, and beyond
    1 - R/(sqrt(pi) b) x^(1/2) (1-x)^b sum (b + 1/2)_n/(b + 1)_n (1-x)^n, R = Gamma(b + 1/2)/Gamma(b).
    """
    b, root = 0.5 * nu, math.sqrt(nu)
    ratio = _gamma_ratio(b) / _ROOT_PI
    if y < root:
        q = (y / root) * (y / root)
        x = q / (1.0 + q)
        power = exp(-b * log1p(q))
        # The other series is at most its first factor over x: where that is nothing, this one would be long.
        if power * ratio < 1e-18 * b * math.sqrt(x):
            return 1.0
        return 2.0 * ratio * math.sqrt(x) * power * _hypergeometric(b + 0.5, 1.5, x)
    q = (root / y) * (root / y)
    power = exp(b * (log(nu) - 2.0 * log(y) - log1p(q)))
    series = _hypergeometric(b + 0.5, b + 1.0, q / (1.0 + q))
    return 1.0 - ratio / b * power / math.sqrt(1.0 + q) * series


@compiled()
def _hypergeometric(a: float, c: float, x: float) -> float:
    """sum_n (a)_n/(c)_n x^n for 0 <= x <= 1/2, to rounding error; at most 200 terms where it is used."""
    term = total = 1.0
    n = 0.0
    while term > 1e-17 * total:
        term *= (a + n) / (c + n) * x
        total += term
        n += 1.0
    return total
