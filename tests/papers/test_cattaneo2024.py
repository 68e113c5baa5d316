"""The correction of Adam's flow: geometric sums, the algorithm itself, and the sign that changes with eps."""

from __future__ import annotations

import numpy as np
import pytest
import sympy as sp
from scipy.integrate import solve_ivp

from adasde.derive.notation import beta1, beta2, eta, x
from adasde.papers.cattaneo2024.statements import adam, eps, printed

B1, B2, EPS = 0.5, 0.9, 0.1
TRANSIENT = 100


def test_delays_are_geometric_sums() -> None:
    """a_k = sum_j (1 - b) b^j q(x - j h F0): the term of order h is -F0 q' sum_j (1 - b) j b^j = -F0 q' b/(1 - b)."""
    rule = adam((x,))
    j = sp.Symbol("j", integer=True, nonnegative=True)
    for average, b in zip(rule.averages, (sp.Rational(1, 2), sp.Rational(9, 10)), strict=True):
        total = sp.summation((1 - b) * j * b**j, (j, 0, sp.oo))
        assert total == b / (1 - b)
        expected = -rule.forgetful[0] * sp.diff(average.of, x) * total
        assert sp.simplify(rule.delay(average).subs(average.decay, b) - expected) == 0


def gradient(position: float) -> float:
    """E'(x) = x + sin(x)/2."""
    return position + np.sin(position) / 2


def flow(step: float, order: int, start: float, time: float) -> float:
    """The printed flow of the given order."""
    loss = sp.Function("E", real=True)(x)
    at = {loss: x**2 / 2 - sp.cos(x) / 2, beta1: B1, beta2: B2, eps: EPS, eta: step}
    velocity = sp.lambdify(x, printed((x,), order=order)["drift of x"].subs(at).doit())
    return float(solve_ivp(lambda _, y: [velocity(y[0])], (0, time), [start], rtol=1e-11, atol=1e-12).y[0, -1])


def algorithm(step: float, count: int) -> tuple[float, float]:
    """Positions of full-batch Adam after a transient of 100 steps that ends near 2, and ``count`` steps later."""
    position = first = 2 + TRANSIENT * step
    m, v = gradient(position), gradient(position) ** 2
    for k in range(TRANSIENT + count):
        first = position if k == TRANSIENT else first
        g = gradient(position)
        m, v = B1 * m + (1 - B1) * g, B2 * v + (1 - B2) * g**2
        position -= step * m / np.sqrt(v + EPS)
    return first, position


@pytest.mark.parametrize("order, slope", [(1, 1.0), (2, 2.0)])
def test_the_algorithm_follows_the_flow(order: int, slope: float) -> None:
    """Over a time of 1 after the transient the error is of the order that the flow claims."""
    errors = []
    for step in (1 / 400, 1 / 800):
        first, last = algorithm(step, round(1 / step))
        errors.append(abs(last - flow(step, order, first, 1.0)))
    assert abs(np.log2(errors[0] / errors[1]) - slope) < 0.15


def test_small_eps_rewards_large_gradients() -> None:
    """For eps -> 0 the factor of the penalty is 2 (b - r)/((1 - b)(1 - r)): negative for Adam's decays, r > b."""
    loss = sp.Function("E", real=True)(x)
    slope = sp.Symbol("slope", positive=True)
    correction = sp.diff(printed((x,))["drift of x"], eta).subs({loss.diff(x, 2): 1, loss.diff(x): slope})
    factor = -2 * slope * correction.subs(eps, 0)
    assert sp.simplify(factor - 2 * (beta1 - beta2) / ((1 - beta1) * (1 - beta2))) == 0
