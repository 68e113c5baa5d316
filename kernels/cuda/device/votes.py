"""Majority votes of n independent signs of mean mu, n odd, in a precision T: see `adasde.kernels.votes`."""

from __future__ import annotations

from typing import Any

from numpy import int64

from adasde.kernels.cuda.device.arithmetic import device
from adasde.kernels.cuda.device.special import Precision


def vote_in(T: Precision) -> Any:
    """vote(mu, n) = mu sum_{j <= (n-1)/2} C(2j, j) q^j with q = (1 - mu^2)/4; every term is positive."""

    @device
    def vote(mu, n):
        q = T(0.25) * (T(1) - mu) * (T(1) + mu)
        term, total = T(1), T(1)
        for j in range(1, (int64(n) + 1) >> 1):
            term = term * q * (T(4) - T(2) / T(j))
            total += term
        return mu * total

    return vote


def vote_slope_in(T: Precision) -> Any:
    """vote_slope(mu, n), the derivative of `vote` by mu: n C(n - 1, (n - 1)/2) q^((n - 1)/2)."""

    @device
    def vote_slope(mu, n):
        q = T(0.25) * (T(1) - mu) * (T(1) + mu)
        term = T(1)
        for j in range(1, (int64(n) + 1) >> 1):
            term = term * q * (T(4) - T(2) / T(j))
        return T(n) * term

    return vote_slope


def vote_error_in(T: Precision) -> Any:
    """vote_error(q, n) = P[Bin(n, q) > n/2] for q <= 1/2: the terms over j > n/2, largest first."""

    @device
    def vote_error(q, n):
        whole = int64(n)
        half = (whole + 1) >> 1
        term = T(1)
        for j in range(1, half + 1):
            term = term * q * T(whole - half + j) / T(j)
        for _ in range(whole - half):
            term = term * (T(1) - q)
        total = term
        for j in range(half + 1, whole + 1):
            term = term * q / (T(1) - q) * T(whole - j + 1) / T(j)
            total += term
        return total

    return vote_error
