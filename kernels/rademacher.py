"""Brownian increments of two values: draws of +1 and -1 in place of normals, one random bit each.

An Euler scheme with such increments has the same weak order one (Kloeden and Platen 1992, section 14.1): the moments
of its steps agree with those of normal increments up to the third. It is several times as fast, and says nothing
about single paths.
"""

from __future__ import annotations

import numpy as np
from numba import int64, types

from adasde.kernels.lanes import LANES
from adasde.kernels.normals import draw_words
from adasde.kernels.philox import compiled

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
