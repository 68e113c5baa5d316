"""Standard noise in full double precision, for studies of tails: the functions of `normals` with longer U and V.

A number takes two words of a Philox block for U and two for V, of which 52 bits each are used, so that |z| reaches
8.57 instead of 6.77 and no draw is rounded to float32. The numbers are others than those of `normals`:
    (w, w') -> U = (2 m + 1)/2^53 with m the upper 52 bits of w + 2^32 w',  V alike,
    r = sqrt(-2 ln U),    z = r cos(2 pi V) and r sin(2 pi V).
Block b gives the numbers 2 b and 2 b + 1 of `fill_layer64`, and number b of both pairs and Student-t variates.
"""

# helpers 54e11909ff0f: numba's cache watches this file only, so `adasde kernels --write` stamps what it inlines here.
from __future__ import annotations

import math

import numpy as np
from numba import float64, int64, types

from adasde.kernels.elementary import bits_of, expm1, float_of, log, polynomial
from adasde.kernels.lanes import LANES
from adasde.kernels.normals import draw_words
from adasde.kernels.philox import compiled, inlined

# fmt: off
SINE64_P = (
    6.283185307179586, -41.34170224039966, 81.6052492759639, -76.70585970798096, 42.05868543048739,
    -15.093825731836784, 3.7812998661468002,
)
COSINE64_P = (
    1.0, -19.739208802178467, 64.93939402238567, -85.45681709415528, 60.24462042752531, -26.424271503472177,
    7.810523046341923,
)
# fmt: on

_LOW_WORD = np.int64(0xFFFFFFFF)
_ONE_BITS = np.int64(0x3FF0000000000000)
_HALF_ULP = 2.0**-53
_ROUND = 1.5 * 2.0**52


@inlined()
def uniform64(low: np.int32, high: np.int32) -> float:
    """(2 m + 1)/2^53 in (0, 1), exact; m holds the upper 52 bits of the 64."""
    bits = (np.int64(high) << 32) | (np.int64(low) & _LOW_WORD)
    # The bits become the mantissa of a number in [1, 2): AVX2 cannot convert 64-bit integers.
    x: float = float_of(((bits >> 12) & np.int64(0x000FFFFFFFFFFFFF)) | _ONE_BITS)
    return (x - 1.0) + _HALF_ULP


@inlined()
def cosine_sine64(v: float) -> tuple[float, float]:
    """cos(2 pi v), sin(2 pi v) for v in (0, 1), relative error below 1e-15.

    v = q/4 + x with |x| <= 1/8, exact; quarter q exchanges cosine and sine and sets their signs, as in float32.
    """
    shifted = 4.0 * v + _ROUND
    x = v - 0.25 * (shifted - _ROUND)
    q = bits_of(float64(shifted))
    u = x * x
    sine, cosine = x * polynomial(u, SINE64_P), polynomial(u, COSINE64_P)
    odd = (q & 1) != 0
    along, across = (sine, cosine) if odd else (cosine, sine)
    along_sign, across_sign = ((q + 1) & 2) << 62, (q & 2) << 62
    return float_of(bits_of(along) ^ along_sign), float_of(bits_of(across) ^ across_sign)


@compiled()
def box_muller64(words: np.ndarray, normals: np.ndarray) -> None:
    """Words (4, L) to normals (2, L): r cos and r sin; relative error below 2e-15, |z| <= 8.58."""
    for j in range(words.shape[1]):
        r = math.sqrt(-2.0 * log(uniform64(words[0, j], words[1, j])))
        cosine, sine = cosine_sine64(uniform64(words[2, j], words[3, j]))
        normals[0, j], normals[1, j] = r * cosine, r * sine


@compiled()
def bailey64(t: np.ndarray, words: np.ndarray, nu: float) -> None:
    """Words (4, L) to t = sqrt(nu (U^(-2/nu) - 1)) cos(2 pi V), see `normals.bailey`."""
    exponent = -1.0 / nu
    for j in range(t.size):
        t[j] = exponent * log(uniform64(words[0, j], words[1, j]))
    for j in range(t.size):
        e = expm1(t[j])
        t[j] = math.sqrt(nu * e * (e + 2.0))
    for j in range(t.size):
        t[j] *= cosine_sine64(uniform64(words[2, j], words[3, j]))[0]


@compiled(types.void(LANES, int64, int64, int64, int64, int64, int64, int64))
def fill_layer64(
    z: np.ndarray, d: int, layers: int, layer: int, first_path: int, first_q: int, stream: int, seed: int
) -> None:
    """`normals.fill_layer` in double precision; steps * d and first_q are even."""
    rows, lanes = z.shape[0] // layers, z.shape[1]
    words, normals = np.empty((4, lanes), np.int32), np.empty((2, lanes))
    for row in range(0, rows, 2):
        draw_words(words, first_path, (first_q + row) >> 1, stream, seed)
        box_muller64(words, normals)
        for k in range(2):
            target = ((row + k) // d * layers + layer) * d + (row + k) % d
            for j in range(lanes):
                z[target, j] = normals[k, j]


@compiled()
def fill_pairs64(z1: np.ndarray, z2: np.ndarray, first_path: int, first_q: int, stream: int, seed: int) -> None:
    """z1, z2 (rows, L): two independent standard normals, r cos and r sin, of one block each."""
    rows, lanes = z1.shape
    words, normals = np.empty((4, lanes), np.int32), np.empty((2, lanes))
    for row in range(rows):
        draw_words(words, first_path, first_q + row, stream, seed)
        box_muller64(words, normals)
        for j in range(lanes):
            z1[row, j], z2[row, j] = normals[0, j], normals[1, j]


@compiled()
def fill_student_t64(z: np.ndarray, first_path: int, first_q: int, stream: int, seed: int, nu: float) -> None:
    """z (rows, L): Student-t variates from the U and V of `fill_pairs64`, nu > 0."""
    rows, lanes = z.shape
    words = np.empty((4, lanes), np.int32)
    for row in range(rows):
        draw_words(words, first_path, first_q + row, stream, seed)
        bailey64(z[row], words, nu)
