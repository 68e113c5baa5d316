"""Noise of every law from the float32 normals of `normals`, as `adasde.kernels.laws` makes it on the CPU.

`laplace_in(T)` and its kin return functions of a normal z in a precision T, float32 or float64. Normals are z with
|z| <= 6.77. Which of several values a draw takes is decided by the normal, or by a word of the component's stream, on
whole numbers and float32 thresholds (see `numbers`): the CPU's choice in either precision.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy import int64

from adasde.kernels.cuda.device.arithmetic import device
from adasde.kernels.cuda.device.philox import path_words
from adasde.kernels.cuda.device.special import Precision
from adasde.kernels.laws import COMPONENT_STREAM
from adasde.kernels.special import TAIL_P, TAIL_Q

# fmt: off
LAPLACE32_P = (
    0.7978845834732056, 0.7711668014526367, 0.33370882272720337, 0.073715940117836, 0.007085049524903297,
)
LAPLACE32_Q = (1.0, 0.5675719976425171, 0.146272674202919, 0.014184979721903801)
# fmt: on
_P0, _P1, _P2, _P3, _P4 = LAPLACE32_P
_Q0, _Q1, _Q2, _Q3 = LAPLACE32_Q
_R0, _R1, _R2, _R3, _R4, _R5, _R6, _R7, _R8, _R9 = TAIL_P
_S0, _S1, _S2, _S3, _S4, _S5, _S6, _S7, _S8, _S9, _S10 = TAIL_Q
_LN2, _ROOT_HALF = math.log(2.0), math.sqrt(0.5)


def log_tail_in(T: Precision) -> Any:
    """log_tail(a) = -ln(2 (1 - Phi(a))) for 0 <= a <= 6.78: of the size of a Laplace variable.

    float32: a P(a)/Q(a), all terms positive, relative error below 6e-7, also next to 0. float64: the formula of
    `adasde.kernels.special.log_tail` less ln 2, absolute error below 2e-15 (1 + log_tail).
    """
    if T is np.float32:

        @device
        def log_tail(a):
            p = T(_P0) + a * (T(_P1) + a * (T(_P2) + a * (T(_P3) + a * T(_P4))))
            q = T(_Q0) + a * (T(_Q1) + a * (T(_Q2) + a * T(_Q3)))
            return a * p / q

    else:

        @device
        def log_tail(a):
            p = _R4 + a * (_R5 + a * (_R6 + a * (_R7 + a * (_R8 + a * _R9))))
            p = _R0 + a * (_R1 + a * (_R2 + a * (_R3 + a * p)))
            q = _S5 + a * (_S6 + a * (_S7 + a * (_S8 + a * (_S9 + a * _S10))))
            q = _S0 + a * (_S1 + a * (_S2 + a * (_S3 + a * (_S4 + a * q))))
            return 0.5 * a * a - math.log(p / q) - _LN2

    return log_tail


def laplace_in(T: Precision) -> Any:
    """laplace(z) = sign(z) log_tail(|z|)/sqrt 2, of density exp(-sqrt 2 |y|)/sqrt 2; in float32 the relative error is
    below 8e-7 for every z, in float64 the absolute one below 2e-15 (1 + |y|)."""
    log_tail = log_tail_in(T)

    @device
    def laplace(z):
        size = log_tail(T(abs(z))) * T(_ROOT_HALF)
        return -size if z < T(0) else size

    return laplace


def exponential_in(T: Precision) -> Any:
    """exponential(z) = -ln(1 - Phi(z)) - 1, an exponential less its mean; absolute error below 4e-7 (1 + |y|) in float32,
    2e-15 (1 + |y|) in float64."""
    log_tail = log_tail_in(T)

    @device
    def exponential(z):
        size = log_tail(T(abs(z)))
        tail = T(0.5) * T(math.exp(-size))
        return -T(math.log1p(-tail)) - T(1) if z < T(0) else size + T(_LN2 - 1.0)

    return exponential


def rademacher_in(T: Precision) -> Any:
    """rademacher(z): the sign of z; normals are never 0."""

    @device
    def rademacher(z):
        return T(1) if z > T(0) else T(-1)

    return rademacher


@device
def two_point(z, numbers):
    """The higher value where 1 - Phi(z) < P, else the lower one; numbers as `numbers.two_point_numbers` lays them
    out."""
    return numbers[1] if z > numbers[0] else numbers[2]


@device
def empirical(z, numbers):
    """The quantile of Phi(z) among weighted values, by binary search; numbers as `numbers.empirical_numbers` lays them
    out."""
    n = numbers.size >> 1
    low, left = 0, n
    while left > 1:
        half = left >> 1
        low = low + half if numbers[n + low + half] <= z else low
        left -= half
    return numbers[low]


@device
def word(words, q, first, path, seed):
    """Word number q of a path in the stream of components; one thread asks for q = first, first + 1, ..."""
    j = q & 3
    if j == 0 or q == first:
        words[0], words[1], words[2], words[3] = path_words(path, q >> 2, COMPONENT_STREAM, seed)
    low = words[0] if j == 0 else words[1]
    high = words[2] if j == 2 else words[3]
    return low if j < 2 else high


@device
def mixture(z, word, numbers):
    """m_c + d_c z with the last component c whose edge the word, from 0 to 2^32 - 1, has reached; numbers as
    `numbers.mixture_numbers` lays them out."""
    value = numbers[2] + numbers[3] * z
    for c in range(4, numbers.size, 4):
        edge = (int64(numbers[c]) << 16) + int64(numbers[c + 1])
        value = numbers[c + 2] + numbers[c + 3] * z if int64(word) >= edge else value
    return value
