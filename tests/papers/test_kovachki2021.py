"""Heavy ball and averaged momentum follow their flows one order longer with the modified loss than without."""

from __future__ import annotations

import numpy as np
import pytest
import sympy as sp
from scipy.integrate import solve_ivp

from adasde.derive.notation import beta1, eta, x
from adasde.papers.kovachki2021.statements import SUM, printed

BETA, TRANSIENT = 0.6, 80


def gradient(position: float) -> float:
    """E'(x) = x + sin(x)/2."""
    return position + np.sin(position) / 2


def algorithm(step: float, count: int, gain: float) -> tuple[float, float]:
    """Positions after a transient that ends near 2 and ``count`` steps later; the buffer gets gain (1 - beta) g."""
    position = first = 2 + TRANSIENT * step * gain * 2
    buffer = gain * gradient(position)
    for k in range(TRANSIENT + count):
        first = position if k == TRANSIENT else first
        buffer = BETA * buffer + (1 - BETA) * gain * gradient(position)
        position -= step * buffer
    return first, position


@pytest.mark.parametrize("order", [1, 2])
@pytest.mark.parametrize("sums", [True, False])
def test_order_of_the_error(sums: bool, order: int) -> None:
    gain = SUM if sums else sp.S.One
    loss = sp.Function("E", real=True)(x)
    errors = []
    for step in (1 / 1600, 1 / 3200):
        at = {loss: x**2 / 2 - sp.cos(x) / 2, beta1: BETA, eta: step}
        velocity = sp.lambdify(x, printed(gain, (x,), order)["drift of x"].subs(at).doit())
        first, last = algorithm(step, round(1 / step), float(gain.subs(beta1, BETA)))
        end = solve_ivp(lambda _, y, v=velocity: [v(y[0])], (0, 1), [first], rtol=1e-11, atol=1e-13).y[0, -1]
        errors.append(abs(last - end))
    assert abs(np.log2(errors[0] / errors[1]) - order) < 0.15
