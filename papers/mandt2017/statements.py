"""Stationary covariances on a quadratic loss, x'Ax/2 in two positions or lamda x^2/2 in one."""

from __future__ import annotations

from functools import cache, partial

import sympy as sp

from adasde.derive.expansion import derive
from adasde.derive.notation import G, beta1, eta, rho1, s, x
from adasde.derive.optimizers.momentum import heavy_ball, momentum
from adasde.derive.optimizers.sgd import sgd
from adasde.papers.parts import Parts, of_sde
from adasde.papers.statement import unnumbered
from adasde.papers.vectors import in_coordinates

PAPER = "mandt2017"
lamda, ratio = sp.symbols("lamda delta", positive=True)
window = 1 / ratio
"""The time over which iterates are averaged, as 1/delta."""
A = sp.Matrix(2, 2, [*sp.symbols("a11 a12", real=True), *sp.symbols("a12 a22", real=True)])
SCALES = sp.symbols("s1 s2", positive=True)
c11, c12, c22 = COVARIANCES = sp.symbols("c11 c12 c22", real=True)
C = sp.Matrix([[c11, c12], [c12, c22]])
PLANE = sp.symbols("x y", real=True)


def balance() -> Parts:
    """A C + C A = eta Sigma, what is left of it being d C/dt = 0."""
    left = eta * sp.diag(*(scale**2 for scale in SCALES)) - A * C - C * A
    return _entries(left)


def of_sgd() -> Parts:
    """d C/dt = B C + C B^T + a under the derived drift B (x, y) and covariance a."""
    drift, covariance = in_coordinates(derive(sgd).sde, list(A * sp.Matrix(PLANE)), A, SCALES)
    B = drift.jacobian(PLANE)
    return _entries(B * C + C * B.T + covariance)


def _entries(matrix: sp.Matrix) -> Parts:
    return {"variance of x": matrix[0, 0], "covariance of x and y": matrix[0, 1], "variance of y": matrix[1, 1]}


def of_momentum() -> Parts:
    """Stationary variance of the rule `momentum`'s model at a fixed beta on lamda x^2/2."""
    plain = {h.symbol: 0 for h in momentum.hyperparameters if h.name in ("dampening", "weight_decay")}
    parts = of_sde(derive(momentum, average_out=("m",)).sde)
    drift, variance = (parts[part].subs(plain).subs(G, lamda * x) for part in ("drift of x", "variance of x"))
    return {"variance of x": -variance / (2 * sp.diff(drift, x))}


@cache
def of_heavy_ball() -> Parts:
    """Stationary covariance of the kinetic model, in which friction does not vanish, from B C + C B^T + a = 0."""
    sde = derive(heavy_ball).sde
    B = sde.full_drift.subs(G, lamda * x).jacobian(sde.states)
    found = sp.solve(list(B * C + C * B.T + sde.full_covariance), COVARIANCES, dict=True)[0]
    return {"variance of x": found[c11], "variance of m": found[c22]}


def of_average() -> Parts:
    """Variance of the mean of a stationary path of SGD's model over a window: (2/T^2) int_0^T (T - u) Cov(u) du."""
    parts = of_sde(derive(sgd).sde)
    drift, variance = parts["drift of x"].subs(G, lamda * x), parts["variance of x"]
    rate = -sp.diff(drift, x)
    lag = sp.Symbol("u", positive=True)
    correlation = variance / (2 * rate) * sp.exp(-rate * lag)
    return {"variance of the average": sp.integrate(2 * (window - lag) * correlation, (lag, 0, window)) / window**2}


_statement = partial(unnumbered, PAPER)

STATEMENTS = (
    _statement(
        "SGD, balance of the stationary covariance",
        balance(),
        of_sgd,
        "A C + C A = eta Sigma in two positions, any A (form recalled)",
    ),
    _statement(
        "SGD with momentum, stationary variance",
        {"variance of x": eta * s**2 / (2 * lamda * (1 - beta1))},
        of_momentum,
        "fixed beta: A C + C A = eta Sigma/(1 - beta) (form recalled)",
    ),
    _statement(
        "SGD with momentum, kinetic model",
        {"variance of x": eta * s**2 / (2 * lamda * rho1), "variance of m": eta * s**2 / (2 * rho1)},
        of_heavy_ball,
        "on the clock where the buffer stays, eta the root of the learning rate: equal shares of energy, lamda Var x = "
        "Var m (form recalled)",
    ),
    _statement(
        "SGD, variance of averaged iterates",
        {"variance of the average": eta * s**2 / (lamda**2 * window)},
        of_average,
        "over a time 1/delta that is long beside 1/lamda (form recalled)",
        "agrees to leading order",
        ratio,
    ),
)
