"""Mean signs under a discrete law, from its sorted values and prefix sums."""

# helpers 59df08b01e18: numba's cache watches this file only, so `adasde kernels --write` stamps what it inlines here.
from __future__ import annotations

import math

import numpy as np

from adasde.kernels.compilation import compiled


@compiled()
def _count_below(p: np.ndarray, first: int, n: int, y: float, inclusive: bool) -> int:
    """How many of the sorted p[first], ..., p[first + n - 1] are < y, or <= y if ``inclusive``: binary search."""
    low, high = 0, n
    while low < high:
        middle = (low + high) // 2
        z = p[first + middle]
        if z < y or (inclusive and z == y):
            low = middle + 1
        else:
            high = middle
    return low


@compiled()
def empirical_sign(c: float, r: int, p: np.ndarray, first: int) -> float:
    """E[Z^r sign(Z + c)] for r = 0, 1, 2 and a discrete law whose data starts at ``p[first]``; sign(0) = 0.

    The data is M_3, ..., M_6, n, the sorted values z_1 ... z_n, then P_0, P_1, P_2 of n + 1 numbers each, where
    P_r[i] = sum_{j < i} w_j z_j^r: the mean is P_r[n] - P_r[above] - P_r[below] with ``below`` values less than -c
    and ``above`` values that do not exceed it. Absolute error below 1e-15 times 1 + E|Z|^r.
    """
    if c != c:
        return math.nan
    n = int(p[first + 4])
    values = first + 5
    below = _count_below(p, values, n, -c, False)
    above = _count_below(p, values, n, -c, True)
    sums = values + n + r * (n + 1)
    result: float = (p[sums + n] - p[sums + above]) - p[sums + below]
    return result
