"""Moments of a block of paths at the saved times, added to those of its leaf, and the buckets of its losses."""

# helpers fe14058b474c: numba's cache watches this file only, so `adasde kernels --write` stamps what it inlines here.
from __future__ import annotations

import numpy as np
from numba import float64, int32, int64, types

from adasde.kernels.compilation import compiled
from adasde.kernels.lanes import LANE_STACK, LANES, SCALARS
from adasde.kernels.sketch import NOWHERE, bucket

DIVERGED, DIVERGED_LOSS = 1e12, 1e75
"""A path with a coordinate, or a loss, beyond these counts as diverged from then on; squares of less are finite."""

SUMS, ROUND = 32, 8
"""Sums that are kept side by side, and products that each takes before it is put back."""


@compiled(float64(SCALARS, SCALARS, SCALARS))
def _sum_of_products(a, b, sums):
    """sum_j a_j b_j by way of the sums over j = l modulo `SUMS`: the same order on every CPU, and loops that
    vectorise."""
    for l in range(SUMS):
        sums[l] = 0.0
    whole = a.size // (ROUND * SUMS) * (ROUND * SUMS)
    for first in range(0, whole, ROUND * SUMS):
        for l in range(SUMS):
            total = sums[l]
            for k in range(ROUND):
                total += a[first + k * SUMS + l] * b[first + k * SUMS + l]
            sums[l] = total
    for j in range(whole, a.size):
        sums[j % SUMS] += a[j] * b[j]
    for l in range(SUMS // 2):
        sums[l] += sums[l + SUMS // 2]
    total = 0.0
    for l in range(SUMS // 2):
        total += sums[l]
    return total


@compiled(types.void(SCALARS, SCALARS, SCALARS))
def _kept(out, a, weight):
    """a where the weight is 1, 0 where it is 0, whatever a is there."""
    for j in range(a.size):
        out[j] = a[j] if weight[j] > 0.0 else 0.0


@compiled(types.void(SCALARS, SCALARS, SCALARS, float64))
def _centred(out, a, weight, mean):
    for j in range(a.size):
        out[j] = (a[j] - mean) * weight[j]


@compiled(types.int64(LANES, SCALARS, SCALARS, int32[::1]))
def _count_alive(x, losses, alive, buckets):
    """Sets alive (L,), 1 or 0, to 0 for lanes that have diverged, buckets to those of the others' losses; returns how
    many are left."""
    for j in range(losses.size):
        alive[j] = alive[j] if abs(losses[j]) <= DIVERGED_LOSS else 0.0
    for i in range(x.shape[0]):
        for j in range(losses.size):
            alive[j] = alive[j] if abs(x[i, j]) <= DIVERGED else 0.0
    fresh = 0
    for j in range(losses.size):
        lives = alive[j] > 0.0
        fresh += int64(lives)
        buckets[j] = bucket(losses[j]) if lives else NOWHERE
    return fresh


@compiled(
    types.void(LANE_STACK, LANES, int64[::1], LANES, LANE_STACK, LANES, int64[::1], int32[:, ::1]),
)
def add_block(xs, losses, count, mean, m2, loss_moments, diverged, buckets):
    """Merges one block into the leaf's moments (Chan): count (T,), mean (T, d), m2 (T, d, d or 1), loss (T, 2).

    m2's last axis has length d for the full matrix of centred second moments and 1 for its diagonal. Lanes that have
    diverged by a saved time are counted in ``diverged`` and left out, there and at later times. The losses of the
    others give the buckets (T, L), see `sketch.bucket`.
    """
    times, d, lanes = xs.shape
    full = m2.shape[2] == d
    rows, alive, delta, sums = np.empty((d + 1, lanes)), np.ones(lanes), np.empty(d + 1), np.empty(SUMS)
    for k in range(times):
        fresh = _count_alive(xs[k], losses[k], alive, buckets[k])
        diverged[k] += lanes - fresh
        if fresh == 0:
            continue
        total = count[k] + fresh
        share = count[k] * fresh / total
        for i in range(d + 1):
            row = xs[k, i] if i < d else losses[k]
            if fresh < lanes:
                _kept(rows[i], row, alive)
                row = rows[i]
            centre = _sum_of_products(row, alive, sums) / fresh
            _centred(rows[i], row, alive, centre)
            delta[i] = centre - (mean[k, i] if i < d else loss_moments[k, 0])
        for i in range(d):
            for other in range(i, d if full else i + 1):
                block = _sum_of_products(rows[i], rows[other], sums) + delta[i] * delta[other] * share
                m2[k, i, other if full else 0] += block
                if other > i:
                    m2[k, other, i] += block
            mean[k, i] += delta[i] * fresh / total
        loss_moments[k, 1] += _sum_of_products(rows[d], rows[d], sums) + delta[d] * delta[d] * share
        loss_moments[k, 0] += delta[d] * fresh / total
        count[k] = total
