"""The driver of flat kernels, in which a loss's gradient and a step are one loop over lanes.

`driver.run_block` calls gradient and step by pointers, which carry the gradient from one to the other through memory
and cost a call each at every step. A flat kernel is made for one pair of them (`adasde.flat`) and takes many steps in
one call; its operations are the same in the same order, and so are its bytes.
"""

# helpers 43e2f18003cf: numba's cache watches this file only, so `adasde kernels --write` stamps what it inlines here.
from __future__ import annotations

import math
from functools import cache
from typing import Any

import numpy as np
from numba import float32, float64, int32, int64, types, uint64

from adasde.kernels.compilation import compiled
from adasde.kernels.driver import store
from adasde.kernels.lanes import LANE_STACK, LANES, PLAN, SCALARS, VALUE
from adasde.kernels.normals import box_muller, layer_row
from adasde.kernels.normals64 import fill_layer_in
from adasde.kernels.philox import BITS, draw_block
from adasde.kernels.statistics import add_block

SHARED = types.Array(uint64, 4, "C")
ROWS = {False: types.Array(float32, 2, "C"), True: types.Array(float64, 2, "C")}
"""Rows of draws, step by step, motion by motion, coordinate by coordinate; by whether they are in double precision."""

FLAT = {
    double: types.void(LANE_STACK, rows, SCALARS, SCALARS, SCALARS, int64, int64, int64)
    for double, rows in ROWS.items()
}
"""``flat(state, rows, scale, p, data, first, last, origin)``: steps first, ..., last - 1 of the lanes in place.

state (n, d, L); rows (S m d, L): the draws of steps origin, ..., origin + S - 1; scale (d,): the noise scale; p: the
parameter array of the optimizer's module; data: that of the loss.
"""

FILL_ROWS = {
    double: types.void(rows, BITS, SHARED, int64, int64, int64, int64, int64, types.boolean)
    for double, rows in ROWS.items()
}
"""``fill(rows, words, shared, d, layers, chunk, first_path, seed, fresh)``: the draws of one chunk of steps, see
`lanes.FILL`; words and shared[c] are what `philox.draw_block` works in for motion c."""

_LINE = 64


@compiled(FILL_ROWS[False])
def fill_rows(rows, words, shared, d, layers, chunk, first_path, seed, fresh):
    """The normals of `draws.fill_gaussian`, left in float32."""
    single, count = words.view(np.int32), rows.shape[0] // layers
    for c in range(layers):
        own = shared[c]
        for r in range(0, count, 4):
            block = (chunk * count + r) >> 2
            draw_block(words, own, rows.shape[1], first_path, block, c, seed, fresh and r == 0)
            for k in range(0, 4, 2):
                first, second = layer_row(r + k, d, layers, c), layer_row(r + k + 1, d, layers, c)
                box_muller(single, k, rows, first, second)


@compiled(FILL_ROWS[True])
def fill_rows64(rows, words, shared, d, layers, chunk, first_path, seed, fresh):
    """The normals of `draws64.fill_gaussian64`."""
    first = chunk * (rows.shape[0] // layers)
    for c in range(layers):
        fill_layer_in(words, shared[c], rows, d, layers, c, first_path, first, c, seed, fresh)


def _run(
    flat,
    fill,
    value,
    data,
    p,
    scale,
    state,
    saves,
    before,
    losses_before,
    begin,
    plan,
    first_path,
    block,
    lanes_state,
    rows,
    words,
    shared,
    count,
    mean,
    m2,
    loss_moments,
    diverged,
    buckets,
):
    """Steps ``begin`` to the last of one leaf, block by block of ``block`` lanes, each added to the leaf's moments.

    state (n, d, N) after ``begin`` steps, or (n, d, 1) where it is the same for all N paths; before (B, d, N) and
    losses_before (B, N): x and f(x) after those steps in ``saves`` that are less than ``begin``; lanes_state, rows,
    words, shared: see `buffers`; count, ..., buckets (T, N): see `statistics.add_block`.
    """
    states, d, given = state.shape
    paths = buckets.shape[1]
    times, early, lanes, own = saves.size, before.shape[0], rows.shape[1], lanes_state
    xs, losses, own_buckets = np.empty((times, d, lanes)), np.empty((times, lanes)), np.empty((times, lanes), np.int32)
    for offset in range(0, paths, block):
        if paths - offset < lanes:
            lanes = paths - offset
            own, rows = np.empty((states, d, lanes)), np.empty((rows.shape[0], lanes), rows.dtype)
            xs, losses, own_buckets = (
                np.empty((times, d, lanes)),
                np.empty((times, lanes)),
                own_buckets[:, :lanes].copy(),
            )
        for n in range(states):
            for i in range(d):
                for j in range(lanes):
                    own[n, i, j] = state[n, i, min(offset + j, given - 1)]
        for n in range(early):
            for j in range(lanes):
                losses[n, j] = losses_before[n, offset + j]
            for i in range(d):
                for j in range(lanes):
                    xs[n, i, j] = before[n, i, offset + j]
        run_lanes(
            flat,
            fill,
            value,
            data,
            p,
            scale,
            own,
            saves,
            early,
            xs,
            losses,
            first_path + offset,
            begin,
            plan,
            rows,
            words,
            shared,
        )
        add_block(xs, losses, count, mean, m2, loss_moments, diverged, own_buckets)
        for n in range(times):
            for j in range(lanes):
                buckets[n, offset + j] = own_buckets[n, j]


@compiled(cache=False)
def run_lanes(
    flat, fill, value, data, p, scale, state, saves, saved, xs, losses, first_path, begin, plan, rows, words, shared
):
    """One block of lanes from step ``begin`` on; ``saved`` of its times are stored already."""
    steps, noises, seed = plan[1], plan[3], plan[6]
    d = state.shape[1]
    per_chunk = rows.shape[0] // (noises * d)
    k, current = begin, -1
    while k <= steps:
        if saved < saves.size and saves[saved] == k:
            store(value, state[0], xs[saved], losses[saved], data)
            saved += 1
        if k == steps:
            break
        chunk = k // per_chunk
        if chunk != current:
            fill(rows, words, shared, d, noises, chunk, first_path, seed, current < 0)
            current = chunk
        last = min(steps, (chunk + 1) * per_chunk)
        last = min(last, saves[saved]) if saved < saves.size else last
        flat(state, rows, scale, p, data, k, last, chunk * per_chunk)
        k = last


@cache
def flat_driver(double: bool) -> tuple[Any, Any]:
    """(driver, its fill) for draws in either precision."""
    rows = ROWS[double]
    pointers = types.FunctionType(FLAT[double]), types.FunctionType(FILL_ROWS[double]), types.FunctionType(VALUE)
    numbers = SCALARS, SCALARS, SCALARS
    moments = int64[::1], LANES, LANE_STACK, LANES, int64[::1], types.Array(int32, 2, "C")
    signature = types.void(
        *pointers, *numbers, LANE_STACK, int64[::1], LANE_STACK, LANES, int64, PLAN, int64, int64, LANE_STACK, rows,
        BITS, SHARED, *moments,
    )  # fmt: skip
    return compiled(signature)(_run), fill_rows64 if double else fill_rows


def buffers(double: bool, per_chunk: int, noises: int, states: int, d: int, lanes: int) -> tuple[Any, Any, Any, Any]:
    """State (n, d, lanes), rows of draws, words and shared rounds for one block of lanes."""
    state, rows = _aligned((states, d, lanes), np.float64), (per_chunk * noises * d, lanes)
    if double:
        words, shared = _aligned((2, lanes), np.int64), _aligned((noises, 4, 1, max(2, lanes)), np.uint64)
        return state, _aligned(rows, np.float64), words, shared
    pairs = (lanes + 1) // 2
    words, shared = _aligned((4, pairs), np.int64), _aligned((noises, 4, 2, max(2, pairs)), np.uint64)
    return state, _aligned(rows, np.float32), words, shared


def _aligned(shape: tuple[int, ...], dtype: Any) -> Any:
    """An empty array that starts at a cache line: vectors that straddle two lines cost twice."""
    size = math.prod(shape) * np.dtype(dtype).itemsize
    raw = np.empty(size + _LINE, np.uint8)
    start = -raw.ctypes.data % _LINE
    return raw[start : start + size].view(dtype).reshape(shape)
