"""The stationary laws of SignSGD on f = lambda x^2/2: exact for the optimizer and for its SDE."""

from __future__ import annotations

import numpy as np
from scipy import integrate, stats

from adasde.ensemble import Array
from adasde.noise import Noise


def lattice_law(noise: Noise, scale: float, curvature: float, lr: float, first: float) -> tuple[Array, Array]:
    """Points and probabilities of SignSGD's stationary law on ``first`` + 2 lr Z, where it is after an even number of
    steps from ``first``.

    The optimizer walks one step up or down: a birth-death chain with pi(x + lr)/pi(x) = F(-lambda x/s)/F(lambda (x +
    lr)/s), F the distribution function of the noise.
    """
    law = frozen(noise)
    reach = int(np.ceil(max(60 * lr, 40 * scale / curvature) / lr))
    x: Array = first + lr * np.arange(-reach, reach + 1, dtype=np.float64)
    ratio: Array = law.logcdf(-curvature * x[:-1] / scale) - law.logcdf(curvature * x[1:] / scale)
    logs = np.concatenate([[0.0], np.cumsum(ratio)])
    weights: Array = np.exp(logs - logs.max())[reach % 2 :: 2]
    return x[reach % 2 :: 2], weights / weights.sum()


def lattice_variance(noise: Noise, scale: float, curvature: float, lr: float) -> float:
    """Variance of the stationary law averaged over both sublattices."""
    both = [lattice_law(noise, scale, curvature, lr, first) for first in (0.0, lr)]
    return float(np.mean([(p * x**2).sum() - (p * x).sum() ** 2 for x, p in both]))


def sde_variance(noise: Noise, scale: float, curvature: float, lr: float) -> float:
    """Variance of the stationary density of dx = -mu dt + sqrt(lr) sqrt(1 - mu^2) dW, mu = 2 F(lambda x/s) - 1:
    pi ~ exp(-(2/lr) int mu/(1 - mu^2)) / (1 - mu^2), by quadrature."""
    law = frozen(noise)
    reach = np.sqrt(lr * scale / curvature) * 14
    x = np.linspace(0.0, reach, 20001)
    up, down = law.cdf(curvature * x / scale), law.sf(curvature * x / scale)
    diffusion = 4 * up * down
    exponent = integrate.cumulative_simpson((up - down) / diffusion, x=x, initial=0.0)
    density = np.exp(-2 / lr * exponent) / diffusion
    return float(integrate.simpson(x**2 * density, x=x) / integrate.simpson(density, x=x))


def frozen(noise: Noise):  # type: ignore[no-untyped-def]
    """The law of Z as a frozen scipy distribution."""
    return stats.norm() if noise.law == "gaussian" else stats.t(noise.nu)
