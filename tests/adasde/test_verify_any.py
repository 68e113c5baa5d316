"""The ladder for rules with several kinks and with expectations, and under every noise law."""

import dataclasses
import math
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
import sympy as sp
from scipy import integrate, stats

from adasde import optimizers, simulate
from adasde.derive.expansion import derive
from adasde.derive.functions import Expectation
from adasde.derive.law import AnyLaw, MomentDoesNotExist, NotDerivable
from adasde.derive.noise import StudentT
from adasde.derive.notation import G, Z
from adasde.errors import InvalidParameter
from adasde.noise import empirical, exponential, gaussian, laplace, mixture, rademacher, student_t, two_point
from adasde.rules import rule_of
from adasde.verify import closed_forms, gauss, moments, sign_law, survey
from adasde.verify.claims import published_forms
from adasde.verify.closed_forms import closed_forms as rung4
from adasde.verify.distribution import distribution, excess_kurtosis, variance
from adasde.verify.gauss import kernel_quadrature
from adasde.verify.kernels import _points, generated_kernels
from adasde.verify.kinks import switches, zeros
from adasde.verify.moments import one_step
from adasde.verify.nodes import kernel_nodes, panels
from adasde.verify.quadrature import rule as quadrature
from adasde.verify.setting import setting

EXAMPLES = Path(__file__).parents[2] / "examples"
VALUES = np.random.default_rng(0).gamma(1.5, size=200)
NOISES = {
    "gaussian": gaussian(0.5),
    "student-t": student_t(9, 0.5),
    "laplace": laplace(0.5),
    "exponential": exponential(0.5),
    "rademacher": rademacher(0.5),
    "two-point": two_point(0.2, 0.5),
    "mixture": mixture([0.3, 0.7], [-1, 0.4], [0.5, 1.2], 0.5),
    "empirical": empirical(VALUES, scale=0.5),
}
CONTINUOUS = ["gaussian", "student-t", "laplace", "exponential", "mixture"]
RULES = """
import sympy as sp
from adasde.derive.language import *

@update_rule(states=(x,), dialect="paper", cite="-")
def clipped_sgd(c=hyperparameter("c", 1.0, "(0, inf)")):
    return {x: x - eta * Min(Abs(g), c) * sign(g)}

@update_rule(states=(x,), dialect="paper", cite="-")
def soft():
    return {x: x - eta * tanh(g)}

@update_rule(states=(x,), dialect="paper", cite="-")
def rough():
    return {x: x - eta * tanh(Abs(g)) * exp(-g**2)}

vmax = sp.Symbol("vmax", nonnegative=True)

@update_rule(states=(x, v, vmax), nonnegative=(v, vmax), dialect="torch", cite="-")
def amsgrad(beta2=decay(2, 0.999), eps=stabiliser()):
    v_next = beta2 * v + (1 - beta2) * g**2
    largest = Max(vmax, v_next)
    return {x: x - eta * g / (sqrt(largest) + eps), v: v_next, vmax: largest}
"""


@pytest.fixture(scope="module")
def rules(tmp_path_factory):
    """Name -> spelling of the rules above."""
    path = tmp_path_factory.mktemp("rules") / "mine.py"
    path.write_text(RULES)
    return lambda name: f"{path}:{name}"


def subject(optimizer, noise=NOISES["gaussian"], model="sde", **given):
    return setting(optimizer, model, noise, optimizers.hyperparameters(optimizer, {"lr": 0.01, **given}))


def failures(checks):
    return [check for check in checks if not check.passed]


def test_a_clipped_rule_climbs_the_ladder(rules):
    """Two kinks: one-step moments are exact, the kernel equals its equations; a planted mistake fails."""
    about = subject(rules("clipped_sgd"))
    assert failures([*one_step(about), *generated_kernels(about)]) == []
    drift = about.sde.drift + sp.ImmutableDenseMatrix([G / 1000])
    wrong = dataclasses.replace(about, sde=dataclasses.replace(about.sde, drift=drift))
    mean, covariance, weak = one_step(wrong)
    assert (mean.outcome, covariance.outcome, weak.outcome) == ("fails", "holds", "fails")


def test_a_lost_order_is_noticed_at_the_steps_of_order_two():
    """SGD's order-2 model without its correction has a local weak error of order two only."""
    about = subject("sgd", model="order2")
    assert one_step(about)[-1].outcome == "holds"
    flat = dataclasses.replace(
        about.sde, drift=about.sde.drift.applyfunc(lambda b: b.subs(sp.Symbol("Hb", real=True), 0))
    )
    assert flat.drift != about.sde.drift
    assert one_step(dataclasses.replace(about, sde=flat))[-1].outcome == "fails"


def test_a_sign_that_data_make_certain():
    """Lion under 200 values: where all of them give one sign its variance is 0, not the root of what rounding leaves,
    and a step function of the state is no linear rule."""
    about = subject(str(EXAMPLES / "lion.py") + ":lion", survey.noises()["empirical"])
    assert failures(generated_kernels(about)) == [] and rung4(about) == []


def test_where_a_rule_has_kinks():
    """Zeros of arguments of signs and absolute values, and of differences below minima; exact if affine."""
    expression = sp.Min(sp.Abs(Z - sp.Rational(1, 4)), sp.Rational(1, 2)) * sp.sign(Z**2 - 2)
    found = sorted(root for switch in switches(expression, Z) for root in zeros(switch, Z))
    assert found == pytest.approx([-math.sqrt(2), -0.25, 0.25, 0.75, math.sqrt(2)], abs=1e-13)
    assert switches(sp.tanh(Z), Z) == set()


@pytest.mark.parametrize("name", CONTINUOUS)
def test_quadrature_with_two_kinks(name):
    """E of a clipped variable, squared, to 1e-9 against adaptive integration between the kinks."""
    noise, law = NOISES[name], distribution(NOISES[name])
    z, w = quadrature(noise, (1.0, -0.4), 0)
    found = w @ np.clip(z, -0.4, 1.0) ** 2
    cuts = [-0.4, 0.0, 1.0]
    exact = 0.16 * law.below(np.array([-0.4]))[0] + law.above(np.array([1.0]))[0]
    for a, b in pairwise(cuts):
        exact += integrate.quad(lambda y: y * y * float(law.density(np.array([y]))[0]), a, b)[0]
    assert found == pytest.approx(exact, rel=1e-9)


@pytest.mark.parametrize("noise", ["gaussian", "exponential", "empirical"])
def test_soft_signs_hold_on_rungs_two_and_three(rules, noise):
    """Expectation nodes: the kernel equals its own sums to rounding, and the sums are right to 1e-6."""
    about = subject(rules("soft"), NOISES[noise])
    checks = [*one_step(about), *generated_kernels(about)]
    assert failures(checks) == [] and any("nodes give every expectation" in c.statement for c in checks)


def test_a_wrong_expectation_is_noticed(rules, monkeypatch):
    """Nodes that are too few fail their check only; a kinked integrand fails it too, and says how badly."""
    about = subject(rules("soft"))
    monkeypatch.setattr(type(about), "sums", {Expectation: kernel_nodes(about.noise, 8)})
    (coarse,) = kernel_quadrature(about, _points(about))
    assert coarse.outcome == "fails"
    monkeypatch.undo()
    (kinked,) = kernel_quadrature(subject(rules("rough")), _points(subject(rules("rough"))))
    assert kinked.outcome == "fails" and float(kinked.measured.split()[2].strip(",")) > 1e-4
    monkeypatch.setattr(gauss, "TOLERANCE", 1e-25)
    assert kernel_quadrature(about, _points(about))[0].outcome == "undecided"


@pytest.mark.parametrize("name", ["gaussian", "laplace", "exponential", "mixture"])
def test_kernel_nodes(name):
    """64 nodes of mass one, and 1e-6 for what is at most one and has poles at a distance of one z: tanh(G + 1.5 z), and
    poles all along the law; and for a square."""
    noise, law = NOISES[name], distribution(NOISES[name])
    z, w = kernel_nodes(noise, 64)
    assert z.shape == w.shape == (64,) and (w >= 0).all() and w.sum() == pytest.approx(1, abs=1e-14)
    fine, weight = quadrature(noise, 0.3)
    tanhs = [lambda y, G=G: np.tanh(G + 1.5 * y) for G in np.linspace(-4, 4, 9)]
    poles = [lambda y, c=c: 1 / (1 + (y - c) ** 2) for c in np.linspace(-3, 20, 24)]
    for h in (*tanhs, *poles, np.square):
        assert w @ h(z) == pytest.approx(weight @ h(fine), abs=gauss.TOLERANCE)
    assert law.values.size == 0


def test_panels_share_their_error():
    """Equal bounds on all four, and for z^2 beyond the last; more nodes make longer panels and a smaller bound."""
    for count, pole in ((16, 1.0), (8, math.sqrt(2)), (32, 1.0)):
        ends = panels(count, pole)
        share = 2 * pole / np.diff(ends)
        bounds = np.exp(-ends[:-1]) * (share + np.sqrt(1 + share**2)) ** (-2 * count)
        assert bounds == pytest.approx(ends[-1] ** 2 * math.exp(-ends[-1]), rel=1e-6)
    assert bounds[0] < 1e-11


@pytest.mark.parametrize("name", NOISES)
def test_distributions(name):
    """Moments, both tails and the density against quadrature over the same law, atoms apart."""
    noise, law = NOISES[name], distribution(NOISES[name])
    z, w = quadrature(noise, 0.3, 4)
    mean, second = w @ z, w @ z**2
    assert mean == pytest.approx(0, abs=1e-9) and second == pytest.approx(variance(noise), rel=1e-7)
    assert (w @ z**4) / second**2 - 3 == pytest.approx(excess_kurtosis(noise), rel=1e-6, abs=1e-7)
    at = np.array([0.3])
    assert law.below(at)[0] == pytest.approx(w @ (z < 0.3), abs=1e-10)
    assert law.above(at)[0] == pytest.approx(w @ (z > 0.3), abs=1e-10)
    assert law.mean_sign(-at)[0] == pytest.approx(w @ np.sign(z - 0.3), abs=1e-10)


def test_an_atom_counts_for_neither_side():
    """P(Z < y) + P(Z > y) = 1 - P(Z = y)."""
    law = distribution(NOISES["two-point"])
    assert law.below(np.array([2.0]))[0] == pytest.approx(0.8) and law.above(np.array([2.0]))[0] == 0
    with pytest.raises(ValueError, match="no density"):
        law.density(np.zeros(1))


@pytest.mark.parametrize("name", NOISES)
def test_signsgd_has_its_birth_death_law_under_every_noise(name):
    """Simulated mean and variance against the exact law; the SDE to O(eta), or on record where signs jump."""
    lattice, model = rung4(subject("signsgd", NOISES[name]))
    assert lattice.outcome == "holds", lattice
    assert model.outcome == ("holds" if name in CONTINUOUS else "recorded"), model


def test_a_wrong_birth_death_law_is_noticed(monkeypatch):
    """The law of Student-t noise does not pass for exponential noise."""
    exact = sign_law.lattice_law
    monkeypatch.setattr(sign_law, "lattice_law", lambda noise, *a, **k: exact(student_t(9, 0.5), *a, **k))
    assert closed_forms._lattice_law(subject("signsgd", NOISES["exponential"])).outcome == "fails"


def test_the_birth_death_law_is_stationary():
    """One step of the chain on both sublattices keeps mass and mean, under skewed noise with a mean of its own."""
    noise, scale, lr = NOISES["exponential"], 0.5, 0.1
    law = distribution(noise)
    start = sign_law.free_start(noise, scale, 1.0, lr)
    x, p = sign_law.lattice_law(noise, scale, 1.0, lr, start)
    odd, q = sign_law.lattice_law(noise, scale, 1.0, lr, start + lr)
    moved = dict.fromkeys(np.round(odd / lr, 6), 0.0)
    for at, mass in zip(x, p, strict=True):
        for target, share in ((at + lr, law.below(np.array([-at / scale]))), (at - lr, law.above(-at / scale))):
            moved[round(target / lr, 6)] = moved.get(round(target / lr, 6), 0.0) + mass * float(np.squeeze(share))
    expected = dict(zip(np.round(odd / lr, 6), q, strict=True))
    assert all(moved[key] == pytest.approx(expected.get(key, 0.0), abs=1e-12) for key in moved)
    assert abs(p @ x) > 0.05


def test_an_atom_on_the_lattice_is_refused():
    """sign(0) = 0 holds the optimizer there: the walk is another one."""
    with pytest.raises(InvalidParameter, match="off the atoms of rademacher"):
        sign_law.lattice_law(NOISES["rademacher"], 0.5, 1.0, 0.1, first=0.1)
    assert 0 < sign_law.free_start(NOISES["rademacher"], 0.5, 1.0, 0.1) < 0.1


def test_the_sde_variance_of_a_skewed_law():
    """Against a direct integral of the stationary density over the whole line; the centre is the median's."""
    noise, lr = NOISES["exponential"], 0.01
    assert sign_law.centre(noise, 0.5, 1.0) == pytest.approx(-0.5 * stats.expon(loc=-1).median(), abs=1e-9)
    x = np.linspace(-1.0, 0.4, 200_001)
    law = distribution(noise)
    up, down = law.below(-x / 0.5), law.above(-x / 0.5)
    exponent = integrate.cumulative_trapezoid((down - up) / (4 * up * down), x, initial=0)
    density = np.exp(-2 / lr * (exponent - exponent.min())) / (4 * up * down)
    mass, first, second = (integrate.trapezoid(density * x**n, x) for n in range(3))
    exact = second / mass - (first / mass) ** 2
    assert sign_law.sde_variance(noise, 0.5, 1.0, lr) == pytest.approx(exact, rel=1e-5)


@pytest.mark.parametrize("name", ["laplace", "exponential", "two-point", "mixture", "empirical"])
def test_sgd_has_its_closed_forms_under_every_noise(name):
    assert failures(rung4(subject("sgd", NOISES[name]))) == []


def test_published_forms_are_compared_where_they_are_stated():
    """Under skewed noise, for which no paper prints a model, rung 1 compares under Gaussian noise and says so."""
    skewed, symmetric = (published_forms(subject("rmsprop", NOISES[name])) for name in ("exponential", "gaussian"))
    assert failures(skewed) == [] and [c.outcome for c in skewed] == [c.outcome for c in symmetric]
    assert all("nothing is printed for exponential noise" in check.statement for check in skewed)


def test_a_running_maximum_is_refused_by_its_name(rules):
    """AMSGrad: the refusal names the state and the maximum itself."""
    with pytest.raises(NotDerivable, match=r"state vmax is a running maximum, Max\(vmax, beta2\*v \+ g\*\*2"):
        derive(rule_of(rules("amsgrad")))


def test_a_function_of_g_without_a_law_is_refused_by_its_name(rules):
    """tanh(g) and sign(g) need more than moments."""
    with pytest.raises(NotDerivable, match=r"tanh\(G \+ Z\*s\).* is no polynomial of g: its mean needs a noise law"):
        derive(rule_of(rules("soft")), AnyLaw())
    with pytest.raises(NotDerivable, match=r"sign of g, sign\(Z \+ G/s\), needs a noise law"):
        derive(rule_of("signsgd"), AnyLaw())


@pytest.mark.parametrize(("name", "nu", "order"), [("sgd", 2, 2), ("adam", 4, 4)])
def test_an_infinite_variance_is_refused_where_it_matters(name, nu, order):
    """With the moment that is needed; SignSGD needs none, and the optimizer itself runs."""
    message = f"{name}: the covariance of one step needs a noise moment of order {order}; .*nu > {order} is needed"
    with pytest.raises(MomentDoesNotExist, match=message):
        derive(rule_of(name), StudentT(sp.Integer(nu)))
    assert derive(rule_of("signsgd"), StudentT(sp.Integer(1))).sde.moments == 0
    run = {"loss": "quadratic:1", "noise": f"student-t:{nu}:0.5", "steps": 5, "paths": 16, "lr": 0.01}
    assert np.isfinite(simulate(name, "algorithm", **run).mean).all()


def test_order_two_of_adam_is_measured_against_the_leading_order(monkeypatch):
    """With all decays at 1 - eta rho, x has no noise of the leading order: measured by its own, smaller noise, what the
    model leaves out would be of its size."""
    about = subject("adam", model="order2")
    assert moments._moment_gaps(about, 2.0**-11)[1].max() < 0.01
    monkeypatch.setattr(moments, "_noisy", lambda *_: np.array([True, True, True]))
    assert moments._moment_gaps(about, 2.0**-11)[1].max() > 0.1
