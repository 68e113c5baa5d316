"""Philox4x32-10: random words as a function of a counter and a key (Salmon, Moraes, Dror, Shaw, SC 2011).

There is no state to keep, split or skip ahead: the word that drives path p at step k is computed from p and k
alone. Results therefore do not depend on how paths are dealt out to threads, processes or machines.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

import numpy as np
from numba import njit, types, uint64

Word = np.uint64
Function = TypeVar("Function", bound=Callable[..., Any])

_WORD = np.uint64(0xFFFFFFFF)
_HALF = np.uint64(32)
_MULTIPLIER = (np.uint64(0xD2511F53), np.uint64(0xCD9E8D57))
_WEYL = (np.uint64(0x9E3779B9), np.uint64(0xBB67AE85))
_STREAM = np.uint64(24)


def inlined(*signature: Any) -> Callable[[Function], Function]:
    """Compiles a scalar function that is to vanish into the loop over lanes that calls it, and vectorise."""
    decorator: Callable[[Function], Function] = njit(*signature, cache=True, error_model="numpy", forceinline=True)
    return decorator


def compiled(*signature: Any) -> Callable[[Function], Function]:
    """Compiles a function that runs loops over lanes, or one too long to go into them."""
    decorator: Callable[[Function], Function] = njit(*signature, cache=True, nogil=True, error_model="numpy")
    return decorator


@inlined(types.UniTuple(uint64, 4)(uint64, uint64, uint64, uint64, uint64, uint64))
def philox(c0: Word, c1: Word, c2: Word, c3: Word, k0: Word, k1: Word) -> tuple[Word, Word, Word, Word]:
    """Four random 32-bit words from a counter (c0, c1, c2, c3) and a key (k0, k1), each held in a uint64.

    Ten rounds of (c0, c1, c2, c3) <- (hi(M1 c2) ^ c1 ^ k0, lo(M1 c2), hi(M0 c0) ^ c3 ^ k1, lo(M0 c0)),
    between which the key grows by the Weyl constants. In a uint64, 32 x 32 -> 64 bits is one vector
    multiplication.
    """
    for _ in range(10):
        first, second = _MULTIPLIER[0] * c0, _MULTIPLIER[1] * c2
        c0, c1 = (second >> _HALF) ^ c1 ^ k0, second & _WORD
        c2, c3 = (first >> _HALF) ^ c3 ^ k1, first & _WORD
        k0, k1 = (k0 + _WEYL[0]) & _WORD, (k1 + _WEYL[1]) & _WORD
    return c0, c1, c2, c3


@inlined(types.UniTuple(uint64, 4)(uint64, uint64, uint64, uint64))
def path_words(path: Word, block: Word, stream: Word, seed: Word) -> tuple[Word, Word, Word, Word]:
    """The words 4 block, ..., 4 block + 3 of a path in a stream.

    Counter (path_lo, path_hi, block_lo, stream << 24 | block_hi), key (seed_lo, seed_hi); path and seed have
    64 bits, block has 56 and stream has 8.
    """
    high = (stream << _STREAM) | (block >> _HALF)
    return philox(path & _WORD, path >> _HALF, block & _WORD, high, seed & _WORD, seed >> _HALF)
