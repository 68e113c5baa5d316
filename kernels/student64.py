"""Draws under Student-t noise in double precision, see `draws`."""

# helpers 7b5d24b05b46: numba's cache watches this file only, so `adasde kernels --write` stamps what it inlines here.
from __future__ import annotations

import numpy as np

from adasde.kernels.lanes import fill_kernel
from adasde.kernels.normals64 import fill_layer64, fill_pairs64
from adasde.kernels.normals64 import fill_student_t64 as rows_student_t64
from adasde.kernels.student import copy_layer


@fill_kernel
def fill_student_t64(noise, d, chunk, first_path, algorithm, plan, law_data):
    """Student-t for the optimizer, coupled with the model's first increment: both come from the same words."""
    layers, seed = 1 if algorithm else plan[3], plan[6]
    steps, lanes = noise.shape[0] // layers, noise.shape[2]
    first = chunk * steps * d
    draws, partner = np.empty((steps * d, lanes)), np.empty((steps * d, lanes))
    for c in range(layers):
        if algorithm:
            rows_student_t64(draws, first_path, first, 0, seed, law_data[0])
        elif c == 0:
            fill_pairs64(draws, partner, first_path, first, 0, seed)
        elif c > 1:
            fill_layer64(draws, 1, 1, 0, first_path, first, c, seed)
        copy_layer(noise, partner if c == 1 else draws, layers, c)
