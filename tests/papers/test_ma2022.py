"""Full-batch Adam follows its ODE from the first step on, with an error of order eta."""

from __future__ import annotations

import numpy as np
import sympy as sp
from scipy.integrate import solve_ivp

from adasde.derive.notation import G, eps, m, rho1, rho2, t, v
from adasde.papers.claim import BIAS
from adasde.papers.ma2022.statements import at_fixed_decays, with_averages

RATES, EPS, START = (2.0, 1.5), 0.01, 1.5


def gradient(position: float) -> float:
    """f'(x) = x + sin(x)/2."""
    return position + np.sin(position) / 2


def adam(step: float, count: int) -> float:
    """Position after ``count`` steps with beta_i = 1 - rho_i step, from zero averages."""
    position, first, second = START, 0.0, 0.0
    b1, b2 = (1 - step * rate for rate in RATES)
    for k in range(1, count + 1):
        g = gradient(position)
        first, second = b1 * first + (1 - b1) * g, b2 * second + (1 - b2) * g**2
        position -= step * first / (1 - b1**k) / (np.sqrt(second / (1 - b2**k)) + EPS)
    return position


def flow(time: float, start: float = 1e-6) -> float:
    """The printed ODE; the averages grow like gamma_i f' and gamma_i f'^2 from zero."""
    numbers = {rho1: RATES[0], rho2: RATES[1], eps: EPS}
    slope = [value.subs(BIAS).subs(numbers) for value in with_averages().values()]
    call = sp.lambdify((t, m, v, G), slope)
    g, gains = gradient(START), [-np.expm1(-rate * start) for rate in RATES]
    state = [START, gains[0] * g, gains[1] * g**2]
    path = solve_ivp(lambda at, z: call(at, z[1], z[2], gradient(z[0])), (start, time), state, rtol=1e-10, atol=1e-12)
    return float(path.y[0, -1])


def test_error_is_of_first_order() -> None:
    errors = [abs(adam(step, round(1 / step)) - flow(1.0)) for step in (1 / 200, 1 / 400)]
    assert abs(np.log2(errors[0] / errors[1]) - 1) < 0.1


def test_settled_averages_are_those_of_a_constant_gradient() -> None:
    """Many updates with one gradient bring the step to the smoothed sign."""
    first = second = 0.0
    for _ in range(400):
        first, second = 0.9 * first + 0.1 * 0.3, 0.95 * second + 0.05 * 0.09
    limit = float(at_fixed_decays("adam")["drift of x"].subs({G: 0.3, eps: EPS}))
    assert abs(-first / (np.sqrt(second) + EPS) - limit) < 1e-9
