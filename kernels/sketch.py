"""Histograms of losses in buckets of bounded relative width: counts add up exactly, so that merging has no order.

A bucket is what the sign, the exponent and the first `DIGITS` binary digits after the point leave of a number; every
power of two has 2^DIGITS of them. Reading it off the bits takes no logarithm and is the same on every CPU. A histogram
is a pair of arrays: keys in growing order, those of the saved time k being k * `SPAN` + `SPAN`/2 + bucket, and
counts. (Relative accuracy as in Masson, Rim and Lee, DDSketch, VLDB 2019.)
"""

# helpers 8aac2328ee4e: numba's cache watches this file only, so `adasde kernels --write` stamps what it inlines here.
from __future__ import annotations

from typing import Any

import numpy as np
from numba import float64, int32, int64, types

from adasde.kernels.compilation import compiled, inlined
from adasde.kernels.elementary import bits_of

DIGITS = 6
SPAN = 1 << 18
"""More than the number of buckets, which is 2 * 2047 * 2^DIGITS."""
NOWHERE = np.int32(-SPAN)
"""The bucket of what is not counted."""

_MAGNITUDE = np.int64(0x7FFFFFFFFFFFFFFF)
_DROPPED = np.int64(52 - DIGITS)
_FIRST = np.int64(1 << DIGITS)
"""The bucket of the smallest normal number."""

_PARTS = np.array(((1 - SPAN // 2, -1), (0, 0), (1, SPAN // 2 - 1)), dtype=np.int32)
"""The buckets of negative numbers, zeros and positive numbers."""

HISTOGRAM = types.UniTuple(int64[::1], 2)


@inlined(int32(float64))
def bucket(f: float) -> Any:
    """Bucket of a finite number: grows with it, odd in it, and 0 for 0 and |f| < 2^-1022."""
    size = (bits_of(f) & _MAGNITUDE) >> _DROPPED
    size = size if size >= _FIRST else 0
    return int32(-size if f < 0.0 else size)


@compiled(int32[:, ::1](float64[:, ::1]))
def buckets_of(losses: np.ndarray) -> np.ndarray:
    """The buckets of losses (T, L); `NOWHERE` for NaN, by which a path is marked that has diverged."""
    buckets = np.empty(losses.shape, np.int32)
    for k in range(losses.shape[0]):
        for j in range(losses.shape[1]):
            f = losses[k, j]
            buckets[k, j] = bucket(f) if f == f else NOWHERE
    return buckets


@inlined()
def _range(row: np.ndarray, low: int, high: int) -> Any:
    """Smallest and largest number of a row that lie in [low, high]; (high + 1, low - 1) where none does."""
    least, most = np.int32(high + 1), np.int32(low - 1)
    for j in range(row.size):
        here = row[j]
        inside = (here >= low) & (here <= high)
        least = min(least, here if inside else np.int32(high + 1))
        most = max(most, here if inside else np.int32(low - 1))
    return least, most


@inlined()
def _count(row: np.ndarray, least: int, window: np.ndarray) -> None:
    """window[i]: how many numbers of a row are least + i; those outside go to its last entry."""
    outside = np.uint32(window.size - 1)
    window[:] = 0
    for j in range(row.size):
        place = np.uint32(row[j] - least)
        window[place if place < outside else outside] += 1


@compiled(HISTOGRAM(int32[:, ::1]))
def tally(buckets: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The histogram of buckets (T, L), without those that are `NOWHERE`.

    Negative numbers, zeros and positive ones are counted apart, each over the range that they span: the buckets of
    small numbers lie far from each other where their signs differ.
    """
    times, lanes = buckets.shape
    size = times * lanes + 1
    keys, counts = np.empty(size, np.int64), np.empty(size, np.int64)
    found = 0
    for k in range(times):
        row = buckets[k]
        for part in range(3):
            least, most = _range(row, _PARTS[part, 0], _PARTS[part, 1])
            if least > most:
                continue
            window = np.empty(most - least + 2, np.int32)
            _count(row, least, window)
            first = k * SPAN + SPAN // 2 + least
            # Every entry is written, and kept where the next one is written behind it: no branch to predict.
            for place in range(window.size - 1):
                keys[found], counts[found] = first + place, window[place]
                found += window[place] > 0
    return keys[:found].copy(), counts[:found].copy()


@compiled(HISTOGRAM(int64[::1], int64[::1], int64[::1], int64[::1]))
def merge_histograms(
    keys: np.ndarray, counts: np.ndarray, other_keys: np.ndarray, other_counts: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """The histogram of two samples together."""
    n, m = keys.size, other_keys.size
    merged, total = np.empty(n + m, np.int64), np.empty(n + m, np.int64)
    i = j = found = 0
    while i < n or j < m:
        first = j >= m or (i < n and keys[i] <= other_keys[j])
        second = i >= n or (j < m and other_keys[j] <= keys[i])
        merged[found] = keys[i] if first else other_keys[j]
        total[found] = (counts[i] if first else 0) + (other_counts[j] if second else 0)
        i, j, found = i + first, j + second, found + 1
    return merged[:found].copy(), total[:found].copy()
