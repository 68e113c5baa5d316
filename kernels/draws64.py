"""Gaussian draws in double precision, see `draws` and `normals64`."""

# helpers be3976b00d6e: numba's cache watches this file only, so `adasde kernels --write` stamps what it inlines here.
from __future__ import annotations

import numpy as np

from adasde.kernels.draws import BRIDGE_STREAM, spread
from adasde.kernels.lanes import fill_kernel, substeps_kernel
from adasde.kernels.normals64 import fill_layer64


@fill_kernel
def fill_gaussian64(noise, d, chunk, first_path, algorithm, plan, law_data):
    """Standard normals in every layer: the optimizer's Z is the model's first Brownian increment."""
    layers = 1 if algorithm else plan[3]
    rows, lanes = noise.shape[0] // layers * d, noise.shape[2]
    for c in range(layers):
        fill_layer64(noise.reshape(layers * rows, lanes), d, layers, c, first_path, chunk * rows, c, plan[6])


@substeps_kernel
def bridge64(fine, coarse, k, first_path, plan):
    """`draws.bridge` with normals in double precision."""
    substeps, noises, seed = plan[2], plan[3], plan[6]
    _, d, lanes = coarse.shape
    rows = (substeps * d + 3) // 4 * 4
    draws = np.empty((rows, lanes))
    for c in range(noises):
        fill_layer64(draws, 1, 1, 0, first_path, k * rows, BRIDGE_STREAM + c, seed)
        spread(fine, draws, coarse, c)
