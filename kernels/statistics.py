"""Moments of a block of paths at the saved times, added to those of its leaf, and the buckets of its losses."""

# helpers 368ff8af5394: numba's cache watches this file only, so `adasde kernels --write` stamps what it inlines here.
from __future__ import annotations

import numpy as np
from numba import float64, int32, int64, njit, types

from adasde.kernels.lanes import LANE_STACK, LANES, SCALARS
from adasde.kernels.sketch import NOWHERE, bucket

DIVERGED, DIVERGED_LOSS = 1e12, 1e75
"""A path with a coordinate, or a loss, beyond these counts as diverged from then on; squares of less are finite."""


@njit(float64(SCALARS, types.boolean[::1], int64), cache=True, nogil=True, error_model="numpy")
def _mean(a, alive, count):
    total = 0.0
    for j in range(a.size):
        if alive[j]:
            total += a[j]
    return total / count


@njit(float64(SCALARS, SCALARS, float64, float64, types.boolean[::1]), cache=True, nogil=True, error_model="numpy")
def _comoment(a, b, mean_a, mean_b, alive):
    total = 0.0
    for j in range(a.size):
        if alive[j]:
            total += (a[j] - mean_a) * (b[j] - mean_b)
    return total


@njit(
    types.void(LANE_STACK, LANES, types.boolean[::1], int64[::1], LANES, LANE_STACK, LANES, int64[::1], int32[:, ::1]),
    cache=True,
    nogil=True,
    error_model="numpy",
)
def add_block(xs, losses, alive, count, mean, m2, loss_moments, diverged, buckets):
    """Merges one block into the leaf's moments (Chan): count (T,), mean (T, d), m2 (T, d, d or 1), loss (T, 2).

    m2's last axis has length d for the full matrix of centred second moments and 1 for its diagonal. Lanes that have
    diverged by a saved time are counted in ``diverged`` and left out, there and at later times. The losses of the
    others give the buckets (T, L), see `sketch.bucket`.
    """
    times, d, lanes = xs.shape
    full = m2.shape[2] == d
    centre = np.empty(d)
    delta = np.empty(d)
    for k in range(times):
        fresh = 0
        for j in range(lanes):
            if alive[j]:
                alive[j] = abs(losses[k, j]) <= DIVERGED_LOSS
                for i in range(d):
                    alive[j] = alive[j] and abs(xs[k, i, j]) <= DIVERGED
            fresh += alive[j]
        for j in range(lanes):
            buckets[k, j] = bucket(losses[k, j]) if alive[j] else NOWHERE
        diverged[k] += lanes - fresh
        if fresh == 0:
            continue
        total = count[k] + fresh
        weight = count[k] * fresh / total
        for i in range(d):
            centre[i] = _mean(xs[k, i], alive, fresh)
            delta[i] = centre[i] - mean[k, i]
        for i in range(d):
            for l in range(m2.shape[2]):
                other = l if full else i
                block = _comoment(xs[k, i], xs[k, other], centre[i], centre[other], alive)
                m2[k, i, l] += block + delta[i] * delta[other] * weight
            mean[k, i] += delta[i] * fresh / total
        loss = _mean(losses[k], alive, fresh)
        shift = loss - loss_moments[k, 0]
        loss_moments[k, 1] += _comoment(losses[k], losses[k], loss, loss, alive) + shift * shift * weight
        loss_moments[k, 0] += shift * fresh / total
        count[k] = total
