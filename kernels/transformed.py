"""Draws under the laws of `laws`, from float32 normals."""

# helpers d5925ec91561: numba's cache watches this file only, so `adasde kernels --write` stamps what it inlines here.
from __future__ import annotations

from adasde.kernels.draws import fill_gaussian
from adasde.kernels.lanes import fill_kernel
from adasde.kernels.laws import transform


@fill_kernel
def fill_transformed(noise, d, chunk, first_path, algorithm, plan, law_data):
    """The optimizer's Z is a monotone function of the model's first increment."""
    fill_gaussian(noise, d, chunk, first_path, algorithm, plan, law_data)
    if algorithm:
        rows, lanes = noise.shape[0] * d, noise.shape[2]
        transform(noise.reshape(rows, lanes), plan[5], law_data, first_path, chunk * rows, plan[6])
