"""Special functions of float64 that vectorise over lanes and give the same bytes on every CPU.

Like the elementary functions, which this module passes on with `empirical_sign`, they are made of + - * / sqrt,
integer operations and selections alone. `tests/kernels/fit_erf.py` made the tables.
"""

from __future__ import annotations

import math

from adasde.kernels.elementary import exp, expm1, log, log1p, polynomial, sign
from adasde.kernels.empirical import empirical_sign
from adasde.kernels.philox import compiled, inlined

__all__ = [
    "atan",
    "empirical_sign",
    "erf",
    "exp",
    "expm1",
    "log",
    "log1p",
    "log_tail",
    "normal_tail",
    "polynomial",
    "sign",
    "student_t_sign",
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
ATAN_P = (
    0.9999999999999748, 2.0380164284007303, 1.3929496782077921, 0.36630759177761035, 0.031006576347310622,
    0.0003720845847441287,
)
ATAN_Q = (
    1.0, 2.371349761730505, 1.9833995989220166, 0.6960279795347191, 0.09398914699058437, 0.003264644484791499,
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
_SPLIT = 2.0**27 + 1.0

_GAMMA_RATIO = (1.0, 1 / 64, -19 / 8192, 631 / 524288, -174317 / 134217728, 20491783 / 8589934592)
_ROOT_PI = math.sqrt(math.pi)
_FINITE_SUM_UP_TO = 100.0


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
    subnormal, off by at most one of their units, and 0 from 38.6 on.

    The square of exp(-z^2/4) instead of exp(-z^2/2), so that only the last product can be subnormal.
    """
    h, l, r = _tail_parts(abs(z))
    e = exp(-0.25 * h)
    tail = (r * (1.0 - 0.5 * l) * e) * e
    return 1.0 - tail if z < 0.0 else tail


@inlined()
def log_tail(z: float) -> float:
    """-ln(1 - Phi(z)), a standard exponential if z is standard normal; relative error below 2e-15 for -37.5 <= z <= 38.

    For z < 0 it is ln(1 + q) with q = Phi(z)/(1 - Phi(z)).
    """
    h, l, r = _tail_parts(abs(z))
    e = exp(-0.25 * h)
    tail = (r * (1.0 - 0.5 * l) * e) * e
    below = log1p(tail / (1.0 - tail))
    above = 0.5 * h - log(r)
    return below if z < 0.0 else above


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
