"""The draws of a block: noise of the optimizer, Brownian increments of the model, and these over substeps."""

# helpers 44d65c55b720: numba's cache watches this file only, so `adasde kernels --write` stamps what it inlines here.
from __future__ import annotations

import math

import numpy as np
from numba import int64, njit, types

from adasde.kernels.lanes import LANE_STACK, SCALARS
from adasde.kernels.laws import GAUSSIAN, STUDENT_T, transform
from adasde.kernels.normals import fill_layer, fill_normals, fill_pairs, fill_student_t

BRIDGE_STREAM = 8
PLAN = types.UniTuple(int64, 7)
"""(start, steps, substeps, noises, order, law, seed): steps of the optimizer before the model takes over, steps in
all, model steps per optimizer step, draws per coordinate of the model, its weak order, law code, seed."""


@njit(
    types.void(LANE_STACK, int64, int64, int64, types.boolean, int64, SCALARS),
    cache=True,
    nogil=True,
    error_model="numpy",
)
def _fill_student_t(noise, layers, first_path, first, algorithm, seed, law_data):
    """Layers of noise (S * m, d, L): Student-t for the optimizer, else the pairs' normals and then further ones."""
    _, d, lanes = noise.shape
    steps = noise.shape[0] // layers
    draws, partner = np.empty((steps * d, lanes)), np.empty((steps * d, lanes))
    for c in range(layers):
        if c > 1:
            fill_normals(draws, first_path, first, c, seed)
        elif algorithm:
            fill_student_t(draws, first_path, first, 0, seed, law_data[0])
        elif c == 0:
            fill_pairs(draws, partner, first_path, first, 0, seed)
        source = partner if c == 1 else draws
        for f in range(steps):
            for i in range(d):
                for j in range(lanes):
                    noise[f * layers + c, i, j] = source[f * d + i, j]


@njit(
    types.void(LANE_STACK, int64, int64, int64, types.boolean, PLAN, SCALARS),
    cache=True,
    nogil=True,
    error_model="numpy",
)
def fill_noise(noise, d, chunk, first_path, algorithm, plan, law_data):
    """Draws for the optimizer steps ``chunk * S ... chunk * S + S - 1``; noise is (S * m, d, L), m layers per step.

    Coordinate i of step k owns number k d + i of its path in each stream, so that the optimizer and an SDE share
    their draws: Z is the first Brownian motion's increment, or coupled with it where the noise is not Gaussian.
    """
    _, _, _, noises, _, law, seed = plan
    layers = 1 if algorithm else noises
    lanes = noise.shape[2]
    rows = noise.shape[0] // layers * d
    first = chunk * rows
    if law == STUDENT_T:
        _fill_student_t(noise, layers, first_path, first, algorithm, seed, law_data)
        return
    for c in range(layers):
        fill_layer(noise.reshape(layers * rows, lanes), d, layers, c, first_path, first, c, seed)
    if algorithm and law != GAUSSIAN:
        transform(noise.reshape(rows, lanes), law, law_data, first_path, first, seed)


@njit(types.void(LANE_STACK, LANE_STACK, int64, int64, int64), cache=True, nogil=True, error_model="numpy")
def fill_bridge(fine, coarse, k, first_path, seed):
    """Splits the draws of optimizer step k, coarse (m, d, L), over its r substeps, fine (r * m, d, L).

    z_j = w_j - mean(w) + coarse / sqrt(r) with fresh normals w: independent standard normals whose increments add up
    to the coarse one, so that every step size follows the same Brownian path.
    """
    noises, d, lanes = coarse.shape
    substeps = fine.shape[0] // noises
    rows = (substeps * d + 3) // 4 * 4
    draws = np.empty((rows, lanes))
    for c in range(noises):
        fill_normals(draws, first_path, k * rows, BRIDGE_STREAM + c, seed)
        for i in range(d):
            for l in range(lanes):
                total = 0.0
                for j in range(substeps):
                    total += draws[j * d + i, l]
                shift = coarse[c, i, l] / math.sqrt(substeps) - total / substeps
                for j in range(substeps):
                    fine[j * noises + c, i, l] = draws[j * d + i, l] + shift
