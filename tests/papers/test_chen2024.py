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


def lion(target: float, start: float, rate: float, count: int) -> np.ndarray:
    """(position, first moment) after every step of Lion on (x - target)^2/2 with alpha = gamma."""
    share, position, first, path = NUMBERS[epsilon] * NUMBERS[gamma], start, 0.0, []
    for _ in range(count):
        gradient = position - target
        step = np.sign((1 - share) * first + share * gradient) + NUMBERS[decay] * position
        position, first = position - rate * step, first + NUMBERS[gamma] * rate * (gradient - first)
        path.append((position, first))
    return np.array(path)


def test_phase_one_of_lion() -> None:
    """From far outside |lambda x| - 1 falls like e^(-lambda t) while the sign holds, up to the size of a step."""
    rate, weight = 1e-3, NUMBERS[decay]
    outside = weight * np.abs(lion(5.0, 8.0, rate, 6000)[:, 0]) - 1
    bound = (weight * 8 - 1) * np.exp(-weight * rate * np.arange(1, outside.size + 1))
    assert np.all(outside <= bound + 2 * rate)


def test_phase_two_of_lion() -> None:
    """Inside of the interval H = alpha f + C (|m| - lambda m x), m with the other sign, falls up to a step's size."""
    rate, weight = 1e-3, NUMBERS[decay]
    x, m = lion(0.5, 1.8, rate, 6000).T
    constant = (1 - NUMBERS[epsilon] * NUMBERS[gamma]) / (1 + NUMBERS[epsilon] * weight)
    energy = NUMBERS[alpha] * (x - 0.5) ** 2 / 2 + constant * (np.abs(m) + weight * m * x)
    assert np.all(np.diff(energy[::200]) < 5 * rate) and energy[-1] < 0.01 < energy[0]
