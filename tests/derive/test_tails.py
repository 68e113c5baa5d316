"""Covariances of signs by tails: the same equations, without cancellation where a sign is all but certain."""

import dataclasses
import functools
import math
from pathlib import Path

import mpmath
import numpy as np
import pytest
import sympy as sp

from adasde.derive import tails
from adasde.derive.atomic import Rademacher, TwoPoint
from adasde.derive.covariance import step_noise
from adasde.derive.emit import lanes
from adasde.derive.emit.printer import HELPERS, KernelPrinter
from adasde.derive.expansion import derive
from adasde.derive.functions import laplace_sign
from adasde.derive.language import Abs, Min, eta, g, hyperparameter, sign, tanh, update_rule, x
from adasde.derive.noise import Gaussian, Laplace, Mixture, ShiftedExponential
from adasde.derive.notation import G, Z, s
from adasde.derive.stability import expm1, stabilise
from adasde.derive.tails import normal_tail, side, tail_form
from adasde.kernels import special
from adasde.rules import rule_of

EXAMPLES = Path(__file__).parents[2] / "examples"


@update_rule(states=(x,), dialect="paper", cite="-")
def clipped(c=hyperparameter("c", 1.0, "(0, inf)")):
    """SGD with clipped gradients."""
    return {x: x - eta * Min(Abs(g), c) * sign(g)}


@update_rule(states=(x,), dialect="paper", cite="-")
def soft():
    """Soft sign descent."""
    return {x: x - eta * tanh(g)}


RULES = {
    "lion": rule_of(f"{EXAMPLES / 'lion'}.py:lion"),
    "signsgd": rule_of("signsgd"),
    "clipped": clipped,
}
MIXTURE = (0.3, 0.7, -0.98, 0.42, 0.6, 0.9)
NUMBERS = {"eta": 0.01, "beta1": 0.9, "rho2": 1.0, "theta": 0.1, "c": 1.0, "x": 0.4, "m": 0.0, "s": 0.25}


def radicands(body):
    """The functions under a root of the first state's increment, with every name written out."""
    found = [e.base for e in sp.preorder_traversal(body.updates[0][1]) if e.is_Pow and e.exp == sp.S.Half]
    return [e for e in found if e.free_symbols & {name for name, _ in body.per_lane}]


def written_out(expression, body):
    for name, value in reversed((*body.per_step, *body.per_lane)):
        expression = expression.subs(name, value)
    return expression


def in_floats(body, values):
    """The lane part of a body in double precision, as generated: {name: value}."""
    scope = {"math": math, **{name: getattr(special, name) for name in HELPERS if hasattr(special, name)}, **values}
    scope["TINY"] = 0.0
    for name, value in (*body.per_step, *body.per_lane):
        scope[str(name)] = eval(KernelPrinter().doprint(value), scope)
    return scope


@functools.cache
def model_and_body(name, law):
    sde = derive(RULES[name], law).sde
    exact = sde.expand_names(sde.diffusion[0, sde.diffusion.cols - 1] ** 2).subs(tails.standardised(law))
    return sde, lanes.sde_body(sde), exact


def variance_of_signs(name, law, numbers, gradient):
    """(kernel's, exact) part of the variance of x that is independent of the noise of other states."""
    (sde, body, exact), values = model_and_body(name, law), {**NUMBERS, **numbers, "G": gradient}
    column = sde.diffusion.cols - 1
    with mpmath.workdps(60):
        point = {y: sp.Float(values[str(y)], 60) for y in exact.free_symbols}
        reference = float((exact.subs(point) / values["eta"]).evalf(60))
    scope = in_floats(body, values | {"dt": 1.0 / values["eta"], "z1": 0.0, "z2": 0.0})
    draw = f"z{column + 1}"
    moved = [eval(KernelPrinter().doprint(body.updates[0][1]), scope | {draw: z}) for z in (1.0, -1.0)]
    return ((moved[0] - moved[1]) / 2) ** 2, reference


def close(found, exact):
    """To 1e-9 of itself, and to the rounding of an increment of size 100, from which it is taken."""
    return abs(found - exact) < 1e-9 * exact + 1e-13 * math.sqrt(exact) + 1e-26


GRADIENTS = [(Gaussian(), -2.2), (Gaussian(), -1.3), (Gaussian(), 0.0), (Gaussian(), 0.1), (Gaussian(), 2.4)]
GRADIENTS += [(Laplace(), 0.3), (Laplace(), -2.4), (Mixture(2), 0.3), (Mixture(2), -2.4)]


@pytest.mark.parametrize(("law", "gradient"), GRADIENTS)
@pytest.mark.parametrize("name", ["lion", "signsgd"])
def test_variances_of_signs_keep_their_digits(name, law, gradient):
    """From signs that are open to signs that are certain to 1e-20; the variance of one sign under Gaussian noise, which
    is left as 1 - mu^2, to 2e-14."""
    numbers = dict(zip(map(str, law.parameters), MIXTURE, strict=False))
    found, exact = variance_of_signs(name, law, numbers, gradient)
    if (name, law) == ("signsgd", Gaussian()):
        assert abs(found - exact) < 2e-14
    else:
        assert close(found, exact)


def test_without_tails_the_digits_are_lost(monkeypatch):
    """1 - mu^2 as it stands fails the same comparison."""
    monkeypatch.setattr(lanes, "tail_form", lambda sde: sde)
    forget()
    assert not close(*variance_of_signs("lion", Gaussian(), {}, 2.4))
    forget()


def forget():
    """Bodies of steps are worked out again."""
    model_and_body.cache_clear()
    lanes.sde_body.cache_clear()


@pytest.mark.parametrize("gradient", [0.0, 0.6, 1.0, -1.3, 2.0, 2.4])
def test_variance_of_a_clipped_gradient(gradient):
    """Inside, at and far beyond the threshold, where all of c^2 cancels."""
    assert close(*variance_of_signs("clipped", Gaussian(), {}, gradient))


@pytest.mark.parametrize("name", RULES)
def test_tail_form_is_an_identity(name):
    """Every entry of the diffusion equals the derived one in 40 digits."""
    sde = derive(RULES[name], Gaussian()).sde
    rewritten = tail_form(sde)
    assert rewritten.diffusion.has(sp.Symbol("mu_tail", real=True)) == (name == "lion")
    assert (rewritten == sde) == (name == "signsgd")
    for gradient in (-0.7, 0.2, 1.4):
        point = {y: sp.Float(NUMBERS.get(str(y), gradient), 40) for y in sde.full_diffusion.free_symbols}
        for before, after in zip(sde.full_diffusion, rewritten.full_diffusion, strict=True):
            assert abs((before - after).subs(point).evalf(40)) < 1e-30


def test_a_wrong_order_of_kinks_is_noticed(monkeypatch):
    """The identity fails where the product of two sides is taken in the wrong order."""
    monkeypatch.setattr(tails, "sign_of", lambda e: -1)
    sde = derive(clipped, Gaussian()).sde
    wrong = tail_form(sde)
    point = {y: sp.Float(NUMBERS.get(str(y), 0.2), 40) for y in sde.full_diffusion.free_symbols}
    assert abs((sde.full_diffusion[0] - wrong.full_diffusion[0]).subs(point).evalf(20)) > 1e-3


def test_side_and_tail():
    """side is 1 at zero; the tail is erfc, far out too; Laplace's mean signs split alike for every even power."""
    assert [int(side(sp.Float(c)).evalf()) for c in (-2, 0, 3)] == [-1, 1, 1]
    assert float(normal_tail(sp.Float(30, 30)).evalf(20)) == pytest.approx(4.906713927148187e-198, rel=1e-14)
    mu = sp.Symbol("mu", real=True)
    for n in (0, 2, 4):
        split = tails.mean_sign(mu, laplace_sign(Z, sp.Integer(n)))
        for c in (-1.3, 0.4):
            both = {split.symbols[0]: side(Z), split.symbols[1]: split.tail}
            value = split.split.subs(both).subs(Z, sp.Float(c, 30))
            assert abs((value - laplace_sign(sp.Float(c, 30), sp.Integer(n))).evalf(20)) < 1e-18


@pytest.mark.parametrize("law", [Rademacher(), TwoPoint()], ids=lambda law: law.name)
def test_two_values_give_one_motion(law):
    """B B^T of the one column is the full covariance, and no noise is left over."""
    increments = (sp.sign(Z + sp.Rational(1, 3)) * G, s * Z**2 + Z)
    noise = step_noise(increments, law)
    assert noise.diffusion.shape == (2, 1)
    point = {G: 0.7, s: 0.9, eta: 1.0, sp.Symbol("p", positive=True): 0.2}
    z = [float(value.subs(point)) for value, _ in law.atoms()]
    w = [float(probability.subs(point)) for _, probability in law.atoms()]
    h = np.array([[float(e.subs(point).subs(Z, value)) for value in z] for e in increments])
    exact = np.cov(h, aweights=w, ddof=0)
    found = np.array((noise.diffusion * noise.diffusion.T).subs(point), dtype=float)
    np.testing.assert_allclose(found, exact, atol=1e-12)


def test_expectations_are_centred():
    """E h^2 - (E h)^2 becomes a sum of squares, which no rounding takes below zero."""
    body = lanes.sde_body(derive(soft, Gaussian()).sde)
    assert any("centred" in str(name) for name, _ in body.per_lane)
    assert all(e.is_nonnegative for e in radicands(body))


@pytest.mark.parametrize("scale", [1e-60, 1e-3, 0.7])
def test_products_of_exponentials(scale):
    """One exponential of a square: e^(-a^2) e^(-b^2) e^(2 a b) neither over- nor underflows."""
    c = sp.Symbol("c", positive=True)
    product = sp.exp(-(G**2) / s**2) * sp.exp(-(c**2) / s**2) * sp.exp(2 * G * c / s**2)
    value = stabilise(product).subs({G: sp.Float(1.5), c: sp.Float(1.25), s: sp.Float(scale)}).evalf()
    assert float(value) == pytest.approx(math.exp(-((0.25 / scale) ** 2)), rel=1e-12)


def test_differences_of_exponentials():
    """e - e^c for c near 1, as under exponential noise."""
    found = stabilise(sp.E - sp.exp(Z))
    assert found.has(expm1) and stabilise(2 - sp.exp(Z)) == 2 - sp.exp(Z)
    for at in ("0.3", "0.999999999999", "-4"):
        gap = (found - (sp.E - sp.exp(Z))).subs(Z, sp.Float(at, 40))
        assert abs(gap.evalf(40)) < 1e-35
    assert derive(RULES["signsgd"], ShiftedExponential()).sde.diffusion.shape == (1, 1)


def test_a_model_without_mean_signs_stays():
    sde = derive(rule_of("sgd"), Gaussian()).sde
    assert tail_form(sde) is sde and tails.centred(sde) is sde
    assert dataclasses.is_dataclass(tails.MeanSign)
