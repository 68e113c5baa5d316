"""Momentum at a fixed beta: exact iteration of its covariance, and of the variance of averaged iterates (mandt2017)."""

from __future__ import annotations

import numpy as np

from adasde.derive.notation import beta1, eta, s
from adasde.papers.mandt2017 import statements as mandt
from adasde.papers.wang2024.statements import lamda, stationary_variance

CURVATURE, BETA, RATE, WIDTH = 1.7, 0.8, 0.05, 0.6


def test_stationary_variance_by_iteration() -> None:
    """C' = A C A^T + B B^T for m' = beta m + g, x' = x - eta m', g = lamda x + s Z."""
    A = np.array([[1 - RATE * CURVATURE, -RATE * BETA], [CURVATURE, BETA]])
    B = np.array([[-RATE * WIDTH], [WIDTH]])
    C = np.zeros((2, 2))
    for _ in range(3000):
        C = A @ C @ A.T + B @ B.T
    found = float(stationary_variance().subs({lamda: CURVATURE, beta1: BETA, eta: RATE, s: WIDTH}))
    assert abs(C[0, 0] / found - 1) < 1e-12


def test_variance_of_averages_by_summation() -> None:
    """The mean of n late iterates of SGD: the sum of its exact autocovariances against the model, to O(eta)."""
    step, steps = 0.002, 4000
    factor = 1 - step * CURVATURE
    variance = step**2 * WIDTH**2 / (1 - factor**2)
    lags = np.arange(1, steps)
    exact = variance / steps**2 * (steps + 2 * np.sum((steps - lags) * factor**lags))
    at = {mandt.lamda: CURVATURE, eta: step, s: WIDTH, mandt.ratio: 1 / (step * steps)}
    model = float(mandt.of_average()["variance of the average"].subs(at))
    assert abs(exact / model - 1) < 2 * step * CURVATURE
