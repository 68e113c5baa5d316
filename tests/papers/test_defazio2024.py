"""Schedule-free SGD itself: it follows its limit, its energy falls, and it diverges beyond the threshold only."""

from __future__ import annotations

import numpy as np
import pytest
import sympy as sp
from scipy.integrate import solve_ivp

from adasde.derive.notation import G, eta, t
from adasde.papers.defazio2024 import schedule_free
from adasde.papers.defazio2024.schedule_free import beta, lamda, w, z
from adasde.papers.defazio2024.statements import sde

SHARE, START = 0.8, 1.5


def gradient(position: float) -> float:
    """f'(x) = x + sin(x)/2."""
    return position + np.sin(position) / 2


def algorithm(step: float, count: int, slope=gradient, share: float = SHARE) -> np.ndarray:
    """(average, base) after every step of the algorithm as the paper has it."""
    base = average = START
    path = [(average, base)]
    for k in range(1, count + 1):
        base = base - step * slope((1 - share) * base + share * average)
        average += (base - average) / k
        path.append((average, base))
    return np.array(path)


def flow(begin: float, end: float, state: np.ndarray) -> np.ndarray:
    velocity = sp.lambdify((t, w, z, G), [sde()[f"drift of {y}"] for y in (w, z)])
    path = solve_ivp(
        lambda at, y: velocity(at, *y, gradient((1 - SHARE) * y[1] + SHARE * y[0])), (begin, end), state, rtol=1e-10
    )
    return path.y[:, -1]


def test_error_is_of_first_order() -> None:
    """From time 1/2 to 2, k steps being the time k eta."""
    errors = []
    for step in (1 / 200, 1 / 400):
        path = algorithm(step, round(2 / step))
        first = round(0.5 / step)
        errors.append(np.abs(path[-1] - flow(first * step, 2.0, path[first])).max())
    assert abs(np.log2(errors[0] / errors[1]) - 1) < 0.15


def test_the_energy_falls() -> None:
    """E = t (f(w) - f(0)) + z^2/2 along the flow, so that f(w) - f(0) <= z_0^2/(2 t)."""
    loss = lambda x: x**2 / 2 - np.cos(x) / 2 + 0.5  # noqa: E731
    state, energies = np.array([START, START]), []
    for begin in np.arange(0.1, 3.0, 0.1):
        energies.append(begin * loss(state[0]) + state[1] ** 2 / 2)
        state = flow(begin, begin + 0.1, state)
    assert np.all(np.diff(energies) < 0)


@pytest.mark.parametrize(("factor", "stable"), [(0.95, True), (1.05, False)])
def test_threshold(factor: float, stable: bool) -> None:
    """On lamda x^2/2 the late steps contract below the threshold and blow up above it."""
    curvature = 3.0
    limit = float(schedule_free.threshold().subs({beta: SHARE, lamda: curvature}))
    path = algorithm(factor * limit, 4000, lambda x: curvature * x)
    assert (abs(path[-1, 1]) < abs(path[2000, 1]) + 1e-9) == stable


def test_noise_of_the_base_alone() -> None:
    """One late step moves the average by a share 1/k of the noise of the base."""
    assert sde()["variance of w"] == 0 and sde()["variance of z"].has(eta)
