"""Draws that are correlated across coordinates, for noise with a full covariance.

With a correlation matrix R = L L' of the Gaussian noise, the optimizer draws Z = L z. The motion of a model that
belongs to the Hermite polynomial He_n(Z) has increments with the correlation R_ij^n (Mehler), a factor of which comes
in the same way. The motion behind sign(g) has a correlation that depends on the state and is factored lane by lane;
where Sigma depends on x, so are all.
"""

# helpers b9ae7983ee24: numba's cache watches this file only, so `adasde kernels --write` stamps what it inlines here.
from __future__ import annotations

import math

import numpy as np
from numba import types

from adasde.kernels.compilation import compiled
from adasde.kernels.lanes import CORRELATE, LANE_STACK, LANES
from adasde.kernels.orthant import sign_covariance

SIGN = 0
"""Degree of a layer that drives sign(g) - E sign(g); its place among the factors holds R itself."""

_SINGULAR = 1e-14
"""Pivots below this are rounding errors of 0: what is lost in the correlation is below its root, 1e-7."""
_INDEFINITE = 1e-6
"""Beyond this a correlation matrix is none: above the root of `_SINGULAR`, which covariances sum up to by rounding."""


@compiled(types.void(LANES, LANES))
def multiply(z: np.ndarray, factor: np.ndarray) -> None:
    """z <- L z in place, for each lane of z (d, L) and a lower triangular factor L (d, d)."""
    d, lanes = z.shape
    # From the last row upwards, because row i needs the rows before it as they were.
    for i in range(d - 1, -1, -1):
        for j in range(lanes):
            z[i, j] *= factor[i, i]
        for k in range(i):
            for j in range(lanes):
                z[i, j] += factor[i, k] * z[k, j]


@compiled(types.boolean(LANES))
def factorise(r: np.ndarray) -> bool:
    """Lower triangular Cholesky factor of r (d, d), in place; a pivot that vanishes gives a column of zeros.

    Reads the lower half. Whether r is positive semidefinite within `_INDEFINITE`, for r of diagonal 1.
    """
    d, definite = r.shape[0], True
    for k in range(d):
        pivot = r[k, k]
        for l in range(k):
            pivot -= r[k, l] * r[k, l]
        root = math.sqrt(pivot) if pivot > _SINGULAR else 0.0
        definite = definite and pivot >= -_INDEFINITE
        r[k, k] = root
        for i in range(k + 1, d):
            total = r[i, k]
            for l in range(k):
                total -= r[i, l] * r[k, l]
            r[i, k] = total / root if root > 0.0 else 0.0
            definite = definite and (root > 0.0 or abs(total) <= _INDEFINITE)
    return definite


@compiled(types.void(LANES, LANES, types.float64[::1]))
def sign_correlation(r: np.ndarray, out: np.ndarray, a: np.ndarray) -> None:
    """out (d, d), lower half: Corr(sign(a_i + Z_i), sign(a_j + Z_j)) for normals Z with correlation r (d, d).

    A sign that is certain to rounding (|a| > 8.3) counts as uncorrelated with the others: it has no diffusion.
    """
    d = a.size
    for i in range(d):
        out[i, i] = sign_covariance(a[i], a[i], 1.0)
        for j in range(i):
            size = math.sqrt(out[i, i] * out[j, j])
            c = sign_covariance(a[i], a[j], r[i, j]) / size if size > 1e-16 else 0.0
            out[i, j] = min(1.0, max(-1.0, c))
    for i in range(d):
        out[i, i] = 1.0


@compiled(types.void(LANES, LANES, types.int64))
def multiply_lane(z: np.ndarray, factor: np.ndarray, j: int) -> None:
    """z[:, j] <- L z[:, j] in place for a lower triangular factor L (d, d)."""
    for i in range(z.shape[0] - 1, -1, -1):
        total = 0.0
        for k in range(i + 1):
            total += factor[i, k] * z[k, j]
        z[i, j] = total


@compiled(types.void(LANES, LANES, LANES, LANES))
def multiply_signs(z: np.ndarray, r: np.ndarray, gradient: np.ndarray, scale: np.ndarray) -> None:
    """z (d, L) <- L z in place with L the factor of each lane's own `sign_correlation` at a = G/s, both (d, L)."""
    d, lanes = z.shape
    factor, a = np.empty((d, d)), np.empty(d)
    for j in range(lanes):
        for i in range(d):
            a[i] = gradient[i, j] / scale[i, j]
        sign_correlation(r, factor, a)
        factorise(factor)
        multiply_lane(z, factor, j)


@compiled(CORRELATE)
def correlate(
    draws: np.ndarray, degrees: np.ndarray, factors: np.ndarray, gradient: np.ndarray, scale: np.ndarray
) -> None:
    """Correlates the layers of draws (m, d, L) in place; gradient and scale (d, L) are those of the coming step.

    factors (m, d, d): a lower triangular factor of the layer's correlation, or R itself where degrees[c] is `SIGN`.
    """
    for c in range(draws.shape[0]):
        if degrees[c] == SIGN:
            multiply_signs(draws[c], factors[c], gradient, scale)
        else:
            multiply(draws[c], factors[c])


@compiled(types.boolean(LANE_STACK, LANES, types.int64))
def lane_correlation(sigma: np.ndarray, r: np.ndarray, j: int) -> bool:
    """r (d, d), lower half: the correlation of sigma[:, :, j], with the identity's row and column for a variance of 0.

    Whether every entry lies in [-1, 1] within `_INDEFINITE`; what is beyond by rounding is cut. A variance that is
    negative or NaN counts as 0 here: it makes the noise scale NaN where it is more than rounding.
    """
    valid = True
    for i in range(r.shape[0]):
        r[i, i] = 1.0
        for k in range(i):
            size = math.sqrt(sigma[i, i, j]) * math.sqrt(sigma[k, k, j])
            c = sigma[i, k, j] / size if size > 0.0 else 0.0
            valid = valid and abs(c) <= 1.0 + _INDEFINITE
            r[i, k] = min(1.0, max(-1.0, c))
    return valid


@compiled(types.void(LANES, LANES, types.int64))
def power(r: np.ndarray, out: np.ndarray, n: int) -> None:
    """out_ij = r_ij^n in the lower half, n > 0."""
    for i in range(r.shape[0]):
        for k in range(i + 1):
            product = r[i, k]
            for _ in range(n - 1):
                product *= r[i, k]
            out[i, k] = product


@compiled(CORRELATE)
def correlate_lanes(
    draws: np.ndarray, degrees: np.ndarray, sigma: np.ndarray, gradient: np.ndarray, scale: np.ndarray
) -> None:
    """Correlates the layers of draws (m, d, L) in place, each lane by its own covariance sigma (d, d, L).

    The lane's R gives a layer of degree n the correlation R_ij^n, or that of its signs at a = G/s where the degree is
    `SIGN`. A sigma that is no covariance makes the lane's draws NaN, so that its path counts as diverged.
    """
    d, lanes = gradient.shape
    r, factor, a = np.empty((d, d)), np.empty((d, d)), np.empty(d)
    for j in range(lanes):
        valid = lane_correlation(sigma, r, j)
        power(r, factor, 1)
        valid = factorise(factor) and valid
        held = 1
        for c in range(draws.shape[0]):
            if degrees[c] == SIGN:
                for i in range(d):
                    a[i] = gradient[i, j] / scale[i, j]
                sign_correlation(r, factor, a)
                factorise(factor)
            elif degrees[c] != held:
                power(r, factor, degrees[c])
                factorise(factor)
            held = degrees[c]
            multiply_lane(draws[c], factor, j)
            if not valid:
                for i in range(d):
                    draws[c, i, j] = math.nan
