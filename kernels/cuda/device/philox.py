"""Philox4x32-10 on 32-bit words, with the counters of `adasde.kernels.philox`.

J. K. Salmon, M. A. Moraes, R. O. Dror, D. E. Shaw, Parallel random numbers: as easy as 1, 2, 3, SC 2011.
"""

from __future__ import annotations

from numpy import uint32, uint64

from adasde.kernels.cuda.device.arithmetic import device, high_word, low_word, plus

_MULTIPLIER_0, _MULTIPLIER_1 = uint32(0xD2511F53), uint32(0xCD9E8D57)
_WEYL_0, _WEYL_1 = uint32(0x9E3779B9), uint32(0xBB67AE85)
_WORD, _HALF, _STREAM = uint64(0xFFFFFFFF), uint64(32), uint64(24)


@device
def philox(c0, c1, c2, c3, k0, k1):
    """Four random words from a counter (c0, c1, c2, c3) and a key (k0, k1), all of them uint32.

    Ten rounds of (c0, c1, c2, c3) <- (hi(M1 c2) ^ c1 ^ k0, lo(M1 c2), hi(M0 c0) ^ c3 ^ k1, lo(M0 c0)), between which
    the key grows by the Weyl constants. Everything stays in 32 bits: a
    64-bit product would cost a GPU four.
    """
    for _ in range(10):
        high0, high1 = uint32(high_word(_MULTIPLIER_0, c0)), uint32(high_word(_MULTIPLIER_1, c2))
        low0, low1 = low_word(_MULTIPLIER_0, c0), low_word(_MULTIPLIER_1, c2)
        c0, c1, c2, c3 = uint32(high1 ^ c1 ^ k0), low1, uint32(high0 ^ c3 ^ k1), low0
        k0, k1 = plus(k0, _WEYL_0), plus(k1, _WEYL_1)
    return c0, c1, c2, c3


@device
def path_words(path, block, stream, seed):
    """The words 4 block, ..., 4 block + 3 of a path in a stream; all arguments are whole and not negative.

    Counter (path_lo, path_hi, block_lo, stream << 24 | block_hi), key (seed_lo, seed_hi).
    """
    p, b, s = uint64(path), uint64(block), uint64(seed)
    high = uint32(((uint64(stream) << _STREAM) | (b >> _HALF)) & _WORD)
    return philox(
        uint32(p & _WORD),
        uint32(p >> _HALF),
        uint32(b & _WORD),
        high,
        uint32(s & _WORD),
        uint32(s >> _HALF),
    )
