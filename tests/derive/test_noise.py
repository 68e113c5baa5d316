"""Noise laws against numerical integration and scipy."""

import mpmath
import numpy as np
import pytest
import sympy as sp
from scipy import integrate, stats

from adasde.derive.expectation import expectation
from adasde.derive.functions import student_t_sign
from adasde.derive.law import MomentDoesNotExist, NotDerivable
from adasde.derive.noise import Gaussian, StudentT
from adasde.derive.notation import G, Z, nu, s

y = sp.Symbol("y", real=True)


@pytest.mark.parametrize("law", [Gaussian(), StudentT(sp.Integer(9)), StudentT(sp.Rational(13, 2))])
@pytest.mark.parametrize("n", range(7))
def test_moments(law, n):
    """E Z^n is the integral of its density, at high precision; cdf and density belong together."""
    density = sp.lambdify(y, law.density(y), "mpmath")
    with mpmath.workdps(30):
        exact = mpmath.quad(lambda z: z**n * density(z), [-mpmath.inf, -5, 0, 5, mpmath.inf])
    tail = 1e-3 if n == 6 and law.exists(7) == False else 1e-12  # noqa: E712 - the integrand decays like z^-1.5
    assert float(law.moment(n)) == pytest.approx(float(exact), rel=tail, abs=1e-12)
    assert abs((law.cdf(y).diff(y) - law.density(y)).subs(y, sp.Rational(7, 10)).evalf(20)) < 1e-15


@pytest.mark.parametrize("nu_value, order", [(1, 1), (2, 2), (3, 4), (4, 4), (sp.Rational(1, 2), 1)])
def test_missing_moments_are_refused(nu_value, order):
    """A moment that diverges is refused with the condition that it needs, never returned."""
    with pytest.raises(MomentDoesNotExist, match=f"nu > {order} is needed"):
        StudentT(sp.sympify(nu_value)).moment(order)


def test_negative_degrees_of_freedom_are_refused():
    with pytest.raises(NotDerivable, match="outside"):
        StudentT(sp.Integer(-1))


@pytest.mark.parametrize("nu_value", [1, 2, 3, 4, 5.5, 30])
def test_student_t_mean_sign(nu_value):
    """2 F_nu(y) - 1 to 1e-12 against scipy, closed forms and the general one alike, and its hypergeometric form too."""
    for at in (-7.3, -0.4, 0.0, 1e-3, 0.7, 3.0, 40.0):
        symbolic = student_t_sign(sp.Float(at, 25), sp.nsimplify(nu_value))
        assert float(symbolic.evalf(20)) == pytest.approx(2 * stats.t.cdf(at, nu_value) - 1, abs=1e-12)
        hyper = student_t_sign(y, nu).rewrite(sp.hyper).subs({y: sp.Float(at, 25), nu: sp.nsimplify(nu_value)})
        assert float(hyper.evalf(20)) == pytest.approx(2 * stats.t.cdf(at, nu_value) - 1, abs=1e-12)


@pytest.mark.parametrize("n", range(5))
@pytest.mark.parametrize("c", [-1.3, 0.0, 0.4, 2.5])
def test_gaussian_products_with_a_sign(n, c):
    """E[Z^n sign(Z + c)] by its recursion equals the integral."""
    exact = (
        integrate.quad(lambda z: z**n * stats.norm.pdf(z), -c, 12)[0]
        - integrate.quad(lambda z: z**n * stats.norm.pdf(z), -12, -c)[0]
    )
    assert float(Gaussian().sign_moment(n, sp.Float(c, 20))) == pytest.approx(exact, abs=1e-9)


def test_expectation_of_mixed_products():
    """Polynomials, signs and their products in one expression; sign^2 = 1."""
    z, w = np.polynomial.hermite_e.hermegauss(80)
    polynomial = (G + s * Z) ** 3 * Z
    value = expectation(polynomial, Gaussian()).subs({G: 0.7, s: 1.3})
    assert float(value) == pytest.approx(np.sum(w * (0.7 + 1.3 * z) ** 3 * z) / np.sqrt(2 * np.pi), rel=1e-12)
    assert expectation(sp.sign(G + s * Z) ** 2, Gaussian()) == 1
    flipped = expectation(sp.sign(G - s * Z) * Z, Gaussian()) + expectation(sp.sign(G + s * Z) * Z, Gaussian())
    assert sp.simplify(flipped) == 0


@pytest.mark.parametrize("expression", [sp.Abs(Z), sp.exp(Z), sp.sign(Z) * sp.sign(Z + 1), sp.sign(Z**2), sp.sqrt(Z)])
def test_unsupported_functions_are_refused_by_name(expression):
    """What has no exact expectation here is refused, and the message shows it."""
    with pytest.raises(NotDerivable, match="no exact expectation"):
        expectation(expression, Gaussian())
