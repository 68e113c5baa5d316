"""The draws of a block: noise of the optimizer, Brownian increments of the model, and these over substeps."""

from __future__ import annotations

import math

import numpy as np
from numba import int64, njit, types

from adasde.kernels.lanes import LANE_STACK, LANES, SCALARS
from adasde.kernels.laws import GAUSSIAN, STUDENT_T, transform
from adasde.kernels.normals import fill_layer, fill_pairs, fill_student_t
from adasde.kernels.normals64 import fill_layer64, fill_pairs64, fill_student_t64
from adasde.kernels.rademacher import fill_signs

BRIDGE_STREAM, SIGN_STREAM = 8, 128
PLAN = types.UniTuple(int64, 9)
"""(start, steps, substeps, noises, order, law, seed, double, signs): steps of the optimizer before the model takes
over, steps in all, model steps per optimizer step, draws per coordinate of the model, its weak order, law code, seed,
1 for draws in double precision, 1 for Brownian increments of two values."""


@njit(
    types.void(LANES, int64, int64, int64, int64, int64, int64, int64, types.boolean),
    cache=True,
    nogil=True,
    error_model="numpy",
)
def _fill_normals(z, d, layers, layer, first_path, first, stream, seed, double):
    """Layer ``layer`` of z (steps * layers * d, L): normals of either precision, see `normals.fill_layer`."""
    if double:
        fill_layer64(z, d, layers, layer, first_path, first, stream, seed)
    else:
        fill_layer(z, d, layers, layer, first_path, first, stream, seed)


@njit(
    types.void(LANE_STACK, int64, int64, int64, types.boolean, int64, SCALARS, types.boolean),
    cache=True,
    nogil=True,
    error_model="numpy",
)
def _fill_student_t(noise, layers, first_path, first, algorithm, seed, law_data, double):
    """Layers of noise (S * m, d, L): Student-t for the optimizer, else the pairs' normals and then further ones."""
    _, d, lanes = noise.shape
    steps = noise.shape[0] // layers
    draws, partner = np.empty((steps * d, lanes)), np.empty((steps * d, lanes))
    for c in range(layers):
        if c > 1:
            _fill_normals(draws, 1, 1, 0, first_path, first, c, seed, double)
        elif algorithm and double:
            fill_student_t64(draws, first_path, first, 0, seed, law_data[0])
        elif algorithm:
            fill_student_t(draws, first_path, first, 0, seed, law_data[0])
        elif c == 0 and double:
            fill_pairs64(draws, partner, first_path, first, 0, seed)
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
    Increments of two values are independent of Z.
    """
    _, _, _, noises, _, law, seed, double, signs = plan
    layers = 1 if algorithm else noises
    lanes = noise.shape[2]
    rows = noise.shape[0] // layers * d
    first = chunk * rows
    if signs == 1 and not algorithm:
        for c in range(layers):
            fill_signs(noise.reshape(layers * rows, lanes), d, layers, c, first_path, first, SIGN_STREAM + c, seed)
        return
    if law == STUDENT_T:
        _fill_student_t(noise, layers, first_path, first, algorithm, seed, law_data, double == 1)
        return
    for c in range(layers):
        _fill_normals(noise.reshape(layers * rows, lanes), d, layers, c, first_path, first, c, seed, double == 1)
    if algorithm and law != GAUSSIAN:
        transform(noise.reshape(rows, lanes), law, law_data, first_path, first, seed)


@njit(types.void(LANE_STACK, LANE_STACK, int64, int64, PLAN), cache=True, nogil=True, error_model="numpy")
def fill_substeps(fine, coarse, k, first_path, plan):
    """The draws of optimizer step k over its r substeps, fine (r * m, d, L), from those of the step, coarse (m, d, L).

    Normals: z_j = w_j - mean(w) + coarse / sqrt(r) with fresh normals w, which are independent standard normals whose
    increments add up to the coarse one, so that every step size follows the same Brownian path. Increments of two
    values have no such bridge: each substep gets its own.
    """
    _, _, substeps, noises, _, _, seed, double, signs = plan
    _, d, lanes = coarse.shape
    if signs == 1:
        flat, per_step = fine.reshape(substeps * noises * d, lanes), substeps * d
        for c in range(noises):
            fill_signs(flat, d, noises, c, first_path, k * per_step, SIGN_STREAM + c, seed)
        return
    rows = (substeps * d + 3) // 4 * 4
    draws = np.empty((rows, lanes))
    for c in range(noises):
        _fill_normals(draws, 1, 1, 0, first_path, k * rows, BRIDGE_STREAM + c, seed, double == 1)
        for i in range(d):
            for l in range(lanes):
                total = 0.0
                for j in range(substeps):
                    total += draws[j * d + i, l]
                shift = coarse[c, i, l] / math.sqrt(substeps) - total / substeps
                for j in range(substeps):
                    fine[j * noises + c, i, l] = draws[j * d + i, l] + shift
