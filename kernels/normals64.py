"""Standard noise in full double precision, for studies of tails: the functions of `normals` with longer U and V.

A number takes two words of a Philox block for U and two for V, of which 52 and 54 bits are used, so that |z| reaches
8.57 instead of 6.77 and no draw is rounded to float32. The numbers are others than those of `normals`:
    b = 2^32 w + w':    U = (2 m + 1)/2^53,  m the upper 52 bits of b;    V = (2 m + 1)/2^55,  m the upper 54 bits,
    r = sqrt(-2 ln U),    z = r cos(2 pi V) and r sin(2 pi V).
Block b gives the numbers 2 b and 2 b + 1 of `fill_layer64`, and number b of both pairs and Student-t variates.
"""

# helpers 5e0455db7e50: numba's cache watches this file only, so `adasde kernels --write` stamps what it inlines here.
from __future__ import annotations

import math

import numpy as np
from numba import float64, int64, types

from adasde.kernels.compilation import compiled, inlined
from adasde.kernels.elementary import LOG_P, bits_of, expm1, float_of, fma, horner, log, two_horners
from adasde.kernels.lanes import LANES
from adasde.kernels.normals import layer_row
from adasde.kernels.philox import BITS, ROUNDS, draw_block

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

_ONE_BITS, _ONE_AND_A_HALF = np.int64(0x3FF0000000000000), np.int64(0x3FF8000000000000)
_MANTISSA, _ROOT_HALF = np.int64(0x000FFFFFFFFFFFFF), np.int64(0x3FE6A09E667F3BCD)
_BITS_OF_2_52 = np.int64(0x4330000000000000)
_EIGHTH_TURN, _QUARTER_TURN, _SIGN = np.int64(1 << 61), np.int64(1 << 62), np.int64(-(2**63))
_BELOW_ONE, _EIGHTH_ULP, _LN2 = 1.0 - 2.0**-53, 2.0**-55, math.log(2.0)


@inlined()
def uniform64(bits: int) -> float:
    """(2 m + 1)/2^53 in (0, 1), exact; m holds the upper 52 of the 64 bits."""
    # The bits become the mantissa of a number in [1, 2): AVX2 cannot convert 64-bit integers.
    x: float = float_of(((bits >> 12) & _MANTISSA) | _ONE_BITS)
    return x - _BELOW_ONE


@inlined()
def squared_radius64(u: float) -> float:
    """-2 ln u for u in (0, 1), relative error below 4e-16: `elementary.log` with fused operations."""
    shifted = bits_of(float64(u)) - _ROOT_HALF
    e: float = float_of((((shifted >> 52) & 0xFFF) ^ 0x800) | _BITS_OF_2_52) - (2.0**52 + 2048.0)
    f: float = float_of((shifted & _MANTISSA) + _ROOT_HALF) - 1.0
    s = f / (2.0 + f)
    z = s * s
    tail: float = fma(-z, horner(z, LOG_P), f)
    logarithm: float = fma(e, _LN2, fma(-s, tail, f))
    return -2.0 * logarithm


@inlined()
def cosine_sine64(bits: int) -> tuple[float, float]:
    """cos(2 pi V), sin(2 pi V), relative error below 1e-15.

    V = q/4 + x with |x| <= 1/8, both read off the bits exactly; quarter q exchanges cosine and sine and sets their
    signs.
    """
    x: float = fma(float_of((((bits << 2) >> 12) & _MANTISSA) ^ _ONE_AND_A_HALF) - 1.5, 0.25, _EIGHTH_ULP)
    q = bits + _EIGHTH_TURN
    cosine, sine = two_horners(x * x, COSINE64_P, SINE64_P)
    sine *= x
    odd = (q >> 62) & 1 != 0
    along, across = (sine, cosine) if odd else (cosine, sine)
    return float_of(bits_of(along) ^ ((q + _QUARTER_TURN) & _SIGN)), float_of(bits_of(across) ^ (q & _SIGN))


@compiled(types.void(BITS, LANES, int64, int64))
def box_muller64(bits: np.ndarray, z: np.ndarray, first: int, second: int) -> None:
    """Bits (2, L) of U and V to r cos and r sin in rows ``first`` and ``second`` of z (rows, L); relative error below
    2e-15, |z| <= 8.58.

    Two loops, because with one the chain from word to normal is longer than a CPU looks ahead (6 % slower).
    """
    for j in range(z.shape[1]):
        z[first, j] = squared_radius64(uniform64(bits[0, j]))
    for j in range(z.shape[1]):
        r = math.sqrt(z[first, j])
        cosine, sine = cosine_sine64(bits[1, j])
        z[first, j], z[second, j] = r * cosine, r * sine


@compiled(types.void(float64[::1], BITS, float64))
def bailey64(t: np.ndarray, bits: np.ndarray, nu: float) -> None:
    """Bits (2, L) to t = sqrt(nu (U^(-2/nu) - 1)) cos(2 pi V), see `normals.bailey`."""
    exponent = -1.0 / nu
    for j in range(t.size):
        t[j] = exponent * log(uniform64(bits[0, j]))
    for j in range(t.size):
        e = expm1(t[j])
        t[j] = math.sqrt(nu * e * (e + 2.0))
    for j in range(t.size):
        t[j] *= cosine_sine64(bits[1, j])[0]


@compiled(types.void(BITS, ROUNDS, LANES, int64, int64, int64, int64, int64, int64, int64, types.boolean))
def fill_layer_in(
    bits: np.ndarray,
    shared: np.ndarray,
    z: np.ndarray,
    d: int,
    layers: int,
    layer: int,
    first_path: int,
    first_q: int,
    stream: int,
    seed: int,
    fresh: bool,
) -> None:
    """`fill_layer64` in what `philox.draw_block` works in, kept from call to call."""
    for row in range(0, z.shape[0] // layers, 2):
        draw_block(bits, shared, z.shape[1], first_path, (first_q + row) >> 1, stream, seed, fresh and row == 0)
        box_muller64(bits, z, layer_row(row, d, layers, layer), layer_row(row + 1, d, layers, layer))


@compiled(types.void(LANES, int64, int64, int64, int64, int64, int64, int64))
def fill_layer64(
    z: np.ndarray, d: int, layers: int, layer: int, first_path: int, first_q: int, stream: int, seed: int
) -> None:
    """`normals.fill_layer` in double precision; steps * d and first_q are even."""
    bits, shared = np.empty((2, z.shape[1]), np.int64), np.empty((4, 1, max(2, z.shape[1])), np.uint64)
    fill_layer_in(bits, shared, z, d, layers, layer, first_path, first_q, stream, seed, True)


@compiled()
def fill_pairs64(z1: np.ndarray, z2: np.ndarray, first_path: int, first_q: int, stream: int, seed: int) -> None:
    """z1, z2 (rows, L): two independent standard normals, r cos and r sin, of one block each."""
    rows, lanes = z1.shape
    bits, shared = np.empty((2, lanes), np.int64), np.empty((4, 1, max(2, lanes)), np.uint64)
    normals = np.empty((2, lanes))
    for row in range(rows):
        draw_block(bits, shared, lanes, first_path, first_q + row, stream, seed, row == 0)
        box_muller64(bits, normals, 0, 1)
        for j in range(lanes):
            z1[row, j], z2[row, j] = normals[0, j], normals[1, j]


@compiled()
def fill_student_t64(z: np.ndarray, first_path: int, first_q: int, stream: int, seed: int, nu: float) -> None:
    """z (rows, L): Student-t variates from the U and V of `fill_pairs64`, nu > 0."""
    rows, lanes = z.shape
    bits, shared = np.empty((2, lanes), np.int64), np.empty((4, 1, max(2, lanes)), np.uint64)
    for row in range(rows):
        draw_block(bits, shared, lanes, first_path, first_q + row, stream, seed, row == 0)
        bailey64(z[row], bits, nu)
