"""Philox: published answers, the counter convention in plain integers, and lanes against single calls."""

from __future__ import annotations

import numpy as np
import pytest

from adasde.kernels import philox as home
from adasde.kernels.normals import draw_words, word_buffers
from adasde.kernels.philox import pairs_of_paths, pairs_of_words, path_words, philox, share_rounds

M32 = 0xFFFFFFFF


def philox_in_integers(counter: list[int], key: list[int]) -> list[int]:
    """Philox4x32-10 from its definition in the paper, in Python's integers."""
    x, k = list(counter), list(key)
    for _ in range(10):
        high0, low0 = divmod(0xD2511F53 * x[0], 1 << 32)
        high1, low1 = divmod(0xCD9E8D57 * x[2], 1 << 32)
        x = [high1 ^ x[1] ^ k[0], low1, high0 ^ x[3] ^ k[1], low0]
        k = [(k[0] + 0x9E3779B9) & M32, (k[1] + 0xBB67AE85) & M32]
    return x


@pytest.mark.parametrize(
    ("counter", "key", "answer"),
    [
        ("00000000 00000000 00000000 00000000", "00000000 00000000", "6627e8d5 e169c58d bc57ac4c 9b00dbd8"),
        ("ffffffff ffffffff ffffffff ffffffff", "ffffffff ffffffff", "408f276d 41c83b0e a20bc7c6 6d5451fd"),
        ("243f6a88 85a308d3 13198a2e 03707344", "a4093822 299f31d0", "d16cfe09 94fdcceb 5001e420 24126ea1"),
    ],
    ids=["zeros", "ones", "pi"],
)
def test_known_answers(counter: str, key: str, answer: str) -> None:
    """The generator is the published one: the three vectors of Random123's kat_vectors."""
    words = philox(*(int(word, 16) for word in (counter + " " + key).split()))
    assert " ".join(f"{int(word):08x}" for word in words) == answer


@pytest.mark.parametrize(
    ("path", "block", "stream", "seed"),
    [(0, 0, 0, 0), (5, 7, 1, 12345), (2**40 + 3, 2**50 + 9, 255, 2**63 + 11), (2**32, 2**32, 2, 2**32)],
)
def test_counter_convention(path: int, block: int, stream: int, seed: int) -> None:
    """Path, block, stream and seed reach the documented bits of counter and key, above 2^32 as well."""
    counter = [path & M32, path >> 32, block & M32, (stream << 24) | (block >> 32)]
    words = path_words(*(np.uint64(v) for v in (path, block, stream, seed)))
    assert [int(word) for word in words] == philox_in_integers(counter, [seed & M32, seed >> 32])


def test_lanes() -> None:
    """The vectorised loop gives every lane its path's words, across a carry into path_hi and for seed < 0."""
    words = np.empty((4, 37), np.int32)
    first, block, stream, seed = 2**32 - 20, 2**33 + 1, 3, -5
    draw_words(words, first, block, stream, seed)
    for j in range(words.shape[1]):
        single = path_words(*(np.uint64(v) for v in (first + j, block, stream, seed + 2**64)))
        assert words[:, j].view(np.uint32).tolist() == [int(word) for word in single]


@pytest.mark.parametrize("at_once", [2, 4])
def test_paths_side_by_side(at_once: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Four paths at once, for processors with 32 registers, and two give every path its words; of 22 paths some
    are left over."""
    monkeypatch.setattr(home, "_FOUR_AT_ONCE", at_once == 4)
    path, block, stream, seed = 1000, 77, 3, 2**40 + 5
    words, shared = word_buffers(22)
    bits, shared_bits = np.empty((2, 22), np.int64), np.empty((4, 1, 22), np.uint64)
    # The functions of Python itself: what is compiled has the choice of this processor frozen into it.
    for function, out, rounds in ((pairs_of_paths, words, shared), (pairs_of_words, bits, shared_bits)):
        share_rounds(rounds, path, np.uint64(stream << 24), np.uint64(seed))
        function.py_func(out, rounds, np.uint64(0), np.uint64(block), np.uint64(seed))
    for j in range(22):
        single = [int(w) for w in path_words(*(np.uint64(v) for v in (path + j, block, stream, seed)))]
        assert words.view(np.uint32)[:, j].tolist() == single
        assert bits.view(np.uint32)[:, 2 * j : 2 * j + 2].ravel().tolist() == [single[k] for k in (1, 0, 3, 2)]
