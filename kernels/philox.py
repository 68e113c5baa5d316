"""Philox4x32-10: random words as a function of a counter and a key (Salmon, Moraes, Dror, Shaw, SC 2011).

There is no state to keep, split or skip ahead: the word that drives path p at step k is computed from p and k
alone. Results therefore do not depend on how paths are dealt out to threads, processes or machines.
"""

# helpers 59df08b01e18: numba's cache watches this file only, so `adasde kernels --write` stamps what it inlines here.
from __future__ import annotations

from typing import Any

import numpy as np
from numba import int64, types, uint64

from adasde.kernels.compilation import compiled, has_32_registers, inlined

Word = np.uint64
Words = tuple[Word, Word, Word, Word]

_WORD = np.uint64(0xFFFFFFFF)
_HALF = np.uint64(32)
_MULTIPLIER = (np.uint64(0xD2511F53), np.uint64(0xCD9E8D57))
_WEYL = (np.uint64(0x9E3779B9), np.uint64(0xBB67AE85))
_STREAM = np.uint64(24)
_TWO, _FOUR = np.uint64(2), np.uint64(4)

_FOUR_AT_ONCE = has_32_registers()
"""A round waits for its own products, so that as many paths as the registers hold go side by side."""

ROUNDS, BITS = types.Array(uint64, 3, "C"), types.Array(int64, 2, "C")


@inlined(types.UniTuple(uint64, 4)(uint64, uint64, uint64, uint64, uint64, uint64))
def philox(c0: Word, c1: Word, c2: Word, c3: Word, k0: Word, k1: Word) -> Words:
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
def path_words(path: Word, block: Word, stream: Word, seed: Word) -> Words:
    """The words 4 block, ..., 4 block + 3 of a path in a stream.

    Counter (path_lo, path_hi, block_lo, stream << 24 | block_hi), key (seed_lo, seed_hi); path and seed have
    64 bits, block has 56 and stream has 8.
    """
    high = (stream << _STREAM) | (block >> _HALF)
    return philox(path & _WORD, path >> _HALF, block & _WORD, high, seed & _WORD, seed >> _HALF)


@compiled(types.void(ROUNDS, int64, uint64, uint64))
def share_rounds(shared: np.ndarray, first_path: int, high: Word, seed: Word) -> None:
    """What the first two rounds make of the paths alone, for every block whose fourth counter word is ``high``.

    shared (4, r, n): three layers for path first_path + r j + i at [:, i, j]; the last layer starts with the two
    multipliers. All paths have the same upper 32 bits.
    """
    _, stride, part = shared.shape
    shared[3, 0, 0], shared[3, 0, 1] = _MULTIPLIER
    key = high ^ (seed >> _HALF)
    for i in range(stride):
        for j in range(part):
            first = _MULTIPLIER[0] * (np.uint64(first_path + stride * j + i) & _WORD)
            second = _MULTIPLIER[1] * (((first >> _HALF) ^ key) & _WORD)
            shared[0, i, j], shared[1, i, j], shared[2, i, j] = second >> _HALF, second, first


@inlined()
def block_rounds(path_high: Word, block: Word, k0: Word, k1: Word) -> tuple[Word, Word, Word]:
    """What the first two rounds make of the block alone: the parts of words 0, 2 and 3."""
    second = _MULTIPLIER[1] * (block & _WORD)
    first = _MULTIPLIER[0] * ((second >> _HALF) ^ path_high ^ k0)
    k0, k1 = (k0 + _WEYL[0]) & _WORD, (k1 + _WEYL[1]) & _WORD
    return (second & _WORD) ^ k0, (first >> _HALF) ^ k1, first


@inlined()
def one_round(c0: Word, c1: Word, c2: Word, c3: Word, k0: Word, k1: Word, m0: Word, m1: Word) -> Words:
    """A round that leaves upper halves of the words uncleared: multiplications read the lower ones."""
    first, second = m0 * (c0 & _WORD), m1 * (c2 & _WORD)
    return (second >> _HALF) ^ c1 ^ k0, second, (first >> _HALF) ^ c3 ^ k1, first


@inlined()
def _start(shared: np.ndarray, i: int, j: int, parts: tuple[Word, Word, Word]) -> Words:
    """The words of path r j + i after two rounds; shared is (4, r, n)."""
    c0, c2, c3 = parts
    return shared[0, i, j] ^ c0, shared[1, i, j], shared[2, i, j] ^ c2, c3


@inlined()
def _four_rounds(a: Words, b: Words, c: Words, d: Words, k0: Word, k1: Word, m0: Word, m1: Word) -> Any:
    """Four rounds of four paths. LLVM would not unroll a loop over eight."""
    for _ in range(4):
        a, b = one_round(*a, k0, k1, m0, m1), one_round(*b, k0, k1, m0, m1)
        c, d = one_round(*c, k0, k1, m0, m1), one_round(*d, k0, k1, m0, m1)
        k0, k1 = (k0 + _WEYL[0]) & _WORD, (k1 + _WEYL[1]) & _WORD
    return a, b, c, d


@inlined()
def _joined(low: Word, high: Word) -> np.int64:
    return np.int64((low & _WORD) | (high << _HALF))


@inlined()
def _store_pair(words: np.ndarray, j: int, a: Words, b: Words) -> None:
    words[0, j], words[1, j] = _joined(a[0], b[0]), _joined(a[1], b[1])
    words[2, j], words[3, j] = _joined(a[2], b[2]), _joined(a[3], b[3])


@inlined()
def _store_words(bits: np.ndarray, j: int, a: Words) -> None:
    bits[0, j], bits[1, j] = _joined(a[1], a[0]), _joined(a[3], a[2])


@inlined(types.void(BITS, ROUNDS, uint64, uint64, uint64))
def pairs_of_paths(words: np.ndarray, shared: np.ndarray, path_high: Word, block: Word, seed: Word) -> None:
    """words (4, n/2): word k of the block for paths 2 j and 2 j + 1 in the lower and the upper half of words[k, j];
    shared is (4, 2, n/2)."""
    # From memory, lest the shift that joins two words be drawn into the product, whose 64-bit form is slow.
    m0, m1 = shared[3, 0, 0] & _WORD, shared[3, 0, 1] & _WORD
    k0, k1 = seed & _WORD, seed >> _HALF
    parts = block_rounds(path_high, block, k0, k1)
    k0, k1 = (k0 + _TWO * _WEYL[0]) & _WORD, (k1 + _TWO * _WEYL[1]) & _WORD
    q0, q1 = (k0 + _FOUR * _WEYL[0]) & _WORD, (k1 + _FOUR * _WEYL[1]) & _WORD
    half = words.shape[1] // 2 if _FOUR_AT_ONCE else 0
    for j in range(half):
        a, b = _start(shared, 0, j, parts), _start(shared, 1, j, parts)
        c, d = _start(shared, 0, half + j, parts), _start(shared, 1, half + j, parts)
        a, b, c, d = _four_rounds(a, b, c, d, k0, k1, m0, m1)
        a, b, c, d = _four_rounds(a, b, c, d, q0, q1, m0, m1)
        _store_pair(words, j, a, b)
        _store_pair(words, half + j, c, d)
    for j in range(2 * half, words.shape[1]):
        a, b = _start(shared, 0, j, parts), _start(shared, 1, j, parts)
        q0, q1 = k0, k1
        for _ in range(8):
            a, b = one_round(*a, q0, q1, m0, m1), one_round(*b, q0, q1, m0, m1)
            q0, q1 = (q0 + _WEYL[0]) & _WORD, (q1 + _WEYL[1]) & _WORD
        _store_pair(words, j, a, b)


@inlined(types.void(BITS, ROUNDS, uint64, uint64, uint64))
def pairs_of_words(bits: np.ndarray, shared: np.ndarray, path_high: Word, block: Word, seed: Word) -> None:
    """bits (2, n): words 1 and 0 of path j's block in the lower and the upper half of bits[0, j], words 3 and 2 in
    those of bits[1, j]; shared is (4, 1, n)."""
    m0, m1 = shared[3, 0, 0] & _WORD, shared[3, 0, 1] & _WORD
    k0, k1 = seed & _WORD, seed >> _HALF
    parts = block_rounds(path_high, block, k0, k1)
    k0, k1 = (k0 + _TWO * _WEYL[0]) & _WORD, (k1 + _TWO * _WEYL[1]) & _WORD
    q0, q1 = (k0 + _FOUR * _WEYL[0]) & _WORD, (k1 + _FOUR * _WEYL[1]) & _WORD
    n = bits.shape[1] // 4 if _FOUR_AT_ONCE else 0
    for j in range(n):
        a, b = _start(shared, 0, j, parts), _start(shared, 0, n + j, parts)
        c, d = _start(shared, 0, 2 * n + j, parts), _start(shared, 0, 3 * n + j, parts)
        a, b, c, d = _four_rounds(a, b, c, d, k0, k1, m0, m1)
        a, b, c, d = _four_rounds(a, b, c, d, q0, q1, m0, m1)
        _store_words(bits, j, a)
        _store_words(bits, n + j, b)
        _store_words(bits, 2 * n + j, c)
        _store_words(bits, 3 * n + j, d)
    for j in range(4 * n, bits.shape[1]):
        a = _start(shared, 0, j, parts)
        q0, q1 = k0, k1
        for _ in range(8):
            a = one_round(*a, q0, q1, m0, m1)
            q0, q1 = (q0 + _WEYL[0]) & _WORD, (q1 + _WEYL[1]) & _WORD
        _store_words(bits, j, a)


@compiled(types.void(BITS, int64, int64, uint64, uint64, uint64))
def single_paths(words: np.ndarray, lanes: int, first_path: int, block: Word, stream: Word, seed: Word) -> None:
    """Either layout, path by path: for paths among which the upper 32 bits change."""
    by_path = words.shape[0] == 4
    single = words.view(np.int32)
    for j in range(lanes):
        w0, w1, w2, w3 = path_words(np.uint64(first_path + j), block, stream, seed)
        if by_path:
            single[0, j], single[1, j], single[2, j], single[3, j] = w0, w1, w2, w3
        else:
            words[0, j], words[1, j] = _joined(w1, w0), _joined(w3, w2)


@inlined(types.void(BITS, ROUNDS, int64, int64, int64, int64, int64, types.boolean))
def draw_block(
    words: np.ndarray, shared: np.ndarray, lanes: int, first_path: int, block: int, stream: int, seed: int, fresh: bool
) -> None:
    """The words of one block for ``lanes`` paths from first_path on, in one of two layouts.

    words (4, n/2), n = ``lanes`` made even: `words.view(np.int32)` has word k of a path in row k, a path per column.
    words (2, lanes): 64 bits of a path in each row, see `pairs_of_words`.
    shared, (4, 2, n/2) or (4, 1, n) with n/2 or n two at least, is kept from block to block; ``fresh`` says that it is
    not of these paths, stream and seed yet.
    """
    number, key, by_path = np.uint64(block), np.uint64(seed), words.shape[0] == 4
    low, top = np.uint64(first_path), np.uint64(first_path + lanes - 1)
    if low >> _HALF != top >> _HALF:
        single_paths(words, lanes, first_path, number, np.uint64(stream), key)
        return
    if fresh or number & _WORD == 0:
        high = (np.uint64(stream) << _STREAM) | (number >> _HALF)
        share_rounds(shared, first_path, high, key)
    if by_path:
        pairs_of_paths(words, shared, low >> _HALF, number, key)
    else:
        pairs_of_words(words, shared, low >> _HALF, number, key)
