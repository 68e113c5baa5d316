"""Majority votes of n independent signs of mean mu, n odd, in a given precision T: see `adasde.kernels.votes`."""

from __future__ import annotations

from typing import Any

from adasde.kernels.cuda.device.arithmetic import device
from adasde.kernels.cuda.device.special import Precision


def vote_in(T: Precision) -> Any:
    """vote(mu, n) = mu sum_{j <= (n-1)/2} C(2j, j) q^j with q = (1 - mu^2)/4; every term is positive."""

    @device
    def vote(mu, n):
        q = T(0.25) * (T(1) - mu) * (T(1) + mu)
        term, total, j, end = T(1), T(1), T(1), T(0.5) * n
        while j < end:
            term *= q * (T(4) - T(2) / j)
            total += term
            j += T(1)
        return mu * total

    return vote


def vote_slope_in(T: Precision) -> Any:
    """vote_slope(mu, n): the derivative of `vote` by mu, n C(n - 1, (n - 1)/2) q^((n - 1)/2)."""

    @device
    def vote_slope(mu, n):
        q = T(0.25) * (T(1) - mu) * (T(1) + mu)
        term, j, end = n, T(1), T(0.5) * n
        while j < end:
            term *= q * (T(4) - T(2) / j)
            j += T(1)
        return term

    return vote_slope


def vote_error_in(T: Precision) -> Any:
    """vote_error(q, n) = P[Bin(n, q) > n/2] for q <= 1/2: the sum of C(n, j) q^j (1 - q)^(n - j) over j > n/2."""

    @device
    def vote_error(q, n):
        term, j, half = T(1), T(1), T(0.5) * (n + T(1))
        while j <= half:
            term *= q * (n - half + j) / j
            term *= T(1) - q if j < half else T(1)
            j += T(1)
        total = term
        while j <= n:
            term *= q / (T(1) - q) * (n - j + T(1)) / j
            total += term
            j += T(1)
        return total

    return vote_error
