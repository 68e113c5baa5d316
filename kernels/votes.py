"""Majority votes of n independent signs of mean mu, n odd: see `adasde.derive.functions.vote`."""

# helpers 59df08b01e18: numba's cache watches this file only, so `adasde kernels --write` stamps what it inlines here.
from __future__ import annotations

from numba import float64

from adasde.kernels.compilation import compiled


@compiled(float64(float64, float64))
def vote(mu: float, n: float) -> float:
    """mu sum_{j <= (n-1)/2} C(2j, j) q^j with q = (1 - mu^2)/4; every term is positive."""
    q = 0.25 * (1.0 - mu) * (1.0 + mu)
    term, total = 1.0, 1.0
    for j in range(1, (int(n) + 1) // 2):
        term *= q * (4.0 - 2.0 / j)
        total += term
    return mu * total


@compiled(float64(float64, float64))
def vote_slope(mu: float, n: float) -> float:
    """The derivative of `vote` by mu: n C(n - 1, (n - 1)/2) q^((n - 1)/2)."""
    q = 0.25 * (1.0 - mu) * (1.0 + mu)
    term = 1.0
    for j in range(1, (int(n) + 1) // 2):
        term *= q * (4.0 - 2.0 / j)
    return n * term


@compiled(float64(float64, float64))
def vote_error(q: float, n: float) -> float:
    """P[Bin(n, q) > n/2] for q <= 1/2: the sum of C(n, j) q^j (1 - q)^(n - j) over j > n/2, largest terms first."""
    whole, half = int(n), (int(n) + 1) // 2
    term = 1.0
    for j in range(1, half + 1):
        term *= q * (whole - half + j) / j
    for _ in range(whole - half):
        term *= 1.0 - q
    total = term
    for j in range(half + 1, whole + 1):
        term *= q / (1.0 - q) * (whole - j + 1) / j
        total += term
    return total
