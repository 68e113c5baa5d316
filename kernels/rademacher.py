"""Brownian increments of two values: draws of +1 and -1 in place of normals, one random bit each.

An Euler scheme with such increments has the same weak order one (Kloeden and Platen 1992, section 14.1): the moments
of its steps agree with those of normal increments up to the third. It is several times as fast, and says nothing
about single paths.
"""

# helpers 5e0455db7e50: numba's cache watches this file only, so `adasde kernels --write` stamps what it inlines here.
from __future__ import annotations

import numpy as np
from numba import int64, types

from adasde.kernels.compilation import compiled
from adasde.kernels.lanes import LANES, fill_kernel, substeps_kernel
from adasde.kernels.normals import draw_words

SIGN_STREAM = 128
_BITS_OF_A_BLOCK = 128


@compiled(types.void(LANES, int64, int64, int64, int64, int64, int64, int64))
def fill_signs(
    z: np.ndarray, d: int, layers: int, layer: int, first_path: int, first_q: int, stream: int, seed: int
) -> None:
    """Layer ``layer`` of z (steps * layers * d, L): 1 - 2 b with b bit q of the path's stream, q = first_q + r for
    row r of that layer; a block of Philox holds bits 128 n ... 128 n + 127, the lowest of its first word first."""
    rows, lanes = z.shape[0] // layers, z.shape[1]
    words = np.empty((4, lanes), np.int32)
    for row in range(rows):
        q = first_q + row
        if row == 0 or q % _BITS_OF_A_BLOCK == 0:
            draw_words(words, first_path, q // _BITS_OF_A_BLOCK, stream, seed)
        word, bit = words[q % _BITS_OF_A_BLOCK // 32], np.int32(q % 32)
        target = (row // d * layers + layer) * d + row % d
        for j in range(lanes):
            z[target, j] = 1.0 - 2.0 * ((word[j] >> bit) & np.int32(1))


@fill_kernel
def fill_rademacher(noise, d, chunk, first_path, algorithm, plan, law_data):
    """Increments of two values for a model, independent of the optimizer's Z."""
    layers = plan[3]
    rows, lanes = noise.shape[0] // layers * d, noise.shape[2]
    for c in range(layers):
        flat = noise.reshape(layers * rows, lanes)
        fill_signs(flat, d, layers, c, first_path, chunk * rows, SIGN_STREAM + c, plan[6])


@substeps_kernel
def fresh_signs(fine, coarse, k, first_path, plan):
    """Increments of two values have no bridge: each substep gets its own."""
    substeps, noises, seed = plan[2], plan[3], plan[6]
    _, d, lanes = coarse.shape
    for c in range(noises):
        flat = fine.reshape(substeps * noises * d, lanes)
        fill_signs(flat, d, noises, c, first_path, k * substeps * d, SIGN_STREAM + c, seed)
