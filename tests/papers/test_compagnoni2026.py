"""Clipped examples in many dimensions: the exact slope by simulation, and its expansion in 1/d."""

from __future__ import annotations

import numpy as np
import pytest

from adasde.derive.notation import s
from adasde.papers.compagnoni2026 import private
from adasde.papers.compagnoni2026.private import batch, clip, delta, noise

CLIP, WIDTH = 1.3, 0.7


@pytest.mark.parametrize("d", [3, 8])
def test_slope_by_simulation(d: int) -> None:
    """E[u Z]/s is the slope by Stein's identity, u = C z/|z| at G = 0: within 5 standard errors."""
    z = np.random.default_rng(5).standard_normal((200_000, d))
    products = (CLIP * z / np.linalg.norm(z, axis=1, keepdims=True) * z / WIDTH).mean(axis=1)
    exact = float(private.slope_in_full().subs({delta: 1 / d, clip: CLIP, s: WIDTH}))
    assert abs(products.mean() - exact) < 5 * products.std() / np.sqrt(len(z))


def test_expansion_in_the_dimension() -> None:
    """The drift with its first correction misses the exact slope by O(1/d^2): halving 1/d divides that by four."""
    errors = []
    for d in (100, 200):
        at = {delta: 1.0 / d, clip: CLIP, s: WIDTH}
        exact = float(private.slope_in_full().subs(at))
        drift = private.sgd()["drift of x"]
        errors.append(abs(float((-drift.coeff(private.G)).subs(at)) / exact - 1))
    assert 3.7 < errors[0] / errors[1] < 4.3


def test_variance_by_simulation() -> None:
    """Of the mean of four clipped examples and the private noise, in one coordinate, within 5 standard errors."""
    d, examples, multiplier, draws = 5, 4, 0.9, 100_000
    rng = np.random.default_rng(6)
    z = rng.standard_normal((draws, examples, d))
    sent = (CLIP * z / np.linalg.norm(z, axis=2, keepdims=True))[:, :, 0].mean(axis=1)
    sent += multiplier * CLIP / examples * rng.standard_normal(draws)
    exact = float(private.variance().subs({delta: 1 / d, clip: CLIP, batch: examples, noise: multiplier}))
    assert abs(sent.var() / exact - 1) < 5 * np.sqrt(2 / draws)
