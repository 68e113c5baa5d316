"""Quantiles of the loss over an ensemble that is never held as a whole."""

from __future__ import annotations

import math
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from adasde.domain import checked

RELATIVE_ERROR = 1 / 129
"""Largest relative error of a quantile: half the width of a bucket, (b - a)/(b + a) with b = a (1 + 1/64)."""


Histogram = tuple[NDArray[np.int64], NDArray[np.int64]]
_WAITING = 8
"""Blocks that are counted together: one pass over a leaf is three times as fast as one over each of its blocks."""


class Sketch:
    """Histogram of the losses at each saved time, in buckets of relative width 1/64 of either sign.

    The counts are whole numbers: sketches merge exactly, in any order and grouping, to the same bytes. Its size is at
    most the number of different losses, and at most 2.6e5 per saved time; losses that spread over ten powers of ten
    take 2000. |f| < 2.2e-308 counts as 0.
    """

    def __init__(self, histogram: Histogram | None = None) -> None:
        self._counted = (np.empty(0, dtype=np.int64), np.empty(0, dtype=np.int64)) if histogram is None else histogram
        self._waiting: list[NDArray[np.int32]] = []

    @property
    def histogram(self) -> Histogram:
        """(keys, counts), both (K,): saved time and bucket in growing order (`kernels.sketch`), and paths in each."""
        from adasde.kernels.sketch import merge_histograms, tally

        if self._waiting:
            fresh = tally(self._waiting[0] if len(self._waiting) == 1 else np.concatenate(self._waiting, axis=1))
            self._counted = merge_histograms(*self._counted, *fresh) if self._counted[0].size else fresh
            self._waiting = []
        return self._counted

    def add(self, buckets: NDArray[np.int32]) -> None:
        """Adds a block of buckets (T, L) in place."""
        self._waiting.append(buckets)
        if len(self._waiting) >= _WAITING:
            _ = self.histogram

    def merged(self, other: Sketch) -> Sketch:
        """The sketch of both samples."""
        from adasde.kernels.sketch import merge_histograms

        return Sketch(merge_histograms(*self.histogram, *other.histogram))

    def __getstate__(self) -> Histogram:
        return self.histogram

    def __setstate__(self, histogram: Histogram) -> None:
        self._counted, self._waiting = histogram, []

    def quantile(self, q: float, times: int) -> NDArray[np.float64]:
        """(T,): the smallest loss that a share q in [0, 1] of the paths does not exceed, within `RELATIVE_ERROR`; the
        smallest of all for q = 0, and nan where there is no path."""
        from adasde.kernels.sketch import SPAN

        checked("q", q, "[0, 1]")
        keys, counts = self.histogram
        ends = np.searchsorted(keys, SPAN * np.arange(times + 1))
        result = np.full(times, np.nan)
        for k, (first, last) in enumerate(pairwise(ends)):
            if first < last:
                below = np.cumsum(counts[first:last])
                place = first + np.searchsorted(below, _rank(q, int(below[-1])))
                result[k] = _representative(int(keys[place]) - SPAN * k - SPAN // 2)
        return result


def _rank(q: float, n: int) -> int:
    """The smallest whole r >= 1 with r/n >= q."""
    rank = max(1, math.ceil(q * n))
    return rank - 1 if rank > 1 and (rank - 1) / n >= q else rank


def _representative(bucket: int) -> float:
    """2 a b/(a + b), as far in relative terms from either end a, b of the bucket."""
    from adasde.kernels.sketch import DIGITS

    if bucket == 0:
        return 0.0
    a, b = (np.array([abs(bucket), abs(bucket) + 1], dtype=np.int64) << (52 - DIGITS)).view(np.float64).tolist()
    return math.copysign(a * (2 * b / (a + b)), bucket)
