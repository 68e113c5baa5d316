"""Covariance of the signs of correlated normals, against Plackett's integral in many digits and scipy."""

from __future__ import annotations

import math
from typing import Any

import mpmath as mp
import numpy as np
import pytest
from scipy import stats

from adasde.kernels.orthant import LEGENDRE_W, LEGENDRE_X, sign_covariance

BOUND = 2e-15
POINTS = [0.0, 1e-9, 1e-4, 0.01, 0.3, 0.32, 1.0, 1.001, 3.0, 5.0]
PAIRS = [(a, b) for i, a in enumerate(POINTS) for b in POINTS[i % 2 : i + 1 : 2]]


def phi(x: Any) -> Any:
    return mp.erfc(-x / mp.sqrt(2)) / 2


def plackett(a: float, b: float, r: float) -> Any:
    """4 int_0^r phi2(a, b; t) dt for r >= 0, by adaptive quadrature, from 1 downwards where r is close to it."""
    A, B, R = mp.mpf(a), mp.mpf(b), mp.mpf(r)
    if r < 0.7:
        angle = lambda u: mp.exp(-(A * A + B * B - 2 * A * B * mp.sin(u)) / (2 * mp.cos(u) ** 2))  # noqa: E731
        return 2 / mp.pi * mp.quad(angle, [0, mp.asin(R) / 2, mp.asin(R)])

    def towards_one(x: Any) -> Any:
        root = mp.sqrt(1 - x * x)
        gap = mp.exp(-((A - B) ** 2) / (2 * x * x)) if x else mp.mpf(a == b)
        return gap * mp.exp(-A * B / (1 + root)) / root

    end, gap = mp.sqrt(1 - R * R), abs(A - B)
    cuts = {end * mp.mpf(2) ** -k for k in range(6)} | {gap * mp.mpf(2) ** k for k in range(-4, 6)}
    rest = mp.quad(towards_one, [0, *sorted(c for c in cuts if 0 < c <= end)]) if end else mp.mpf(0)
    return 4 * phi(min(A, B)) * phi(-max(A, B)) - 2 / mp.pi * rest


@pytest.mark.parametrize("r", [0.01, 0.3, 0.7, 0.92, 0.93, 0.99, 1 - 1e-6, 1 - 1e-10, 1 - 1e-15, 1.0])
def test_in_many_digits(r: float) -> None:
    """Absolute error below 2e-15 for every sign of a and r, up to r = 1 and for a next to b."""
    with mp.workdps(25):
        for a, b in PAIRS:
            same, opposite = plackett(a, b, r), plackett(a, -b, r)
            for s in (1, -1):
                assert abs(sign_covariance(s * a, s * b, r) - same) < BOUND, (a, b)
                assert abs(sign_covariance(s * a, -s * b, r) - opposite) < BOUND, (a, -b)
                assert abs(sign_covariance(s * a, s * b, -r) + opposite) < BOUND, (a, b, -r)


def test_against_scipy() -> None:
    """The formula with Phi2 of scipy, whose code has nothing in common, within its accuracy of 1e-8."""
    for a, b, r in [(0.3, -1.0, 0.5), (1.5, 1.4, -0.8), (-0.2, 0.1, 0.97), (2.0, -1.0, -0.3)]:
        both = stats.multivariate_normal([0, 0], [[1, r], [r, 1]]).cdf([a, b])
        exact = 4 * (both - stats.norm.cdf(a) * stats.norm.cdf(b))
        assert abs(sign_covariance(a, b, r) - exact) < 1e-7


def test_special_cases() -> None:
    """The arcsine law at a = b = 0, the variance 1 - erf^2 at r = 1 and a = b, and 0 where there is none."""
    for r in np.linspace(-1, 1, 81):
        assert abs(sign_covariance(0.0, 0.0, r) - 2 / math.pi * math.asin(r)) < BOUND
    for a in (0.1, 1.0, 6.0, 12.0, 30.0):
        exact = 4 * stats.norm.sf(a) * stats.norm.cdf(a)
        assert abs(sign_covariance(a, a, 1.0) / exact - 1) < 1e-13
        assert abs(sign_covariance(a, -a, -1.0) / -exact - 1) < 1e-13
    for a, b, r in (
        (0.5, 1.0, 0.0),
        (math.inf, 0.0, 0.9),
        (0.0, -math.inf, 0.9),
        (math.nan, 1.0, 0.0),
        (1e200, 1e200, 0.5),
    ):
        assert sign_covariance(a, b, r) == 0
    assert math.isnan(sign_covariance(math.nan, 0.0, 0.5))


def test_the_nodes_are_gauss_legendres() -> None:
    x, w = np.polynomial.legendre.leggauss(20)
    np.testing.assert_allclose(LEGENDRE_X, x[10:], rtol=0, atol=2e-16)
    np.testing.assert_allclose(LEGENDRE_W, w[10:], rtol=0, atol=2e-16)
