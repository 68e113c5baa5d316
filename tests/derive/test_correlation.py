"""The covariance of one step between coordinates: derived, and held against scipy's normal distributions."""

from __future__ import annotations

import numpy as np
import pytest
import sympy as sp
from scipy.stats import multivariate_normal, norm

from adasde.derive.correlation import SIGNS, R, between, correlation_steps, covariance, density, price, r
from adasde.derive.expansion import derive
from adasde.derive.law import NotDerivable
from adasde.derive.laws import LAWS
from adasde.derive.noise import Gaussian
from adasde.derive.notation import Z, eta
from adasde.derive.optimizers import registry

y, z = sp.symbols("y z", real=True)
QI, QJ = sp.symbols("q_i q_j", real=True)


def test_the_density_solves_prices_equation() -> None:
    """d phi2/dr = d^2 phi2/(dy dz), by which the rule holds for any two functions."""
    phi = density(y, z, r)
    gap = sp.diff(phi, r) - sp.diff(phi, y, z)
    assert sp.simplify(gap / phi) == 0
    assert (
        abs(
            float(phi.subs({y: 0.3, z: -0.8, r: 0.6}))
            - multivariate_normal([0, 0], [[1, 0.6], [0.6, 1]]).pdf([0.3, -0.8])
        )
        < 1e-14
    )


def test_arcsine_law() -> None:
    """The covariance of two signs without signal comes out of the derivation."""
    found = between(derive(registry()["signsgd"], Gaussian()))
    assert found.signs is not None and found.signs[1] == 2 * sp.asin(R) / sp.pi
    assert found.step == sp.Matrix([[eta * SIGNS]])
    assert sp.simplify(price(sp.sign(Z + QI), sp.sign(Z + QJ)) / (4 * density(QI, QJ, r))) == 1


@pytest.mark.parametrize(
    ("a", "b", "correlation"), [(0.0, 0.0, 0.5), (0.4, -1.1, 0.7), (1.3, 0.2, -0.8), (2.0, 2.0, 0.95)]
)
def test_signs_are_orthants(a: float, b: float, correlation: float) -> None:
    """4 (P(Z_i > -a, Z_j > -b) - P(Z_i > -a) P(Z_j > -b)) from scipy."""
    joint = multivariate_normal([0, 0], [[1, correlation], [correlation, 1]]).cdf([a, b])
    integral = covariance(sp.sign(Z + QI), sp.sign(Z + QJ), Gaussian())
    found = float(integral.subs({QI: a, QJ: b, R: correlation}).evalf())
    assert abs(found - 4 * (joint - norm.cdf(a) * norm.cdf(b))) < 1e-6


def test_powers_give_powers_of_the_correlation() -> None:
    """Mehler: n! R^n between Hermite polynomials of degree n, nothing between different degrees."""
    hermite = [Z, Z**2 - 1, Z**3 - 3 * Z, Z**4 - 6 * Z**2 + 3]
    for n, first in enumerate(hermite, 1):
        for k, second in enumerate(hermite, 1):
            assert covariance(first, second, Gaussian()) == (sp.factorial(n) * R**n if n == k else 0)


def test_a_sign_and_a_power() -> None:
    """Stein: Cov(Z_i, sign(Z_j + q)) = 2 R phi(q), and with Z_i^2 it is -2 q R^2 phi(q)."""
    phi = sp.exp(-(QJ**2) / 2) / sp.sqrt(2 * sp.pi)
    for side in ((Z, sp.sign(Z + QJ)), (sp.sign(Z + QJ), Z)):
        assert sp.simplify(covariance(*side, Gaussian()) - 2 * R * phi) == 0
    assert sp.simplify(covariance(Z**2, sp.sign(Z + QJ), Gaussian()) + 2 * QJ * R**2 * phi) == 0


@pytest.mark.parametrize("optimizer", ["sgd", "signsgd", "rmsprop", "adam"])
def test_one_coordinate_is_its_own_partner(optimizer: str) -> None:
    """At R = 1 and the same coordinate twice, the covariance between coordinates is that of the model, and the motions
    are the same."""
    sde = derive(registry()[optimizer], Gaussian()).sde
    found = between(derive(registry()[optimizer], Gaussian()))
    same = {y: sp.Symbol(y.name[:-2], **y.assumptions0) for y in found.step.free_symbols if y.name[-2:] in ("_i", "_j")}
    # Two equal signs: q_i = q_j, R = 1 make their covariance 1 - mu^2.
    own = {SIGNS: 1 - sp.Symbol("mu", real=True) ** 2}
    step = found.step.xreplace(own).xreplace(same).subs(R, 1)
    assert (step - sde.covariance).applyfunc(sp.simplify).is_zero_matrix
    if optimizer != "signsgd":
        assert found.motions is not None and found.motions.subs(R, 1) == sp.eye(found.motions.rows)
        assert found.motions == sp.diag(*(R**n for n in sde.degrees or ()))


def test_simulated_signs() -> None:
    """A million pairs of correlated signs with signals, within 5 standard errors (false alarms: 6e-7)."""
    rng, n = np.random.default_rng(3), 10**6
    pairs = rng.multivariate_normal([0, 0], [[1, -0.6], [-0.6, 1]], n)
    signs = np.sign(pairs + np.array([0.5, -0.2]))
    products = (signs[:, 0] - signs[:, 0].mean()) * (signs[:, 1] - signs[:, 1].mean())
    integral = covariance(sp.sign(Z + QI), sp.sign(Z + QJ), Gaussian())
    expected = float(integral.subs({QI: 0.5, QJ: -0.2, R: -0.6}).evalf())
    assert abs(products.mean() - expected) < 5 * products.std() / np.sqrt(n)


def test_other_laws() -> None:
    """A covariance matrix says all that a linear rule needs, and for other rules under another law too little."""
    for law in ("laplace", "student-t"):
        step = between(derive(registry()["sgd"], LAWS[law]())).step
        assert step.has(R)
        with pytest.raises(NotDerivable, match="joint law"):
            correlation_steps(derive(registry()["rmsprop"], LAWS[law]()))


def test_order_two_needs_no_derivative_of_the_correlation() -> None:
    """Two coordinates of a rule that is quadratic in g, with a covariance of the noise that depends on the position:
    L1 has the drift -(1/2) (grad b) b with b_i of the coordinate's own law, and the covariance of one step."""
    from adasde.derive.generator import Chain, expand, root

    positions, noises = sp.symbols("x1 x2", real=True), sp.symbols("Z1 Z2", real=True)
    f1, f2, s1, s2 = (sp.Function(name, real=True)(*positions) for name in ("f1", "f2", "s1", "s2"))
    c, d = (sp.Function(name, real=True)(*positions) for name in ("c", "d"))
    draws = (noises[0], c * noises[0] + d * noises[1])
    steps = [slope + scale * draw for slope, scale, draw in zip((f1, f2), (s1, s2), draws, strict=True)]
    chain = Chain("square", positions, tuple(-(root**2) * sp.expand(g**2) for g in steps), noises)
    correction = expand(chain, Gaussian()).correction
    b = sp.Matrix([-(f1**2) - s1**2, -(f2**2) - s2**2])
    expected = -b.jacobian(positions) * b / 2
    for found, wanted in zip(correction.drift, expected, strict=True):
        # c^2 + d^2 = 1 everywhere, with its derivatives.
        flat = found.subs(d, sp.sqrt(1 - c**2)).doit()
        assert sp.simplify(flat - wanted) == 0
