"""Standard noise of one path: the same float32 normals, bit for bit, as `adasde.kernels.normals`.

Every path owns, per stream, one sequence of numbers q = 0, 1, 2, ...; coordinate i of step k takes number k d + i.
Numbers come in blocks of Philox. A thread keeps the block that it is in, an array of four float32, and makes a new
one where it enters the next; all threads do so at the same steps.
"""

from __future__ import annotations

import math

import numpy as np
from numpy import float32, int32, uint32, uint64

from adasde.kernels.cuda.device.arithmetic import add, bits_of, device, float_of, fma, mul
from adasde.kernels.cuda.device.philox import path_words
from adasde.kernels.normals import COSINE32_P, RADIUS32_P, SINE32_P

_ZERO, _ONE, _TWO = float32(0.0), float32(1.0), float32(2.0)
_MINUS_ONE, _MINUS_2_LN2 = float32(-1.0), float32(-2.0 * math.log(2.0))
_ULP, _HALF_ULP = float32(2.0**-32), float32(2.0**-33)
_ROOT_HALF, _MANTISSA, _MANTISSA_BITS = np.int64(0x3F3504F3), np.int64(0x007FFFFF), np.int64(23)
_WORD, _QUARTER_TURN, _FIRST_BIT, _SIGN = uint64(0xFFFFFFFF), uint64(1 << 30), uint64(1), uint64(1 << 31)
_R0, _R1, _R2, _R3 = RADIUS32_P
_S0, _S1, _S2, _S3, _S4 = SINE32_P
_C0, _C1, _C2, _C3, _C4 = COSINE32_P


@device
def squared_radius(word):
    """-2 ln U in float32, U = (word + 1/2)/2^32 mod 1 of a signed word; see `normals.squared_radius32`."""
    x = fma(float32(int32(word)), _ULP, _HALF_ULP)
    u = add(x, _ONE) if x < _ZERO else x
    shifted = np.int64(bits_of(u)) - _ROOT_HALF
    e = int32(shifted >> _MANTISSA_BITS)
    f = add(float_of(int32((shifted & _MANTISSA) + _ROOT_HALF)), _MINUS_ONE)
    # Next to U = 1, u has lost digits of U - 1; x = U - 1 still has them all.
    f = x if e == 0 else f
    s = float32(f / add(_TWO, f))
    z = mul(s, s)
    return fma(s, fma(fma(fma(_R3, z, _R2), z, _R1), z, _R0), mul(float32(e), _MINUS_2_LN2))


@device
def cosine_sine(word):
    """cos(2 pi V), sin(2 pi V) in float32, V = (word + 1/2)/2^32; see `normals.radius_cosine_sine32`."""
    w = uint64(word)
    x = mul(float32(int32(uint32(((w << _FIRST_BIT) & _WORD) | _FIRST_BIT))), _HALF_ULP)
    u = mul(x, x)
    cosine = fma(fma(fma(fma(_C4, u, _C3), u, _C2), u, _C1), u, _C0)
    sine = mul(x, fma(fma(fma(fma(_S4, u, _S3), u, _S2), u, _S1), u, _S0))
    half_turn = ((w + _QUARTER_TURN) & _SIGN) != 0
    return (-cosine, -sine) if half_turn else (cosine, sine)


@device
def box_muller(word, turn):
    """r cos(2 pi V) and r sin(2 pi V), two standard normals in float32, from the words of U and V."""
    r = float32(math.sqrt(squared_radius(word)))
    cosine, sine = cosine_sine(turn)
    return mul(r, cosine), mul(r, sine)


@device
def fill(block, path, number, stream, seed):
    """block <- the four normals that block ``number`` of a path's stream makes."""
    w0, w1, w2, w3 = path_words(path, number, stream, seed)
    block[0], block[1] = box_muller(w0, w1)
    block[2], block[3] = box_muller(w2, w3)


@device
def normal(block, q, first, path, stream, seed):
    """Normal number q of a path's stream; one thread asks for q = first, first + 1, ..."""
    j = q & 3
    if j == 0 or q == first:
        fill(block, path, q >> 2, stream, seed)
    low = block[0] if j == 0 else block[1]
    high = block[2] if j == 2 else block[3]
    return low if j < 2 else high


@device
def pair_cosine(block, q, first, path, seed):
    """The first normal of pair number q of stream 0; the layout that Student-t variates share."""
    j = q & 1
    if j == 0 or q == first:
        fill(block, path, q >> 1, 0, seed)
    return block[0] if j == 0 else block[2]


@device
def pair_sine(block, q):
    """The second normal of the pair that `pair_cosine` has just been asked for."""
    return block[1] if (q & 1) == 0 else block[3]


@device
def add_bridge(total, d, substeps, block, k, path, stream, seed):
    """total[i] = w_1i + ... + w_ri: the fresh normals of step k's r substeps, number (k rows + j d + i) of a stream,
    rows being r d rounded up to whole blocks."""
    begin = k * ((substeps * d + 3) // 4 * 4)
    for i in range(d):
        total[i] = 0
    for j in range(substeps):
        for i in range(d):
            total[i] += normal(block, begin + j * d + i, begin, path, stream, seed)
