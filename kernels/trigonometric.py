"""Sine, cosine and arc tangent of float64 over lanes; `tests/kernels/fit_erf.py` made the tables."""

# helpers 8aac2328ee4e: numba's cache watches this file only, so `adasde kernels --write` stamps what it inlines here.
from __future__ import annotations

import math

from adasde.kernels.compilation import inlined
from adasde.kernels.elementary import bits_of, polynomial

# fmt: off
SIN_P = (
    -0.16666666666666635, 0.008333333333323208, -0.00019841269830363066, 2.755731386465719e-06,
    -2.5050782798244988e-08, 1.5898118062922359e-10,
)
ATAN_P = (
    0.9999999999999748, 2.0380164284007303, 1.3929496782077921, 0.36630759177761035, 0.031006576347310622,
    0.0003720845847441287,
)
ATAN_Q = (
    1.0, 2.371349761730505, 1.9833995989220166, 0.6960279795347191, 0.09398914699058437, 0.003264644484791499,
)
COS_P = (
    0.0416666666666666, -0.0013888888888874402, 2.4801587289650253e-05, -2.755731439911365e-07,
    2.0875729405917397e-09, -1.1359954538087428e-11,
)
# fmt: on
TURN_END = 2.0**20
"""|x| up to which sine and cosine are calculated."""

_ROUND = 1.5 * 2.0**52
_HALF_PI = 1.5707963267341256, 6.077100506303966e-11, 2.0222662487959506e-21


@inlined()
def _quarter_turns(x: float) -> tuple[float, float, int]:
    """(sin r, cos r, i) for x = n pi/2 + r with |r| <= pi/4; i has the low bits of n.

    pi/2 comes in three parts, the first two of 33 bits, whose products with n are exact (Cody and Waite 1980).
    """
    x = x if abs(x) <= TURN_END else math.nan
    shifted = x * (2.0 / math.pi) + _ROUND
    n = shifted - _ROUND
    r = ((x - n * _HALF_PI[0]) - n * _HALF_PI[1]) - n * _HALF_PI[2]
    u = r * r
    return r + r * u * polynomial(u, SIN_P), (1.0 - 0.5 * u) + u * u * polynomial(u, COS_P), bits_of(shifted)


@inlined()
def sin(x: float) -> float:
    """sin x for |x| <= 2^20, relative error below 4e-16, next to multiples of pi as well; NaN beyond 2^20, where
    reduction by the period would need more digits, and for NaN."""
    sine, cosine, i = _quarter_turns(x)
    y = sine if i & 1 == 0 else cosine
    return y if i & 2 == 0 else -y


@inlined()
def cos(x: float) -> float:
    """cos x for |x| <= 2^20, relative error below 4e-16; NaN beyond, and for NaN."""
    sine, cosine, i = _quarter_turns(x)
    y = cosine if i & 1 == 0 else sine
    return y if (i + 1) & 2 == 0 else -y


@inlined()
def atan(x: float) -> float:
    """arctan x = z P(z^2)/Q(z^2) if z = |x| <= 1, else pi/2 - arctan(1/|x|); absolute error below 3e-15.

    +-pi/2 at +-inf, NaN for NaN.
    """
    a = abs(x)
    inverse = 1.0 / a
    z = inverse if a > 1.0 else a
    u = z * z
    y = z * polynomial(u, ATAN_P) / polynomial(u, ATAN_Q)
    y = 0.5 * math.pi - y if a > 1.0 else y
    return -y if x < 0.0 else y
