"""The draws of a block: noise of the optimizer, Brownian increments of the model, and these over substeps.

They reach the driver as typed function pointers, so that only what a run needs is compiled: here Gaussian noise in
float32; `draws64` in double precision, `student` and `transformed` for other laws, `rademacher` for +-1.
"""

# helpers 5e0455db7e50: numba's cache watches this file only, so `adasde kernels --write` stamps what it inlines here.
from __future__ import annotations

import importlib
import math
from typing import Any

import numpy as np
from numba import int64, types

from adasde.kernels.compilation import compiled
from adasde.kernels.lanes import LANE_STACK, LANES, fill_kernel, substeps_kernel
from adasde.kernels.normals import fill_layer, fill_normals

BRIDGE_STREAM = 8


@fill_kernel
def fill_gaussian(noise, d, chunk, first_path, algorithm, plan, law_data):
    """Standard normals in every layer: the optimizer's Z is the model's first Brownian increment."""
    layers = 1 if algorithm else plan[3]
    rows, lanes = noise.shape[0] // layers * d, noise.shape[2]
    for c in range(layers):
        fill_layer(noise.reshape(layers * rows, lanes), d, layers, c, first_path, chunk * rows, c, plan[6])


@compiled(types.void(LANE_STACK, LANES, LANE_STACK, int64))
def spread(fine, draws, coarse, c):
    """Layer c of the bridge: fresh normals w in draws (r d or more, L) become fine (r m, d, L)."""
    noises, d, lanes = coarse.shape
    substeps = fine.shape[0] // noises
    for i in range(d):
        for l in range(lanes):
            total = 0.0
            for j in range(substeps):
                total += draws[j * d + i, l]
            shift = coarse[c, i, l] / math.sqrt(substeps) - total / substeps
            for j in range(substeps):
                fine[j * noises + c, i, l] = draws[j * d + i, l] + shift


@substeps_kernel
def bridge(fine, coarse, k, first_path, plan):
    """z_j = w_j - mean(w) + coarse / sqrt(r) with fresh normals w: independent standard normals whose increments add
    up to the coarse one, so that every step size follows the same Brownian path."""
    substeps, noises, seed = plan[2], plan[3], plan[6]
    _, d, lanes = coarse.shape
    rows = (substeps * d + 3) // 4 * 4
    draws = np.empty((rows, lanes))
    for c in range(noises):
        fill_normals(draws, first_path, k * rows, BRIDGE_STREAM + c, seed)
        spread(fine, draws, coarse, c)


def draw_functions(law: str, double: bool = False, rademacher: bool = False) -> tuple[Any, Any, Any]:
    """(`FILL` of the optimizer, `FILL` of a model, `SUBSTEPS`) for a noise law by name, in either precision, with
    Gaussian increments or such of two values. Loads only what is asked for."""
    suffix = "64" if double else ""
    module, fill = {
        "gaussian": ("draws", "fill_gaussian"),
        "student-t": ("student", "fill_student_t"),
    }.get(law, ("transformed", "fill_transformed"))
    own = getattr(importlib.import_module(f"adasde.kernels.{module}{suffix}"), f"{fill}{suffix}")
    if rademacher:
        signs = importlib.import_module("adasde.kernels.rademacher")
        return own, signs.fill_rademacher, signs.fresh_signs
    return own, own, getattr(importlib.import_module(f"adasde.kernels.draws{suffix}"), f"bridge{suffix}")
