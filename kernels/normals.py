"""Standard noise for a block of lanes: float32 Box-Muller normals, and Student-t variates coupled with them.

Every path owns, per stream (0 to 255), one infinite sequence of numbers q = 0, 1, 2, ... The functions
`fill_*` write number first_q + r of path first_path + j to row r, lane j: how paths and numbers are cut into
blocks changes no bit. The seed is 64 bits in an int64.

Two layouts share the words of a stream, four of which make a block of Philox: `fill_normals` turns two words
into two numbers, `fill_pairs` and `fill_student_t` give two words to every number. Draws of different layouts
from the same stream are therefore dependent. Of two words w the first makes U and the second makes V:
    U, V = (w + 1/2)/2^32 mod 1,    r = sqrt(-2 ln U),    z = r cos(2 pi V) and r sin(2 pi V).
U lies strictly between 0 and 1 and V is never a multiple of 1/4, so that no draw is 0 or infinite.
"""

# helpers 3812a6510f40: numba's cache watches this file only, so `adasde kernels --write` stamps what it inlines here.
from __future__ import annotations

import math

import numpy as np
from numba import float32, float64, int64, types

from adasde.kernels.elementary import bits_of, expm1, float_of, log, polynomial
from adasde.kernels.lanes import LANES
from adasde.kernels.philox import compiled, inlined, path_words

# fmt: off
RADIUS32_P = tuple(np.float32(c) for c in (
    -3.999999998683218, -1.3333358029318283, -0.7995351965482436, -0.5977001065619956,
))
SINE32_P = tuple(np.float32(c) for c in (
    6.283185297337734, -41.34166828375179, 81.59331460162468, -75.43057086541386,
))
COSINE32_P = tuple(np.float32(c) for c in (
    0.9999999840880617, -19.73915688689343, 64.92171291298322, -83.60575208336506,
))
SINE_P = (
    6.283185307179586, -41.341702240399755, 81.6052492760737, -76.70585975283137, 42.05869392563525,
    -15.094641678527667, 3.819928075914724, -0.7177331329186604, 0.10089280995909351,
)
# fmt: on

# Typed constants: a bare 2.0 would turn the float32 stage into float64.
_ZERO, _HALF, _ONE, _TWO = np.float32(0.0), np.float32(0.5), np.float32(1.0), np.float32(2.0)
_ULP, _ULP64 = np.float32(2.0**-32), 2.0**-32
_MINUS_2_LN2 = np.float32(-2.0 * math.log(2.0))
_ROOT_HALF = np.int32(0x3F3504F3)
_MANTISSA, _MANTISSA_BITS = np.int32(0x007FFFFF), np.int32(23)
_ULP_OF_X = np.float32(2.0**-34)
_EIGHTH_TURN = np.int32(1 << 29)
_FIRST_BIT, _SECOND_BIT, _TWO_BITS, _THIRTY_BITS = np.int32(1), np.int32(2), np.int32(2), np.int32(30)


@inlined()
def squared_radius32(word: np.int32) -> np.float32:
    """-2 ln U in float32, relative error below 4e-7 for every word.

    U = 2^e m with m in [sqrt(1/2), sqrt 2); f = m - 1, s = f/(2 + f): -2 ln U = -4 atanh s - 2 e ln 2.
    """
    x: np.float32 = (float32(word) + _HALF) * _ULP
    u = x + _ONE if x < _ZERO else x
    shifted = np.int32(bits_of(u) - _ROOT_HALF)
    e = np.int32(shifted >> _MANTISSA_BITS)
    f: np.float32 = float_of(np.int32((shifted & _MANTISSA) + _ROOT_HALF)) - _ONE
    # Next to U = 1, u has lost digits of U - 1; x = U - 1 still has them all.
    f = x if e == np.int32(0) else f
    s = f / (_TWO + f)
    return s * polynomial(s * s, RADIUS32_P) + np.float32(e) * _MINUS_2_LN2


@inlined()
def cosine_sine32(word: np.int32) -> tuple[np.float32, np.float32]:
    """cos(2 pi V), sin(2 pi V) in float32, relative error below 3e-7.

    V = q/4 + x with a quarter q and |x| < 1/8, both read off the word exactly: cosine and sine of 2 pi x change
    places if q is odd, the cosine is negative for q = 1, 2 and the sine for q = 2, 3.
    """
    x: np.float32 = float32(np.int32(np.int32(word << _TWO_BITS) | _SECOND_BIT)) * _ULP_OF_X
    q = np.int32(np.int32(word + _EIGHTH_TURN) >> _THIRTY_BITS)
    sine, cosine = x * polynomial(x * x, SINE32_P), polynomial(x * x, COSINE32_P)
    swap = np.int32(q & _FIRST_BIT) != np.int32(0)
    along, across = (sine, cosine) if swap else (cosine, sine)
    along_sign = np.int32(np.int32(np.int32(q + _FIRST_BIT) & _SECOND_BIT) << _THIRTY_BITS)
    across_sign = np.int32(np.int32(q & _SECOND_BIT) << _THIRTY_BITS)
    # A flipped bit instead of a product with +-1 or a choice: one operation.
    return float_of(np.int32(bits_of(along) ^ along_sign)), float_of(np.int32(bits_of(across) ^ across_sign))


@inlined()
def uniform(word: np.int32) -> float:
    """U in float64, exact."""
    x: float = (float64(word) + 0.5) * _ULP64
    return x + 1.0 if x < 0.0 else x


@inlined()
def cosine(word: np.int32) -> float:
    """cos(2 pi V) = sin(2 pi (1/4 - |V|)) for V in (-1/2, 1/2), in float64, relative error below 1e-15."""
    x: float = 0.25 - abs((float64(word) + 0.5) * _ULP64)
    return x * polynomial(x * x, SINE_P)


@compiled()
def draw_words(words: np.ndarray, first_path: int, block: int, stream: int, seed: int) -> None:
    """words[k, j] = word k of the block for path first_path + j; words is int32 (4, L)."""
    for j in range(words.shape[1]):
        path = np.uint64(first_path + j)
        w0, w1, w2, w3 = path_words(path, np.uint64(block), np.uint64(stream), np.uint64(seed))
        words[0, j], words[1, j], words[2, j], words[3, j] = w0, w1, w2, w3


@compiled()
def box_muller(words: np.ndarray, normals: np.ndarray) -> None:
    """Words (4, L) to float32 normals (4, L): words 0 and 1 give r cos, r sin in rows 0 and 1; 2 and 3 alike.

    Relative error below 6e-7, |z| <= 6.77. A store of float64 would halve the lanes that a vector holds, so
    the normals stay float32 in this stage.
    """
    for k in range(0, 4, 2):
        for j in range(words.shape[1]):
            r = math.sqrt(squared_radius32(words[k, j]))
            cosine, sine = cosine_sine32(words[k + 1, j])
            normals[k, j], normals[k + 1, j] = r * cosine, r * sine


@compiled()
def bailey(t: np.ndarray, words: np.ndarray, turns: np.ndarray, nu: float) -> None:
    """t = sqrt(nu (U^(-2/nu) - 1)) cos(2 pi V), Student-t with nu > 0 (Bailey 1994); arrays are (L,).

    With e = expm1(-ln U / nu) the root is that of nu e (e + 2), accurate for U next to 1 and for large nu.
    Relative error below 2e-15 + 1e-14/nu; nu < 1/15 can overflow to +-inf. Three loops are a third faster
    than one.
    """
    exponent = -1.0 / nu
    for j in range(t.size):
        t[j] = exponent * log(uniform(words[j]))
    for j in range(t.size):
        e = expm1(t[j])
        t[j] = math.sqrt(nu * e * (e + 2.0))
    for j in range(t.size):
        t[j] *= cosine(turns[j])


@compiled(types.void(LANES, int64, int64, int64, int64, int64, int64, int64))
def fill_layer(
    z: np.ndarray, d: int, layers: int, layer: int, first_path: int, first_q: int, stream: int, seed: int
) -> None:
    """Layer ``layer`` of z (steps * layers * d, L): standard normals, number first_q + r going to row r of that layer.

    z holds, step by step, ``layers`` layers of d rows; steps * d and first_q are multiples of 4, the numbers that one
    block of Philox gives.
    """
    rows, lanes = z.shape[0] // layers, z.shape[1]
    words, normals = np.empty((4, lanes), np.int32), np.empty((4, lanes), np.float32)
    for row in range(0, rows, 4):
        draw_words(words, first_path, (first_q + row) >> 2, stream, seed)
        box_muller(words, normals)
        for k in range(4):
            target = ((row + k) // d * layers + layer) * d + (row + k) % d
            for j in range(lanes):
                z[target, j] = normals[k, j]


@compiled(types.void(LANES, int64, int64, int64, int64))
def fill_normals(z: np.ndarray, first_path: int, first_q: int, stream: int, seed: int) -> None:
    """z (rows, L): standard normals; rows and first_q are multiples of 4."""
    fill_layer(z, 1, 1, 0, first_path, first_q, stream, seed)


@compiled()
def fill_pairs(z1: np.ndarray, z2: np.ndarray, first_path: int, first_q: int, stream: int, seed: int) -> None:
    """z1, z2 (rows, L): two independent standard normals, r cos and r sin; rows and first_q are even."""
    rows, lanes = z1.shape
    words, normals = np.empty((4, lanes), np.int32), np.empty((4, lanes), np.float32)
    for row in range(0, rows, 2):
        draw_words(words, first_path, (first_q + row) >> 1, stream, seed)
        box_muller(words, normals)
        for k in range(2):
            for j in range(lanes):
                z1[row + k, j] = normals[2 * k, j]
                z2[row + k, j] = normals[2 * k + 1, j]


@compiled()
def fill_student_t(z: np.ndarray, first_path: int, first_q: int, stream: int, seed: int, nu: float) -> None:
    """z (rows, L): Student-t variates from the U and V of `fill_pairs`; rows and first_q are even, nu > 0.

    A variate has the sign of the pair's z1 and, for the same V, grows with the pair's r.
    """
    rows, lanes = z.shape
    words = np.empty((4, lanes), np.int32)
    for row in range(0, rows, 2):
        draw_words(words, first_path, (first_q + row) >> 1, stream, seed)
        for k in range(2):
            bailey(z[row + k], words[2 * k], words[2 * k + 1], nu)
