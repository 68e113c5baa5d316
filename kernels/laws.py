"""Noise of every law as a monotone map of a standard normal, in place and over lanes.

The normals are those of the model's first Brownian motion, so that optimizer and SDE stay close path by path:
Z = F^-1(Phi(z)) for the laws with a distribution function F that inverts, and for a mixture m_c + d_c z with a
component c from a stream of its own. Student-t is not among them: `normals.fill_student_t` draws it from the words.
"""

# helpers 909b5730a7a1: numba's cache watches this file only, so `adasde kernels --write` stamps what it inlines here.
from __future__ import annotations

import math

import numpy as np
from numba import float64, int64, types

from adasde.kernels.compilation import compiled, inlined
from adasde.kernels.lanes import (
    EMPIRICAL,
    EXPONENTIAL,
    LANES,
    LAPLACE,
    MIXTURE,
    RADEMACHER,
    SCALARS,
    TWO_POINT,
)
from adasde.kernels.normals import draw_words, uniform
from adasde.kernels.special import log_tail, normal_tail

COMPONENT_STREAM = 64
"""Stream of the uniforms that choose a mixture's component; the motions and their bridges have those below."""

_LN2, _ROOT_HALF = math.log(2.0), math.sqrt(0.5)


@inlined(float64(float64))
def laplace(z: float) -> float:
    """sign(z) (-ln(2 (1 - Phi(|z|))))/sqrt 2, which has the density exp(-sqrt 2 |y|)/sqrt 2; error below 1e-15."""
    size = (log_tail(abs(z)) - _LN2) * _ROOT_HALF
    return -size if z < 0.0 else size


@inlined(float64(float64))
def exponential(z: float) -> float:
    """-ln(1 - Phi(z)) - 1, an exponential less its mean."""
    return log_tail(z) - 1.0


@compiled(types.void(LANES))
def to_laplace(z: np.ndarray) -> None:
    """Standard normals z (rows, L) become Laplace variables of variance 1."""
    for i in range(z.shape[0]):
        row = z[i]
        for j in range(row.size):
            row[j] = laplace(row[j])


@compiled(types.void(LANES))
def to_exponential(z: np.ndarray) -> None:
    """Standard normals z (rows, L) become exponential variables less 1."""
    for i in range(z.shape[0]):
        row = z[i]
        for j in range(row.size):
            row[j] = exponential(row[j])


@compiled(types.void(LANES, float64))
def to_two_point(z: np.ndarray, p: float) -> None:
    """sqrt((1 - p)/p) where 1 - Phi(z) < p, which has probability p, else -sqrt(p/(1 - p)); z is (rows, L)."""
    high, low = math.sqrt((1.0 - p) / p), -math.sqrt(p / (1.0 - p))
    for i in range(z.shape[0]):
        row = z[i]
        for j in range(row.size):
            row[j] = high if normal_tail(row[j]) < p else low


@compiled(types.void(LANES))
def to_rademacher(z: np.ndarray) -> None:
    """The sign of z (rows, L); normals are never 0."""
    for i in range(z.shape[0]):
        row = z[i]
        for j in range(row.size):
            row[j] = 1.0 if row[j] > 0.0 else -1.0


@compiled()
def _mix(z: np.ndarray, words: np.ndarray, data: np.ndarray) -> None:
    components = data.size // 3
    normals = z.copy()
    below = 0.0
    for c in range(components):
        mean, deviation = data[components + c], data[2 * components + c]
        for j in range(z.size):
            z[j] = mean + deviation * normals[j] if c == 0 or uniform(words[j]) > below else z[j]
        below += data[c]


@compiled(types.void(LANES, SCALARS, int64, int64, int64))
def to_mixture(z: np.ndarray, data: np.ndarray, first_path: int, first_q: int, seed: int) -> None:
    """m_c + d_c z with component c drawn by its weight; data = (w_1 ..., m_1 ..., d_1 ...), z is (rows, L).

    One uniform U per number, four to a block of Philox: c is the first with U <= w_1 + ... + w_c. Rows and first_q
    are multiples of 4.
    """
    rows, lanes = z.shape
    words = np.empty((4, lanes), np.int32)
    for row in range(0, rows, 4):
        draw_words(words, first_path, (first_q + row) >> 2, COMPONENT_STREAM, seed)
        for k in range(4):
            _mix(z[row + k], words[k], data)


@inlined()
def _place(sums: np.ndarray, n: int, u: float) -> int:
    """The i with sums[i] <= u < sums[i + 1] by halving, in a number of steps that depends on n alone."""
    low, left = 0, n
    while left > 1:
        half = left // 2
        low = low + half if sums[low + half] <= u else low
        left -= half
    return low


@compiled(types.void(LANES, SCALARS))
def to_empirical(z: np.ndarray, data: np.ndarray) -> None:
    """The quantile of Phi(z) among weighted values; data as `special.empirical_sign` reads it, z is (rows, L)."""
    n = int(data[4])
    values, sums = data[5 : 5 + n], data[5 + n : 6 + 2 * n]
    for i in range(z.shape[0]):
        row = z[i]
        for j in range(row.size):
            row[j] = values[_place(sums, n, normal_tail(-row[j]))]


@compiled(types.void(LANES, int64, SCALARS, int64, int64, int64))
def transform(z: np.ndarray, law: int, data: np.ndarray, first_path: int, first_q: int, seed: int) -> None:
    """Standard normals z (rows, L), of which row r is number first_q + r, become noise of the given law."""
    if law == LAPLACE:
        to_laplace(z)
    elif law == EXPONENTIAL:
        to_exponential(z)
    elif law == RADEMACHER:
        to_rademacher(z)
    elif law == TWO_POINT:
        to_two_point(z, data[0])
    elif law == MIXTURE:
        to_mixture(z, data, first_path, first_q, seed)
    elif law == EMPIRICAL:
        to_empirical(z, data)
