"""Noise laws against numerical integration and scipy."""

from itertools import pairwise

import mpmath
import numpy as np
import pytest
import sympy as sp
from scipy import integrate, stats

from adasde.derive.atomic import Rademacher, TwoPoint
from adasde.derive.expectation import expectation
from adasde.derive.functions import Expectation, student_t_sign
from adasde.derive.law import AnyLaw, MomentDoesNotExist, NotDerivable
from adasde.derive.noise import Gaussian, Laplace, Mixture, ShiftedExponential, StudentT
from adasde.derive.notation import G, Z, nu, s

y = sp.Symbol("y", real=True)


@pytest.mark.parametrize(
    "law", [Gaussian(), StudentT(sp.Integer(9)), StudentT(sp.Rational(13, 2)), Laplace(), ShiftedExponential()]
)
@pytest.mark.parametrize("n", range(7))
def test_moments(law, n):
    """E Z^n is the integral of its density, at high precision; cdf and density belong together."""
    density = sp.lambdify(y, law.density(y), "mpmath")
    with mpmath.workdps(30):
        exact = mpmath.quad(lambda z: z**n * density(z), [-mpmath.inf, -5, -1, 0, 5, mpmath.inf])
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


CLIP = sp.Symbol("c", positive=True)
U = G + s * Z
FUNCTIONS = {
    "|g|": sp.Abs(U),
    "clipping": sp.Min(sp.Abs(U), CLIP) * sp.sign(U),
    "clipping by bounds": sp.Max(sp.Min(U, CLIP), -CLIP),
    "clipping, squared": (sp.Min(sp.Abs(U), CLIP) * sp.sign(U)) ** 2,
    "truncation": U * sp.Heaviside(U - CLIP),
    "g^2 sign(g)": U**2 * sp.sign(U),
    "two signs": sp.sign(U) * sp.sign(U - CLIP),
    "| |g| - c |": sp.Abs(sp.Abs(U) - CLIP),
}
SMOOTH = {"tanh": sp.tanh(U), "sigmoid": 1 / (1 + sp.exp(-U)), "inverse": 1 / (1 + U**2), "g tanh": U * sp.tanh(U)}
CONTINUOUS = {
    Gaussian(): stats.norm(),
    StudentT(sp.Rational(13, 2)): stats.t(6.5),
    Laplace(): stats.laplace(scale=1 / np.sqrt(2)),
    ShiftedExponential(): stats.expon(loc=-1),
}
AT = {G: 0.3, s: 0.8, CLIP: 0.5}


def by_integration(expression, frozen):
    """E of a function of Z at `AT` by adaptive quadrature between its kinks."""
    h = sp.lambdify(Z, expression.subs(AT).rewrite(sp.Piecewise), "numpy")
    inner = [(k - 0.3) / 0.8 for k in (-0.5, 0.0, 0.5)]
    ends = [frozen.ppf(1e-14), *sorted([-1.0, *inner]), frozen.isf(1e-14)]
    pairs = [(a, b) for a, b in pairwise(ends) if a < b and b > frozen.support()[0]]
    return sum(integrate.quad(lambda z: h(z) * frozen.pdf(z), a, b, limit=200)[0] for a, b in pairs)


@pytest.mark.parametrize("name", [*FUNCTIONS, *SMOOTH])
@pytest.mark.parametrize("law", CONTINUOUS, ids=lambda law: law.name)
def test_expectations_equal_integrals(name, law):
    """Kinks and clipping in closed form, smooth functions as nodes: both equal adaptive quadrature."""
    expression = (FUNCTIONS | SMOOTH)[name]
    value = expectation(expression, law)
    assert value.has(Expectation) == (name in SMOOTH)
    exact = by_integration(expression, CONTINUOUS[law])
    assert float(value.subs(AT).evalf(15)) == pytest.approx(exact, rel=1e-7, abs=1e-8)


@pytest.mark.parametrize("name", [*FUNCTIONS, *SMOOTH])
@pytest.mark.parametrize("law", [Rademacher(), TwoPoint(sp.Rational(1, 5))], ids=lambda law: law.name)
def test_expectations_are_sums_over_atoms(name, law):
    """Under a law on two values every expectation is the weighted sum."""
    expression = (FUNCTIONS | SMOOTH)[name].subs(AT)
    exact = sum(float(w) * float(expression.subs(Z, z)) for z, w in law.atoms())
    assert float(expectation((FUNCTIONS | SMOOTH)[name], law).subs(AT)) == pytest.approx(exact, abs=1e-12)


@pytest.mark.parametrize("name", FUNCTIONS)
def test_expectations_under_a_mixture(name):
    """A Gaussian mixture is the weighted sum of its components."""
    law = Mixture(2)
    numbers = dict(zip(law.parameters, (0.3, 0.7, 1.4, -0.6, 0.4, 0.5), strict=True))
    value = float(expectation(FUNCTIONS[name], law).subs(numbers).subs(AT))
    parts = [by_integration(FUNCTIONS[name], stats.norm(m, d)) * w for w, m, d in ((0.3, 1.4, 0.4), (0.7, -0.6, 0.5))]
    assert value == pytest.approx(sum(parts), rel=1e-7, abs=1e-8)


def test_derivatives_go_under_the_expectation():
    """d/dG E tanh(G + s Z) = E tanh'(G + s Z), against a central difference."""
    value = expectation(sp.tanh(U), Laplace())
    slope = float(value.diff(G).subs(AT).evalf(15))
    ahead, back = (float(value.subs({G: 0.3 + h, s: 0.8}).evalf(20)) for h in (1e-4, -1e-4))
    assert slope == pytest.approx((ahead - back) / 2e-4, rel=1e-6)


@pytest.mark.parametrize("law", [Gaussian(), StudentT(sp.Rational(13, 2)), Laplace(), ShiftedExponential()])
@pytest.mark.parametrize("n", range(4))
def test_sign_moments_have_their_derivative(law, n):
    """d/dc E[Z^n sign(Z + c)] = 2 (-c)^n f(-c), wherever the density is continuous."""
    c = sp.Symbol("c", real=True)
    value = law.sign_moment(n, c)
    for at in (-0.7, 0.4):
        ahead, back = (value.subs(c, sp.Float(at + h, 30)).evalf(30) for h in (1e-5, -1e-5))
        exact = 2 * (-at) ** n * float(law.density(sp.Float(-at, 30)))
        assert float((ahead - back) / sp.Float(2e-5, 30)) == pytest.approx(exact, abs=1e-8)


@pytest.mark.parametrize(
    ("expression", "law", "reason"),
    [
        (sp.sign(Z**2 + Z), Gaussian(), None),
        (sp.sign(Z) * sp.sign(Z + G), Gaussian(), "changes first is not known"),
        (sp.exp(Z), StudentT(), "grows too fast"),
        (sp.exp(Z), Laplace(), "grows too fast"),
        (sp.exp(Z**2), Gaussian(), "grows too fast"),
        (sp.sqrt(1 + Z**2), StudentT(sp.S.One), "grows too fast"),
        (sp.tanh(Z), AnyLaw(), "needs a noise law"),
        (sp.sign(Z + G), AnyLaw(), "needs a noise law"),
    ],
)
def test_what_has_no_expectation_is_refused_by_name(expression, law, reason):
    """A mean that does not exist, or that the law does not determine, is refused with the reason."""
    if reason is None:
        assert expectation(expression, law).has(Expectation)
        return
    with pytest.raises(NotDerivable, match=reason):
        expectation(expression, law)
