"""Covariance of the noise across coordinates: checks, correlation matrix, and its factors."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray

from adasde.errors import InvalidParameter

Array = NDArray[np.float64]
ROUNDING = 1e-12
"""Asymmetry, and negative eigenvalues per dimension, relative to the largest entry, that count as rounding."""
AT_X_UP_TO = 256
"""Dimension up to which a covariance may depend on x: a path takes d^2 numbers and about d^3/6 products per step."""


def checked_covariance(covariance: ArrayLike) -> Array:
    """A finite symmetric positive semidefinite matrix (d, d), asymmetry within rounding averaged out."""
    try:
        sigma: Array = np.array(covariance, dtype=np.float64)
    except (TypeError, ValueError):
        remedy = "give a square matrix of numbers"
        raise InvalidParameter("covariance Sigma", repr(covariance), "the real matrices", remedy) from None
    if sigma.ndim != 2 or sigma.shape[0] != sigma.shape[1] or sigma.size == 0:
        raise InvalidParameter("covariance Sigma: shape", sigma.shape, "{(d, d)}", "give a square matrix")
    for place in np.argwhere(~np.isfinite(sigma))[:1].tolist():
        name = f"covariance Sigma: entry {tuple(place)}"
        raise InvalidParameter(name, float(sigma[tuple(place)]), "(-inf, inf)", "mend the entry")
    size = float(np.abs(sigma).max())
    gap, least = float(np.abs(sigma - sigma.T).max()), 0.0
    if gap > ROUNDING * size:
        domain, remedy = f"[0, {ROUNDING * size:.1g}]", "symmetrise it: Sigma = (Sigma + Sigma.T)/2"
        raise InvalidParameter("covariance Sigma: max |Sigma - Sigma'|", f"{gap:.3g}", domain, remedy)
    sigma = sigma / 2 + sigma.T / 2
    least, bound = float(np.linalg.eigvalsh(sigma)[0]), ROUNDING * size * len(sigma)
    if least < -bound:
        remedy = "a covariance is positive semidefinite: cut its negative eigenvalues to 0"
        raise InvalidParameter("covariance Sigma: least eigenvalue", f"{least:.3g}", f"[{-bound:.1g}, inf)", remedy)
    return sigma


def deviations(sigma: Array) -> Array:
    """sqrt of the diagonal; entries that are negative within rounding give 0."""
    result: Array = np.sqrt(np.maximum(np.diag(sigma), 0.0))
    return result


def correlation(sigma: Array) -> Array:
    """R_ij = Sigma_ij/sqrt(Sigma_ii Sigma_jj), with the identity's row and column where a variance is 0."""
    s = deviations(sigma)
    inverse = np.where(s > 0, 1 / np.where(s > 0, s, 1.0), 0.0)
    r: Array = np.clip(sigma * inverse[:, None] * inverse, -1.0, 1.0)
    np.fill_diagonal(r, 1.0)
    return r


def lower_factor(r: Array) -> Array:
    """Lower triangular L with L L' = r to rounding, non-negative diagonal; r symmetric positive semidefinite.

    From r = V diag(l) V' with l cut to l >= 0, B = V diag(sqrt l) and B' = Q L': unlike Cholesky's algorithm this
    neither divides by vanishing pivots nor fails for a singular matrix.
    """
    values, vectors = np.linalg.eigh(r)
    upper: Array = np.linalg.qr((vectors * np.sqrt(np.maximum(values, 0.0))).T)[1]
    signs = np.where(np.diag(upper) < 0, -1.0, 1.0)
    factor: Array = np.tril((upper * signs[:, None]).T)
    return factor


def layer_factors(r: Array | None, degrees: Sequence[int]) -> tuple[NDArray[np.int64], Array]:
    """What the driver correlates draws with: degrees (1 + m,) and factors (1 + m, d, d), empty where r is None.

    First the optimizer's Z, of degree 1, then the model's m motions. One of degree n, which belongs to the Hermite
    polynomial He_n(Z), has the correlation r_ij^n, positive semidefinite by Schur's theorem; degree 0 stands for
    sign(g), whose correlation the driver works out from r and the state.
    """
    every = np.array([1, *degrees], dtype=np.int64)
    if r is None:
        return every, np.empty((0, 0, 0))
    return every, np.stack([r if degree == 0 else lower_factor(r**degree) for degree in every])
