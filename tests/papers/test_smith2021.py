"""The mean of a shuffled epoch over all orders: an error of third order with the spread of minibatches, else second."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
import sympy as sp
from scipy.integrate import solve_ivp

from adasde.derive.notation import eta, x
from adasde.papers.smith2021.statements import LOSSES, MINIBATCHES, modified, of_gradient_descent

MINE = (x**2 / 2 + x, x**2 + sp.cos(x), x**2 / 3 - 2 * x + sp.sin(2 * x) / 4)
START = 0.7


def mean_of_epoch(step: float) -> float:
    slopes = [sp.lambdify(x, sp.diff(loss, x)) for loss in MINE]
    ends = []
    for order in itertools.permutations(slopes):
        position = START
        for slope in order:
            position -= step * slope(position)
        ends.append(position)
    return float(np.mean(ends))


@pytest.mark.parametrize(("loss", "slope"), [(modified(), 3), (of_gradient_descent(), 2)])
def test_order_of_the_error(loss: sp.Expr, slope: int) -> None:
    errors = []
    for step in (1 / 100, 1 / 200):
        filled = loss.subs({**dict(zip(LOSSES, MINE, strict=True)), eta: step}).doit()
        velocity = sp.lambdify(x, -sp.diff(filled, x))
        path = solve_ivp(lambda _, y, v=velocity: [v(y[0])], (0, MINIBATCHES * step), [START], rtol=1e-12, atol=1e-14)
        errors.append(abs(mean_of_epoch(step) - path.y[0, -1]))
    assert abs(np.log2(errors[0] / errors[1]) - slope) < 0.2
