"""Elementary functions of float64 that vectorise over lanes and give the same bytes on every CPU.

The C library's functions stop vectorisation and differ in the last bit between machines. These are made of
+ - * / sqrt, fused multiply-adds, integer operations and selections alone. `tests/kernels/fit_erf.py` made the tables.
"""

# helpers 59df08b01e18: numba's cache watches this file only, so `adasde kernels --write` stamps what it inlines here.
from __future__ import annotations

from typing import Any, TypeVar

import llvmlite.ir as ir
import numpy as np
from numba import float32, float64, int32, int64
from numba.extending import intrinsic

from adasde.kernels.compilation import inlined

Real = TypeVar("Real", float, np.float32)

# fmt: off
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

_ROOT_HALF = np.int64(0x3FE6A09E667F3BCD)
_MANTISSA = np.int64(0x000FFFFFFFFFFFFF)
_BITS_OF_2_52 = np.int64(0x4330000000000000)
_ROUND = 1.5 * 2.0**52
_LN2_HIGH, _LN2_LOW = 6.93147180369123816490e-01, 1.90821492927058770002e-10
"""The high part of ln 2 has 21 trailing zero bits: its product with an exponent is exact."""
_PER_LN2 = 1.4426950408889634
"""1/ln 2. A number, because a logarithm here would be one of the library that compiles."""


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


@intrinsic  # type: ignore[untyped-decorator]
def fma(typing_context: Any, a: Any, b: Any, c: Any) -> Any:
    """a b + c rounded once, for three floats of one type. Every CPU gives the same bits: the C library calculates
    them, slowly, where there is no instruction."""
    if a not in (float32, float64) or b != a or c != a:
        return None
    return a(a, a, a), lambda context, builder, signature, arguments: builder.fma(*arguments)


@inlined()
def horner(u: Real, c: tuple[Real, ...]) -> Real:
    """sum_k c[k] u^k by Horner's rule with fused operations."""
    y = c[len(c) - 1]
    for k in range(len(c) - 2, -1, -1):
        y = fma(y, u, c[k])
    return y


@inlined()
def two_horners(u: Real, c: tuple[Real, ...], d: tuple[Real, ...]) -> tuple[Real, Real]:
    """`horner` for two tuples of one length, in turn: a CPU does not look ahead far enough to start the second while
    the first one waits."""
    y, z = c[len(c) - 1], d[len(c) - 1]
    for k in range(len(c) - 2, -1, -1):
        y, z = fma(y, u, c[k]), fma(z, u, d[k])
    return y, z


@inlined()
def polynomial(u: Real, c: tuple[Real, ...]) -> Real:
    """sum_k c[k] u^k for a tuple c of two or more numbers: even and odd powers, each by Horner's rule in u^2.

    Two chains in turn, because with one a loop waits for its own results (a quarter slower).
    """
    v = u * u
    n = len(c)
    high, low = c[n - 1], c[n - 2]
    for k in range(n - 3, 0, -2):
        high, low = fma(high, v, c[k]), fma(low, v, c[k - 1])
    result: Real = fma(u, high, low) if n % 2 == 0 else fma(u, low, fma(high, v, c[0]))
    return result


@inlined()
def two_polynomials(u: Real, c: tuple[Real, ...], d: tuple[Real, ...]) -> tuple[Real, Real]:
    """`polynomial` for two tuples of one odd length, all four chains in turn, see `two_horners`."""
    v = u * u
    n = len(c)
    c_high, c_low, d_high, d_low = c[n - 1], c[n - 2], d[n - 1], d[n - 2]
    for k in range(n - 3, 0, -2):
        c_high, d_high = fma(c_high, v, c[k]), fma(d_high, v, d[k])
        c_low, d_low = fma(c_low, v, c[k - 1]), fma(d_low, v, d[k - 1])
    c_high, d_high = fma(c_high, v, c[0]), fma(d_high, v, d[0])
    return fma(u, c_low, c_high), fma(u, d_low, d_high)


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
    """ln(1 + q) for finite q > -1, relative error below 6e-16: what rounding takes from 1 + q comes back as a
    first-order term."""
    u = 1.0 + q
    return log(u) + (q - (u - 1.0)) / u


@inlined()
def _exp_parts(x: float) -> tuple[float, int]:
    """(p, i) with exp x = 2^n (1 + p) for x in [-746, 710], beyond which it is cut; i has the low bits of n.

    p = expm1 r = r + r^2 P(r) for r = x - n ln 2.
    """
    x = 710.0 if x > 710.0 else x
    x = -746.0 if x < -746.0 else x
    shifted = x * _PER_LN2 + _ROUND
    n = shifted - _ROUND
    r = (x - n * _LN2_HIGH) - n * _LN2_LOW
    return r + r * r * polynomial(r, EXP_P), bits_of(shifted)


@inlined()
def exp(x: float) -> float:
    """exp x, relative error below 4e-16 for x >= -708.39; below, where results are subnormal, one of their units.

    0 from -745.14 downwards and inf from 709.79 upwards, NaN for NaN. 2^n comes in two factors, because neither 2^1024
    nor 2^-1074 has the exponent of a normal number.
    """
    p, i = _exp_parts(x)
    half = i >> 1
    h: float = float_of((half + 1023) << 52)
    result: float = (h * p + h) * float_of((i - half + 1023) << 52)
    return result


@inlined()
def expm1(x: float) -> float:
    """exp(x) - 1, relative error below 5e-16, also next to 0; -1 from -37.5 downwards, inf from 709.79 upwards."""
    x = -700.0 if x < -700.0 else x
    p, i = _exp_parts(x)
    h: float = float_of((i + 1022) << 52)
    return 2.0 * (h * p + (h - 0.5))


@inlined()
def sign(x: float) -> float:
    """-1, 0 or 1; 0 stays 0 and NaN stays NaN."""
    return 1.0 if x > 0.0 else (-1.0 if x < 0.0 else x)
