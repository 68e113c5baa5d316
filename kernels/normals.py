"""Standard noise for a block of lanes: float32 Box-Muller normals, and Student-t variates coupled with them.

Every path owns, per stream (0 to 255), one infinite sequence of numbers q = 0, 1, 2, ... The functions
`fill_*` write number first_q + r of path first_path + j to row r, lane j: how paths and numbers are cut into
blocks changes no bit. The seed is 64 bits in an int64.

Two layouts share the words of a stream, four of which make a block of Philox: `fill_normals` turns two words
into two numbers, `fill_pairs` and `fill_student_t` give two words to every number. Draws of different layouts
from the same stream are therefore dependent. Of two words w the first makes U and the second makes V:
    U, V = (w + 1/2)/2^32 mod 1,    r = sqrt(-2 ln U),    z = r cos(2 pi V) and r sin(2 pi V).
U lies strictly between 0 and 1, so that no draw is infinite.
"""

# helpers f0092d3c7b2e: numba's cache watches this file only, so `adasde kernels --write` stamps what it inlines here.
from __future__ import annotations

import math

import numpy as np
from numba import float32, float64, int32, int64, types

from adasde.kernels.compilation import compiled, inlined
from adasde.kernels.elementary import bits_of, expm1, float_of, fma, horner, log, polynomial, two_horners
from adasde.kernels.lanes import LANES
from adasde.kernels.philox import draw_block

WORDS, FLOATS = types.Array(int32, 2, "C"), types.Array(float32, 2, "C")

# fmt: off
RADIUS32_P = tuple(np.float32(c) for c in (
    -3.999999998683218, -1.3333358029318283, -0.7995351965482436, -0.5977001065619956,
))
SINE32_P = tuple(np.float32(c) for c in (
    6.283185291837044, -41.341682323056894, 81.60253345452281, -76.58169219540135, 39.75961164954001,
))
COSINE32_P = tuple(np.float32(c) for c in (
    0.9999999788615321, -19.739178860199132, 64.93507839394577, -85.25153585681281, 56.325980618462516,
))
SINE_P = (
    6.283185307179586, -41.341702240399755, 81.6052492760737, -76.70585975283137, 42.05869392563525,
    -15.094641678527667, 3.819928075914724, -0.7177331329186604, 0.10089280995909351,
)
# fmt: on

# Typed constants: a bare 2.0 would turn the float32 stage into float64.
_ZERO, _ONE, _TWO = np.float32(0.0), np.float32(1.0), np.float32(2.0)
_ULP, _HALF_ULP, _ULP64 = np.float32(2.0**-32), np.float32(2.0**-33), 2.0**-32
_MINUS_2_LN2 = np.float32(-2.0 * math.log(2.0))
_ROOT_HALF = np.int32(0x3F3504F3)
_MANTISSA, _MANTISSA_BITS = np.int32(0x007FFFFF), np.int32(23)
_QUARTER_TURN, _FIRST_BIT, _SIGN = np.int32(1 << 30), np.int32(1), np.int32(-(2**31))


@inlined()
def squared_radius32(word: np.int32) -> np.float32:
    """-2 ln U in float32, relative error below 4e-7 for every word.

    U = 2^e m with m in [sqrt(1/2), sqrt 2); f = m - 1, s = f/(2 + f): -2 ln U = -4 atanh s - 2 e ln 2.
    """
    x: np.float32 = fma(float32(word), _ULP, _HALF_ULP)
    u = x + _ONE if x < _ZERO else x
    shifted = np.int32(bits_of(u) - _ROOT_HALF)
    e = np.int32(shifted >> _MANTISSA_BITS)
    f: np.float32 = float_of(np.int32((shifted & _MANTISSA) + _ROOT_HALF)) - _ONE
    # Next to U = 1, u has lost digits of U - 1; x = U - 1 still has them all.
    f = x if e == np.int32(0) else f
    s = f / (_TWO + f)
    result: np.float32 = fma(s, horner(s * s, RADIUS32_P), np.float32(e) * _MINUS_2_LN2)
    return result


@inlined()
def radius_cosine_sine32(square: np.float32, turn: np.int32) -> tuple[np.float32, np.float32, np.float32]:
    """+-sqrt(square), and cosine and sine of 2 pi V with that sign, in float32, the latter off by less than 3e-7.

    V = h/2 + x with half turns h and |x| <= 1/4: a half turn changes both signs, so that the radius takes it.
    """
    x: np.float32 = float32(np.int32(np.int32(turn << _FIRST_BIT) | _FIRST_BIT)) * _HALF_ULP
    u = x * x
    half_turn = np.int32(np.int32(turn + _QUARTER_TURN) & _SIGN)
    r = math.sqrt(square)
    cosine, sine = two_horners(u, COSINE32_P, SINE32_P)
    # A flipped bit instead of a product with +-1 or a choice: one operation.
    return float_of(np.int32(bits_of(r) ^ half_turn)), cosine, x * sine


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
def word_buffers(lanes: int) -> tuple[np.ndarray, np.ndarray]:
    """What `philox.draw_block` works in for so many paths."""
    pairs = (lanes + 1) // 2
    return np.empty((4, pairs), np.int64), np.empty((4, 2, max(2, pairs)), np.uint64)


@compiled()
def draw_words(words: np.ndarray, first_path: int, block: int, stream: int, seed: int) -> None:
    """words[k, j] = word k of the block for path first_path + j; words is int32 (4, L)."""
    pairs, shared = word_buffers(words.shape[1])
    draw_block(pairs, shared, words.shape[1], first_path, block, stream, seed, True)
    words[:] = pairs.view(np.int32)[:, : words.shape[1]]


@compiled(types.void(WORDS, int64, FLOATS, int64, int64))
def box_muller(words: np.ndarray, k: int, z: np.ndarray, first: int, second: int) -> None:
    """Words k and k + 1 of each lane to r cos and r sin in rows ``first`` and ``second`` of z (rows, L), float32.

    Off by less than 5e-7 r, |z| <= 6.77. A store of float64 would halve the lanes that a vector holds, so the normals
    stay float32 in this stage. Two loops, because the chain from a word to its normal is longer than a CPU looks ahead.
    """
    for j in range(z.shape[1]):
        z[first, j] = squared_radius32(words[k, j])
    for j in range(z.shape[1]):
        r, cosine, sine = radius_cosine_sine32(z[first, j], words[k + 1, j])
        z[first, j], z[second, j] = r * cosine, r * sine


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


@inlined()
def layer_row(r: int, d: int, layers: int, layer: int) -> int:
    """Where row r of a layer lies among ``layers`` layers of d rows per step."""
    return (r // d * layers + layer) * d + r % d


@compiled(types.void(LANES, int64, int64, int64, int64, int64, int64, int64))
def fill_layer(
    z: np.ndarray, d: int, layers: int, layer: int, first_path: int, first_q: int, stream: int, seed: int
) -> None:
    """Layer ``layer`` of z (steps * layers * d, L): standard normals, number first_q + r going to row r of that layer.

    z holds, step by step, ``layers`` layers of d rows; steps * d and first_q are multiples of 4, the numbers that one
    block of Philox gives.
    """
    rows, lanes = z.shape[0] // layers, z.shape[1]
    words, shared = word_buffers(lanes)
    single = words.view(np.int32)
    normals = np.empty((4, lanes), np.float32)
    for row in range(0, rows, 4):
        draw_block(words, shared, lanes, first_path, (first_q + row) >> 2, stream, seed, row == 0)
        box_muller(single, 0, normals, 0, 1)
        box_muller(single, 2, normals, 2, 3)
        for k in range(4):
            target = layer_row(row + k, d, layers, layer)
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
    words, shared = word_buffers(lanes)
    single = words.view(np.int32)
    normals = np.empty((2, lanes), np.float32)
    for row in range(0, rows, 2):
        draw_block(words, shared, lanes, first_path, (first_q + row) >> 1, stream, seed, row == 0)
        for k in range(2):
            box_muller(single, 2 * k, normals, 0, 1)
            for j in range(lanes):
                z1[row + k, j], z2[row + k, j] = normals[0, j], normals[1, j]


@compiled()
def fill_student_t(z: np.ndarray, first_path: int, first_q: int, stream: int, seed: int, nu: float) -> None:
    """z (rows, L): Student-t variates from the U and V of `fill_pairs`; rows and first_q are even, nu > 0.

    A variate has the sign of the pair's z1 and, for the same V, grows with the pair's r.
    """
    rows, lanes = z.shape
    words, shared = word_buffers(lanes)
    single = words.view(np.int32)
    for row in range(0, rows, 2):
        draw_block(words, shared, lanes, first_path, (first_q + row) >> 1, stream, seed, row == 0)
        for k in range(2):
            bailey(z[row + k], single[2 * k], single[2 * k + 1], nu)
