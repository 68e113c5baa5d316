"""Lion-K: the Lyapunov function decreases for a smoothed |.|, and the update follows its ODE."""

from __future__ import annotations

import numpy as np
import pytest
import sympy as sp

from adasde.derive.notation import m, x
from adasde.derive.scalings import slope
from adasde.papers.chen2024.lion_k import ConjugateSlope, KSlope, alpha, decay, decrease, epsilon, gamma

WIDTH = 0.1
NUMBERS = {alpha: 0.8, gamma: 0.8, epsilon: 0.3, decay: 0.5}


def sign(y: float) -> float:
    """K' of K(y) = sqrt(y^2 + WIDTH^2)."""
    return y / np.sqrt(y**2 + WIDTH**2)


def inverse(y: float) -> float:
    """The inverse function of K', which is (K*)'."""
    return WIDTH * y / np.sqrt(1 - y**2)


def test_the_lyapunov_function_decreases() -> None:
    """-dH/dt >= 0 wherever |lambda x| < 1, and 0 only where f is at its constrained minimum."""
    rate = sp.lambdify(
        (x, m, sp.Symbol("F")),
        decrease().subs(NUMBERS).subs(slope, sp.Symbol("F")),
        [{KSlope.__name__: sign, ConjugateSlope.__name__: inverse}, "numpy"],
    )
    draws = np.random.default_rng(3).normal(size=(2000, 3))
    rates = [rate(1.99 * np.tanh(position), first, gradient) for position, first, gradient in draws]
    assert min(rates) > 0
    assert rate(0.0, 0.0, 0.0) == 0


@pytest.mark.parametrize("target", [0.5, 5.0])
def test_the_update_ends_at_the_constrained_minimum(target: float) -> None:
    """f = (x - target)^2/2 under |lambda x| <= 1: the update stops near min(target, 1/lambda)."""
    a, c, e, l = (NUMBERS[y] for y in (alpha, gamma, epsilon, decay))
    rate, position, first = 0.01, 0.0, 0.0
    for _ in range(5000):
        gradient = a / c * (position - target)
        step = sign((1 - e * c) * first - e * c * gradient) - l * position
        first += -c * rate * (gradient + first)
        position += rate * step
    assert abs(position - min(target, 1 / l)) < 0.05
