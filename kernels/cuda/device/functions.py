"""More functions of one real number in a given precision T, as `special` has them: ``sin_in(T)`` is a sine, and so on."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy import int64

from adasde.kernels.cuda.device.arithmetic import device, fma
from adasde.kernels.cuda.device.special import Precision
from adasde.kernels.trigonometric import COS_P, SIN_P

_S0, _S1, _S2, _S3, _S4, _S5 = SIN_P
_C0, _C1, _C2, _C3, _C4, _C5 = COS_P
_H0, _H1, _H2 = 1.5707963267341256, 6.077100506303966e-11, 2.0222662487959506e-21
"""pi/2 = _H0 + _H1 + _H2, the first two of 33 bits."""
_F0, _F1, _F2 = (np.float32(part) for part in (1.57079637050628662109375, -4.371139000186241e-08, -1.7151245100059e-15))
"""pi/2 = _F0 + _F1 + _F2 in float32."""
TURN_END, TURN_END32 = 2.0**20, 2.0**16
"""|x| up to which sine and cosine are calculated in float64 and in float32."""


def _quarter_turns_in(T: Precision) -> Any:
    """quarter_turns(x) = (sin r, cos r, n) for x = n pi/2 + r with |r| <= pi/4; NaN beyond the end.

    CUDA's own sine and cosine call a function for large arguments, which would not leave the kernel flat.
    """
    if T is np.float32:

        @device
        def reduced(x):
            n = T(math.floor(x * T(2 / math.pi) + T(0.5)))
            return n, fma(-n, _F2, fma(-n, _F1, fma(-n, _F0, x)))

    else:

        @device
        def reduced(x):
            n = math.floor(x * (2 / math.pi) + 0.5)
            return n, ((x - n * _H0) - n * _H1) - n * _H2

    end = T(TURN_END32 if T is np.float32 else TURN_END)

    @device
    def quarter_turns(x):
        x = x if abs(x) <= end else T(math.nan)
        n, r = reduced(x if x == x else T(0))
        u = r * r
        s = T(_S0) + u * (T(_S1) + u * (T(_S2) + u * (T(_S3) + u * (T(_S4) + u * T(_S5)))))
        c = T(_C0) + u * (T(_C1) + u * (T(_C2) + u * (T(_C3) + u * (T(_C4) + u * T(_C5)))))
        sine, cosine = r + r * u * s, (T(1) - T(0.5) * u) + u * u * c
        return (sine, cosine, int64(n)) if x == x else (x, x, int64(0))

    return quarter_turns


def _sine_in(T: Precision, ahead: int) -> Any:
    """sine(x) = sin(x + ahead pi/2)."""
    quarter_turns = _quarter_turns_in(T)

    @device
    def sine_ahead(x):
        sine, cosine, n = quarter_turns(x)
        n += ahead
        y = sine if n & 1 == 0 else cosine
        return y if n & 2 == 0 else -y

    return sine_ahead


def sin_in(T: Precision) -> Any:
    """sin x for |x| <= 2^20, in float32 for |x| <= 2^16; NaN beyond, and for NaN. Absolute error below 2e-15 and 3e-7."""
    return _sine_in(T, 0)


def cos_in(T: Precision) -> Any:
    """cos x, as `sin_in`."""
    return _sine_in(T, 1)


def power_in(T: Precision) -> Any:
    """power(x, y) = x^y = exp(y ln x) for x >= 0, relative error below (2 + |y ln x|) units of 2e-16, in float32 1e-7;
    NaN for x < 0, whole y included. 0^y is 0, 1 or inf for y > 0, y = 0, y < 0."""

    @device
    def power(x, y):
        at_zero = T(0) if y > T(0) else (T(math.inf) if y < T(0) else T(1))
        z = T(math.exp(y * T(math.log(x if x > T(0) else T(1)))))
        z = at_zero if x == T(0) else z
        z = T(1) if y == T(0) else z
        return z if x >= T(0) else T(math.nan)

    return power


def whole_power_in(T: Precision) -> Any:
    """whole_power(x, n) = x^n for whole n >= 0, by squaring; relative error below 2 n units of rounding."""

    @device
    def whole_power(x, n):
        result, square, left = T(1), T(x), int64(n)
        while left > 0:
            result = result * square if left & 1 else result
            left >>= 1
            square = square * square if left > 0 else square
        return result

    return whole_power


def empirical_sign_in(T: Precision) -> Any:
    """empirical_sign(c, r, numbers, first) = E[Z^r sign(Z + c)] for r = 0, 1, 2; sign(0) = 0.

    numbers[first], ... is the law's data as `adasde.kernels.empirical.empirical_sign` has it, up to the end of the
    array. Absolute error of some units of rounding times 1 + E|Z|^r; values that rounding to T makes equal to -c count
    as equal.
    """

    @device
    def empirical_sign(c, r, numbers, first):
        n = (numbers.size - first - 8) >> 2
        values = first + 5
        low, high = int64(0), int64(n)
        while low < high:
            middle = (low + high) >> 1
            less = numbers[values + middle] < -c
            low = middle + 1 if less else low
            high = high if less else middle
        above, high = low, int64(n)
        while above < high:
            middle = (above + high) >> 1
            less = numbers[values + middle] <= -c
            above = middle + 1 if less else above
            high = high if less else middle
        sums = values + n + r * (n + 1)
        mean = (numbers[sums + n] - numbers[sums + above]) - numbers[sums + low]
        return mean if c == c else c

    return empirical_sign
