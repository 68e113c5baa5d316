"""The stationary laws of SignSGD on f = lambda x^2/2 under any noise: exact for the optimizer and for its SDE."""

from __future__ import annotations

import numpy as np
from scipy import integrate, optimize

from adasde.ensemble import Array
from adasde.errors import InvalidParameter
from adasde.noise import Noise
from adasde.verify.distribution import distribution

APART = 1e-9
"""Least distance of -lambda x/s on the lattice from an atom of the noise: nearer, sign(0) = 0 holds the optimizer where
it is, or rounding decides."""
EDGE = 1e-12
"""1 - mu^2 below this ends the range of the SDE's stationary density: the drift carries it back, without noise."""


def lattice_law(noise: Noise, scale: float, curvature: float, lr: float, first: float) -> tuple[Array, Array]:
    """Points and probabilities of SignSGD's stationary law on ``first`` + 2 lr Z, where it is after an even number of
    steps from ``first``.

    The optimizer goes up where Z < -lambda x/s and down where Z > -lambda x/s: a birth-death chain with
    pi(x + lr)/pi(x) = P(Z < -lambda x/s)/P(Z > -lambda (x + lr)/s), on the points that it reaches from ``first``.
    Raises `InvalidParameter` where a point meets an atom of the noise: there the optimizer stays with a positive
    probability, and walks on the whole lattice.
    """
    law = distribution(noise)
    reach = int(np.ceil(max(60 * lr, 40 * scale / curvature) / lr))
    x: Array = first + lr * np.arange(-reach, reach + 1, dtype=np.float64)
    y = -curvature * x / scale
    if law.values.size and np.abs(y[:, None] - law.values[None, :]).min() < APART:
        remedy = "start between the points at which an atom of the noise holds the optimizer"
        raise InvalidParameter(
            "birth-death law: first point", first, f"the points off the atoms of {noise.law}", remedy
        )
    with np.errstate(divide="ignore"):
        ratio: Array = np.log(law.below(y[:-1])) - np.log(law.above(y[1:]))
    upward, downward = np.cumsum(ratio[reach:]), np.cumsum(-ratio[:reach][::-1])
    logs = np.concatenate([downward[::-1], [0.0], upward])
    weights: Array = np.exp(logs - logs.max())[reach % 2 :: 2]
    return x[reach % 2 :: 2], weights / weights.sum()


def free_start(noise: Noise, scale: float, curvature: float, lr: float) -> float:
    """The start in (0, lr) from which the lattice stays as far from the noise's atoms as it can, of 40 candidates."""
    candidates = lr * (np.arange(40) + 0.5) / 40
    values = distribution(noise).values
    if not values.size:
        return lr / 2
    holding = (-scale * values / curvature) % lr
    gaps = np.abs(candidates[:, None] - holding[None, :])
    return float(candidates[np.minimum(gaps, lr - gaps).min(axis=1).argmax()])


def lattice_variance(noise: Noise, scale: float, curvature: float, lr: float) -> float:
    """Variance of the stationary law averaged over both sublattices."""
    both = [lattice_law(noise, scale, curvature, lr, first) for first in (0.0, lr)]
    return float(np.mean([(p * x**2).sum() - (p * x).sum() ** 2 for x, p in both]))


def centre(noise: Noise, scale: float, curvature: float) -> float:
    """Where the mean sign vanishes: -s/lambda times the median of the noise, 0 for a symmetric law."""
    law = distribution(noise)
    median = optimize.brentq(lambda y: float(law.below(np.array([y]))[0] - law.above(np.array([y]))[0]), -1.0, 1.0)
    return -scale / curvature * float(median)


def sde_variance(noise: Noise, scale: float, curvature: float, lr: float) -> float:
    """Variance of the stationary density of dx = -mu dt + sqrt(lr) sqrt(1 - mu^2) dW, mu = E sign(Z + lambda x/s):
    pi ~ exp(-(2/lr) int mu/(1 - mu^2)) / (1 - mu^2), by quadrature on both sides of the zero of mu."""
    law, middle = distribution(noise), centre(noise, scale, curvature)
    reach = np.sqrt(lr * scale / curvature) * 14
    sides = []
    for direction in (-1.0, 1.0):
        distance = np.linspace(0.0, reach, 20001)
        y = -curvature * (middle + direction * distance) / scale
        up, down = law.below(y), law.above(y)
        diffusion = 4 * up * down
        inside = np.logical_and.accumulate(diffusion > EDGE)
        distance, diffusion, mu = distance[inside], diffusion[inside], (down - up)[inside]
        exponent = integrate.cumulative_simpson(direction * mu / diffusion, x=distance, initial=0.0)
        density = np.exp(-2 / lr * exponent) / diffusion
        sides.append([integrate.simpson(density * (direction * distance) ** n, x=distance) for n in range(3)])
    mass, first, second = np.sum(sides, axis=0)
    return float(second / mass - (first / mass) ** 2)
