"""Draws under Student-t noise, see `draws`."""

# helpers 5e0455db7e50: numba's cache watches this file only, so `adasde kernels --write` stamps what it inlines here.
from __future__ import annotations

import numpy as np
from numba import int64, types

from adasde.kernels.compilation import compiled
from adasde.kernels.lanes import LANE_STACK, LANES, fill_kernel
from adasde.kernels.normals import fill_layer, fill_pairs
from adasde.kernels.normals import fill_student_t as rows_student_t


@compiled(types.void(LANE_STACK, LANES, int64, int64))
def copy_layer(noise: np.ndarray, rows: np.ndarray, layers: int, layer: int) -> None:
    """Layer ``layer`` of noise (steps * layers, d, L) from rows (steps * d, L)."""
    _, d, lanes = noise.shape
    for f in range(noise.shape[0] // layers):
        for i in range(d):
            for j in range(lanes):
                noise[f * layers + layer, i, j] = rows[f * d + i, j]


@fill_kernel
def fill_student_t(noise, d, chunk, first_path, algorithm, plan, law_data):
    """Student-t for the optimizer, coupled with the model's first increment: both come from the same words."""
    layers, seed = 1 if algorithm else plan[3], plan[6]
    steps, lanes = noise.shape[0] // layers, noise.shape[2]
    first = chunk * steps * d
    draws, partner = np.empty((steps * d, lanes)), np.empty((steps * d, lanes))
    for c in range(layers):
        if algorithm:
            rows_student_t(draws, first_path, first, 0, seed, law_data[0])
        elif c == 0:
            fill_pairs(draws, partner, first_path, first, 0, seed)
        elif c > 1:
            fill_layer(draws, 1, 1, 0, first_path, first, c, seed)
        copy_layer(noise, partner if c == 1 else draws, layers, c)
