"""Nesterov's method follows its ODE, and its energy falls."""

from __future__ import annotations

import numpy as np
from scipy.integrate import solve_ivp


def gradient(position: float) -> float:
    """f'(x) = x + sin(x)/2."""
    return position + np.sin(position) / 2


def nesterov(root: float, count: int) -> np.ndarray:
    """Positions x_k with the step root^2, as the paper has it."""
    x = y = 1.5
    path = [x]
    for k in range(1, count + 1):
        following = y - root**2 * gradient(y)
        y = following + (k - 1) / (k + 2) * (following - x)
        x = following
        path.append(x)
    return np.array(path)


def test_error_is_of_first_order() -> None:
    """At time t = k root = 3 against X'' = -(3/t) X' - f'(X) from rest."""
    begin = 1e-5
    path = solve_ivp(
        lambda t, y: [y[1], -3 / t * y[1] - gradient(y[0])], (begin, 3), [1.5, 0.0], rtol=1e-10, atol=1e-12
    )
    errors = [abs(nesterov(root, round(3 / root))[-1] - path.y[0, -1]) for root in (1 / 100, 1 / 200)]
    assert abs(np.log2(errors[0] / errors[1]) - 1) < 0.2


def test_the_energy_falls() -> None:
    """t^2 f + 2 |x + t x'/2|^2 along the algorithm, up to its step."""
    root = 1 / 400
    x = nesterov(root, 1600)
    t, velocity = root * np.arange(1, x.size), np.diff(x) / root
    loss = x[1:] ** 2 / 2 - np.cos(x[1:]) / 2 + 0.5
    energy = t**2 * loss + 2 * (x[1:] + t * velocity / 2) ** 2
    assert np.all(np.diff(energy[::40]) < 1e-3) and energy[-1] < energy[0] / 2
