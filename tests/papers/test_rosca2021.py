"""Two players follow the printed flows with an error of second order, at the same time and in turns."""

from __future__ import annotations

import numpy as np
import pytest
import sympy as sp
from scipy.integrate import solve_ivp

from adasde.derive.notation import eta
from adasde.papers.rosca2021.statements import PLAYERS, a, l, p, phi, printed, q, theta

VELOCITIES = {p: -phi - theta + sp.sin(phi) / 3, q: phi - theta / 2 + phi * theta / 5}
RATES, START = (1.0, 0.7), (0.8, -0.5)


def algorithm(step: float, in_turns: bool) -> np.ndarray:
    first, second = (sp.lambdify(PLAYERS, velocity) for velocity in VELOCITIES.values())
    u, v = START
    for _ in range(round(1 / step)):
        moved = u + RATES[0] * step * first(u, v)
        v = v + RATES[1] * step * second(moved if in_turns else u, v)
        u = moved
    return np.array([u, v])


@pytest.mark.parametrize("in_turns", [False, True])
@pytest.mark.parametrize("right", [True, False])
def test_order_of_the_error(in_turns: bool, right: bool) -> None:
    """Second order with the flow of the same kind of turns, first order with the other one."""
    errors = []
    for step in (1 / 64, 1 / 128):
        parts = printed(in_turns if right else not in_turns)
        at = {**VELOCITIES, a: RATES[0], l: RATES[1], eta: step}
        flow = sp.lambdify(PLAYERS, [parts[f"drift of {y}"].subs(at).doit() for y in PLAYERS])
        end = solve_ivp(lambda _, y, flow=flow: flow(*y), (0, 1), START, rtol=1e-11, atol=1e-12).y[:, -1]
        errors.append(np.linalg.norm(algorithm(step, in_turns) - end))
    assert abs(np.log2(errors[0] / errors[1]) - (2 if right else 1)) < 0.2
