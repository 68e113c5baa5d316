"""The numbers of noise laws as draws on a device read them, laid out on the host in float64.

All thresholds are whole numbers below 2^17 or float32 numbers, which casts to float32 leave as they are: a draw in
float32 is of the same component or value as one in float64. `data` is `Noise.law_data`.
"""

from __future__ import annotations

import math
from statistics import NormalDist

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]


def two_point_numbers(data: Array) -> Array:
    """(z0, high, low): 1 - Phi(z) < P for the float32 numbers z > z0."""
    p = float(data[0])
    return np.array([float(below(-quantile(p))), math.sqrt((1 - p) / p), -math.sqrt(p / (1 - p))])


def empirical_numbers(data: Array) -> Array:
    """(z_1 ... z_n, -inf, t_1 ... t_(n - 1)): value i + 1 is drawn for the float32 numbers z from t_i on, up to
    t_(i + 1): those with Phi(z) >= P_0[i]."""
    n = int(data[4])
    values, sums = data[5 : 5 + n], data[6 + n : 5 + 2 * n]
    return np.concatenate([values, [-np.inf], -below(-np.array([quantile(u) for u in sums.tolist()]))])


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


def quantile(u: float) -> float:
    """Phi^-1(u), about 1e-15 of itself off (Wichura 1988, AS 241); inf from u = 1 on, where sums of weights may round
    to."""
    return NormalDist().inv_cdf(u) if u < 1 else math.inf


def below(x: Array | float) -> Array:
    """The largest float32 number that is at most x, as float64."""
    x = np.asarray(x, dtype=np.float64)
    rounded = x.astype(np.float32)
    lower = np.where(rounded > x, np.nextafter(rounded, np.float32(-np.inf)), rounded)
    result: Array = lower.astype(np.float64)
    return result
