"""Stationary covariances to two orders in eta, against closed recursions, an exact law and the simulated optimizer."""

import numpy as np
import pytest
import sympy as sp
from scipy.linalg import solve_discrete_lyapunov

from adasde import Quadratic, gaussian, laplace, simulate, student_t
from adasde.derive.expansion import derive
from adasde.derive.language import eta, g, update_rule, x
from adasde.derive.law import NotDerivable
from adasde.derive.noise import Gaussian, Laplace, ShiftedExponential, StudentT
from adasde.derive.notation import beta1, eps, k, rho1, rho2, s, theta
from adasde.derive.optimizers import registry
from adasde.derive.stationary import discrete_lyapunov, exact, lamda, lyapunov, stationary_algorithm, stationary_sde
from adasde.verify.sign_law import lattice_variance, sde_variance

RULES = registry()
Z_LIMIT = 4.9
"""False alarms: below 1e-6 a test."""


def test_lyapunov_equations():
    """Both, for a matrix that is not symmetric, put back in."""
    slope = sp.Matrix([[-sp.Rational(1, 2), sp.Rational(1, 3)], [0, -sp.Rational(1, 5)]])
    noise = sp.Matrix([[2, 1], [1, 3]])
    c, d = lyapunov(slope, noise), discrete_lyapunov(slope, noise)
    assert (slope * c + c * slope.T + noise).is_zero_matrix
    assert (slope * d * slope.T + noise - d).is_zero_matrix


def test_sgd_is_the_series_of_its_closed_form():
    """eta s^2/(lambda (2 - eta lambda)); its SDE has the first term only, and the SDE of order two -1/4 (F5 of Li, Tai
    and E's equation, whose stationary variance is worse)."""
    closed = exact(RULES["sgd"])
    assert sp.simplify(closed - eta * s**2 / (lamda * (2 - eta * lamda))) == 0
    terms = sum(stationary_algorithm(RULES["sgd"]).variance)
    assert sp.expand(sp.series(closed, eta, 0, 3).removeO() - terms) == 0
    assert stationary_sde(derive(RULES["sgd"]).sde).variance[1] == 0
    assert sp.simplify(stationary_sde(derive(RULES["sgd"], order=2).sde).variance[1] + eta**2 * s**2 / 4) == 0


@pytest.mark.parametrize("optimizer", ["adam", "adamw"])
def test_frozen_adam_is_its_recursion(optimizer):
    """(x, m) with v at s^2 and eps = 0, written down by hand and solved by scipy."""
    lr, b, decay, curvature, scale = 0.05, 0.8, 0.3 if optimizer == "adamw" else 0.0, 1.7, 0.6
    through = np.array([[curvature * (1 - b), b]])
    slope = np.vstack([np.array([[1 - lr * decay, 0.0]]) - lr / scale * through, through])
    noise = (1 - b) * np.array([[-lr / scale], [1.0]]) * scale
    expected = solve_discrete_lyapunov(slope, noise @ noise.T)[0, 0]
    found = exact(RULES[optimizer]).subs({eps: 0, eta: lr, beta1: b, theta: decay, lamda: curvature, s: scale})
    assert float(found) == pytest.approx(expected, rel=1e-12)


@pytest.mark.parametrize(
    ("law", "noise"),
    [
        (Gaussian(), gaussian(1.0)),
        (StudentT(sp.Integer(1)), student_t(1, 1.0)),
        (StudentT(sp.Integer(3)), student_t(3, 1)),
    ],
)
def test_signsgd_against_its_exact_law(law, noise):
    """The remainder after two terms falls like eta^3, for the optimizer and for its SDE. Deterministic."""
    at = {lamda: sp.Rational(3, 2), s: sp.Integer(1)}
    found = stationary_algorithm(RULES["signsgd"], law, at), stationary_sde(derive(RULES["signsgd"], law).sde, at)
    for series, truth in zip(found, (lattice_variance, sde_variance), strict=True):
        errors = [truth(noise, 1.0, 1.5, lr) / float(sum(series.variance).subs(eta, lr)) - 1 for lr in (0.1, 0.05)]
        assert np.log2(errors[0] / errors[1]) == pytest.approx(2, abs=0.35) and abs(errors[1]) < 0.01


@pytest.mark.parametrize(
    ("optimizer", "values", "apart"),
    [
        ("rmsprop", {"beta2": 0.9}, True),
        ("rmspropw", {"beta2": 0.9, "weight_decay": 1.0}, True),
        ("adam", {"beta1": 0.95, "beta2": 0.9}, False),
        ("adamw", {"beta1": 0.95, "beta2": 0.9, "weight_decay": 1.0}, False),
    ],
)
def test_second_order_against_the_optimizer(optimizer, values, apart):
    """Where v fluctuates, two terms are what the simulated optimizer has; the first alone, and the variance with v at
    rest, are outside the interval where they are ``apart``.

    Allowed besides noise: the square of the fastest rate per step, for what comes after two terms.
    """
    lr, curvature, paths = 0.01, 2, 120_000
    rates = {rho1: 1 - values.get("beta1", 0), rho2: 1 - values["beta2"]}
    at = {rate: sp.nsimplify(round(value / lr, 9)) for rate, value in rates.items()}
    at |= {
        eps: sp.S.Zero,
        s: sp.S.One,
        lamda: sp.Integer(curvature),
        theta: sp.nsimplify(values.get("weight_decay", 0)),
    }
    first, second = (float(term.subs(eta, lr)) for term in stationary_algorithm(RULES[optimizer], at=at).variance)
    run = simulate(
        optimizer,
        "algorithm",
        loss=Quadratic([curvature] * 4),
        noise="gaussian:1",
        steps=400,
        paths=paths,
        save=[400],
        x0=[0.0] * 4,
        init={"v": 1.0} if optimizer.startswith("rmsprop") else {},
        seed=5,
        lr=lr,
        eps=1e-12,
        **values,
    )
    measured = run.var[-1].mean()
    allowed = (Z_LIMIT * np.sqrt(2 / (4 * paths)) + (1 - values["beta2"]) ** 2) * measured
    assert abs(measured - first - second) < allowed
    if apart:
        frozen = float(exact(RULES[optimizer]).subs(at).subs(eta, lr))
        assert abs(measured - first) > allowed and abs(measured - frozen) > allowed


def test_leading_orders():
    """What papers print: s^2 eta/(2 lambda), s eta/(2 lambda) for Adam and RMSprop at any rates, and with decay
    (eta/2)/(lambda/s + theta), times rho1/(rho1 + theta) for AdamW at a fixed rate."""
    at = {rho1: sp.Integer(5), rho2: sp.Integer(2), lamda: sp.Integer(3), s: sp.Integer(2), eps: sp.S.Zero}
    adamw = stationary_algorithm(RULES["adamw"], at=at)
    assert sp.simplify(adamw.variance[0] - eta / 2 / (sp.Rational(3, 2) + theta) * 5 / (5 + theta)) == 0
    for optimizer in ("rmsprop", "adam"):
        at = {rho1: sp.Integer(5), rho2: sp.Integer(2), eps: sp.S.Zero}
        leading = stationary_sde(derive(RULES[optimizer]).sde, at).variance[0]
        assert sp.simplify(leading - eta * s / (2 * lamda)) == 0


def test_refusals():
    """A minimum that the noise moves, a mean sign with a kink, moments that do not close, and a decaying step."""
    with pytest.raises(NotDerivable, match="no point of rest"):
        stationary_algorithm(RULES["signsgd"], ShiftedExponential())
    with pytest.raises(NotDerivable, match="not smooth at the minimum"):
        stationary_algorithm(RULES["signsgd"], Laplace())
    assert lattice_variance(laplace(1.0), 1.0, 1.0, 0.1) > 0  # it exists, and its exact law knows it
    with pytest.raises(NotDerivable, match="do not close"):
        exact(RULES["signsgd"])

    @update_rule(states=(x,), dialect="paper", cite="nobody")
    def slowing():
        """A step that shrinks."""
        return {x: x - eta * g / k}

    with pytest.raises(NotDerivable, match="no stationary law"):
        stationary_algorithm(slowing)
