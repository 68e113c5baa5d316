"""Gradient descent follows the flow of the modified loss one order longer than the gradient flow."""

from __future__ import annotations

import numpy as np
import pytest
import sympy as sp
from scipy.integrate import solve_ivp

from adasde.derive.notation import eta
from adasde.papers.barrett2021.statements import loss, printed, x, y

ENERGY = x**2 / 2 + y**2 + sp.sin(x * y) / 2
START = (1.2, -0.7)


def velocity(step: float) -> list[sp.Expr]:
    """The printed flow at this step size; the gradient flow at 0."""
    parts = printed((x, y))
    at = {loss((x, y)): ENERGY, eta: step}
    return [parts[f"drift of {position}"].subs(at).doit() for position in (x, y)]


@pytest.mark.parametrize("corrected, slope", [(False, 1.0), (True, 2.0)])
def test_order_of_the_error(corrected: bool, slope: float) -> None:
    """At time 1 the error falls like h for the gradient flow and like h^2 for the modified one."""
    descent = sp.lambdify((x, y), velocity(0))
    errors = []
    for step in (1 / 64, 1 / 128):
        point = np.array(START)
        for _ in range(round(1 / step)):
            point = point + step * np.array(descent(*point))
        flow = sp.lambdify((x, y), velocity(step if corrected else 0))
        end = solve_ivp(lambda _, z, flow=flow: flow(*z), (0, 1), START, rtol=1e-11, atol=1e-12).y[:, -1]
        errors.append(np.linalg.norm(point - end))
    assert abs(np.log2(errors[0] / errors[1]) - slope) < 0.1
