"""The distribution function, density and kurtosis of every noise law, as numbers."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from scipy import stats

from adasde.ensemble import Array
from adasde.noise import Noise
from adasde.verify.quadrature import atoms

Function = Callable[[Array], Array]


@dataclass(frozen=True, eq=False)
class Distribution:
    """P(Z < y), P(Z > y) and the density of Z; they are relative to their own size, so that tails keep their digits.

    values  the atoms of a law that has no density, else empty; P(Z < y) + P(Z > y) = 1 elsewhere
    """

    below: Function
    above: Function
    density: Function
    values: Array

    def mean_sign(self, c: Array) -> Array:
        """E sign(Z + c), sign(0) = 0."""
        return self.above(-c) - self.below(-c)


def distribution(noise: Noise) -> Distribution:
    """The law of Z under ``noise``."""
    if noise.law in ("rademacher", "two-point", "empirical"):
        return _discrete(*atoms(noise))
    if noise.law == "mixture":
        w, m, d = np.reshape(noise.law_data, (3, -1))
        parts = [stats.norm(mi, di) for mi, di in zip(m, d, strict=True)]
        return Distribution(
            lambda y: sum(wi * part.cdf(y) for wi, part in zip(w, parts, strict=True)),
            lambda y: sum(wi * part.sf(y) for wi, part in zip(w, parts, strict=True)),
            lambda y: sum(wi * part.pdf(y) for wi, part in zip(w, parts, strict=True)),
            np.empty(0),
        )
    frozen = {
        "gaussian": stats.norm(),
        "student-t": stats.t(noise.nu),
        "laplace": stats.laplace(scale=np.sqrt(0.5)),
        "exponential": stats.expon(loc=-1),
    }[noise.law]
    return Distribution(frozen.cdf, frozen.sf, frozen.pdf, np.empty(0))


def _discrete(z: Array, w: Array) -> Distribution:
    order = np.argsort(z)
    z, w = z[order], w[order]
    lower, upper = np.concatenate([[0.0], np.cumsum(w)]), np.concatenate([np.cumsum(w[::-1])[::-1], [0.0]])

    def no_density(y: Array) -> Array:
        raise ValueError("a law with atoms has no density")

    return Distribution(
        lambda y: lower[np.searchsorted(z, y, side="left")],
        lambda y: upper[np.searchsorted(z, y, side="right")],
        no_density,
        z,
    )


def variance(noise: Noise) -> float:
    """Var Z: one, but nu/(nu - 2) for Student-t; infinite where it does not exist."""
    if noise.law != "student-t" or np.isinf(noise.nu):
        return 1.0
    return noise.nu / (noise.nu - 2) if noise.nu > 2 else np.inf


def excess_kurtosis(noise: Noise) -> float:
    """E (Z - E Z)^4/(Var Z)^2 - 3; infinite where it does not exist."""
    if noise.law == "student-t":
        return 6 / (noise.nu - 4) if noise.nu > 4 else np.inf
    if noise.law == "mixture":
        w, m, d = np.reshape(noise.law_data, (3, -1))
        return float(w @ (m**4 + 6 * m**2 * d**2 + 3 * d**4)) - 3
    if noise.law in ("rademacher", "two-point", "empirical"):
        z, w = atoms(noise)
        return float(w @ z**4) - 3
    return {"gaussian": 0.0, "laplace": 3.0, "exponential": 6.0}[noise.law]
