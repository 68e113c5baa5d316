"""Counts, means and centred second moments of a leaf of paths, in float64 and in an order that nothing changes."""

from __future__ import annotations

import math
from functools import cache
from typing import Any

import numpy as np
from numba import cuda
from numpy import float64, int64

from adasde.kernels.cuda.device.arithmetic import device
from adasde.kernels.cuda.device.losses import LossFamily

THREADS = 128
"""Threads of a block. A part of the result's definition: thread j adds up the paths j, j + 128, ... of its leaf, at most 63,
and keeps in the bits of one integer which of them are alive."""
GROUP = 16
GROUPS = THREADS // GROUP
PARTIAL = THREADS + GROUPS
DIVERGED, DIVERGED_LOSS = 1e12, 1e75
"""As in `adasde.kernels.statistics`."""


@device
def block_sum(value, place, partial):
    """The sum of one value per thread, the same in all threads: 8 threads add 16 values each, then all add these 8.

    partial has `PARTIAL` places. Two barriers do: nobody writes the sums of 16 before everybody has read the last ones.
    """
    partial[place] = value
    cuda.syncthreads()
    if place < GROUPS:
        group = partial[place * GROUP]
        for j in range(1, GROUP):
            group += partial[place * GROUP + j]
        partial[THREADS + place] = group
    cuda.syncthreads()
    total = partial[THREADS]
    for j in range(1, GROUPS):
        total += partial[THREADS + j]
    return total


@cache
def moments_kernel(family: LossFamily, d: int) -> Any:
    """kernel(xs, leaf, data, losses, count, diverged, mean, m2, loss): block b reduces the paths b leaf, ...,
    b leaf + leaf - 1.

    xs (T, d, paths) are the saved positions; losses (T, paths) gets f of each; count and diverged are (leaves, T), mean
    (leaves, T, d), m2 (leaves, T, d, d), loss (leaves, T, 2). A path beyond the limits of the driver at one saved time
    is counted as diverged there and later, and left out of the rest: its losses are NaN.
    """
    value = family.value

    @cuda.jit
    def kernel(xs, leaf, data, losses, count, diverged, mean, m2, loss):
        partial = cuda.shared.array(PARTIAL, np.float64)
        centre = cuda.local.array(d, np.float64)
        place, number = cuda.threadIdx.x, cuda.blockIdx.x
        begin = number * leaf
        end = min(begin + leaf, xs.shape[2])
        alive = (int64(1) << int64((end - begin - place + THREADS - 1) // THREADS)) - int64(1)
        if begin + place >= end:
            alive = int64(0)
        for k in range(xs.shape[0]):
            fresh, total_loss = float64(0), float64(0)
            for path in range(begin + place, end, THREADS):
                bit = int64(1) << int64((path - begin) // THREADS)
                losses[k, path] = math.nan
                if alive & bit:
                    f = value(xs, k, path, data, d)
                    fine = abs(f) <= DIVERGED_LOSS
                    for i in range(d):
                        fine = fine and abs(float64(xs[k, i, path])) <= DIVERGED
                    if fine:
                        fresh += 1.0
                        total_loss += f
                        losses[k, path] = f
                    else:
                        alive = alive & ~bit
            n = block_sum(fresh, place, partial)
            mean_loss = block_sum(total_loss, place, partial)
            if place == 0:
                count[number, k] = int64(n)
                diverged[number, k] = end - begin - int64(n)
            if n == 0:
                continue
            mean_loss /= n
            squares = float64(0)
            for path in range(begin + place, end, THREADS):
                if alive & (int64(1) << int64((path - begin) // THREADS)):
                    gap = value(xs, k, path, data, d) - mean_loss
                    squares += gap * gap
            squares = block_sum(squares, place, partial)
            if place == 0:
                loss[number, k, 0], loss[number, k, 1] = mean_loss, squares
            for i in range(d):
                total = float64(0)
                for path in range(begin + place, end, THREADS):
                    if alive & (int64(1) << int64((path - begin) // THREADS)):
                        total += float64(xs[k, i, path])
                centre[i] = block_sum(total, place, partial) / n
                if place == 0:
                    mean[number, k, i] = centre[i]
            for i in range(d):
                for l in range(i + 1):
                    total = float64(0)
                    for path in range(begin + place, end, THREADS):
                        if alive & (int64(1) << int64((path - begin) // THREADS)):
                            gap = float64(xs[k, i, path]) - centre[i]
                            total += gap * (float64(xs[k, l, path]) - centre[l])
                    total = block_sum(total, place, partial)
                    if place == 0:
                        m2[number, k, i, l], m2[number, k, l, i] = total, total

    return kernel
