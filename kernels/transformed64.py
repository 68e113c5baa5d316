"""Draws under the laws of `laws`, from normals in double precision."""

# helpers 398fca15c8b0: numba's cache watches this file only, so `adasde kernels --write` stamps what it inlines here.
from __future__ import annotations

from adasde.kernels.draws64 import fill_gaussian64
from adasde.kernels.lanes import fill_kernel
from adasde.kernels.laws import transform


@fill_kernel
def fill_transformed64(noise, d, chunk, first_path, algorithm, plan, law_data):
    """The optimizer's Z is a monotone function of the model's first increment."""
    fill_gaussian64(noise, d, chunk, first_path, algorithm, plan, law_data)
    if algorithm:
        rows, lanes = noise.shape[0] * d, noise.shape[2]
        transform(noise.reshape(rows, lanes), plan[5], law_data, first_path, chunk * rows, plan[6])
