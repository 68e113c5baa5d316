"""The numbers of noise laws as draws on a device read them, laid out on the host in float64.

All thresholds are whole numbers below 2^17 or float32 numbers, which casts to float32 leave as they are: a draw in
float32 is of the same component or value as one in float64. `data` is `Noise.law_data`.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]


def two_point_numbers(data: Array) -> Array:
    """(z0, high, low): 1 - Phi(z) < P for the float32 numbers z > z0."""
    from scipy.special import ndtri

    p = float(data[0])
    return np.array([float(below(-ndtri(p))), math.sqrt((1 - p) / p), -math.sqrt(p / (1 - p))])


def empirical_numbers(data: Array) -> Array:
    """(z_1 ... z_n, -inf, t_1 ... t_(n - 1)): value i + 1 is drawn for the float32 numbers z from t_i on, up to
    t_(i + 1): those with Phi(z) >= P_0[i]."""
    from scipy.special import ndtri

    n = int(data[4])
    values, sums = data[5 : 5 + n], data[6 + n : 5 + 2 * n]
    return np.concatenate([values, [-np.inf], -below(-ndtri(np.minimum(sums, 1.0)))])


def mixture_numbers(data: Array) -> Array:
    """(e_hi, e_lo, m, d) of each component: its edge e = 2^16 e_hi + e_lo is the first word w from 0 to 2^32 - 1 with
    (w + 1/2)/2^32 above the weights of the components before it."""
    weights, means, deviations = np.split(data, 3)
    before = np.zeros(len(weights))
    for c in range(1, len(weights)):
        before[c] = before[c - 1] + weights[c - 1]
    edge = np.maximum(np.floor(before * 2.0**32 - 0.5) + 1, 0.0)
    high, low = np.divmod(edge, 2.0**16)
    return np.stack([high, low, means, deviations], axis=1).ravel()


def below(x: Array) -> Array:
    """The largest float32 number that is at most x, as float64."""
    rounded = np.asarray(x).astype(np.float32)
    lower = np.where(rounded > x, np.nextafter(rounded, np.float32(-np.inf)), rounded)
    return lower.astype(np.float64)
