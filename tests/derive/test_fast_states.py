"""States that relax while the others hardly move: detected, averaged out with the long-run covariance, or refused."""

import dataclasses
import json
from types import SimpleNamespace

import numpy as np
import pytest
import sympy as sp
from click.testing import CliRunner
from scipy import integrate, linalg, special

from adasde import optimizers
from adasde.cli import main
from adasde.derive import expansion, scalings
from adasde.derive.covariance import step_noise
from adasde.derive.emit.module import kernel_module
from adasde.derive.emit.steps import PAIRED
from adasde.derive.expansion import derive
from adasde.derive.fast_states import BEFORE, fast_states, one_step_memories
from adasde.derive.functions import Expectation
from adasde.derive.language import decay, eta, g, hyperparameter, m, state, tanh, update_rule, x
from adasde.derive.law import NotDerivable
from adasde.derive.noise import Gaussian
from adasde.derive.notation import G, beta1, s
from adasde.derive.obstruction import obstructions
from adasde.derive.optimizers import registry
from adasde.derive.scaling_limit import increment
from adasde.noise import parse_noise
from adasde.verify import memory, moments
from adasde.verify.evaluation import nested_mean, values_at
from adasde.verify.nodes import kernel_nodes
from adasde.verify.setting import setting

previous = state("previous", like=m)
accumulated = state("accumulated", like=m)
SLOPE, SCALE, START, TIME = 4.0, 0.5, 1.0, 2.0
"""Where Var x/eta of sigSign on x^2/2 is 0.1095 with the long-run covariance and 0.0729 with that of one step."""


@update_rule(states=(x, previous), dialect="paper", cite="sigsign2024")
def sigsign(slope=hyperparameter("slope", 1.0, "(0, inf)")):
    """sigSign: the gradient times the sigmoid of its product with the one before."""
    return {x: x - eta * (1 + tanh(slope * previous * g / 2)) / 2 * g, previous: g}


@update_rule(states=(x, m, accumulated), dialect="paper", cite="chen2023admeta")
def admeta(beta1=decay(1, 0.2), lam=hyperparameter("lam", 0.9, "(0, 1)")):
    """AdmetaS without its lookahead."""
    kappa, mu = 10 / lam - 9, 25 - 10 * (lam + 1 / lam)
    summed = lam * accumulated + g
    m_next = beta1 * m + (1 - beta1) * (kappa * g + mu * summed)
    return {x: x - eta * m_next, m: m_next, accumulated: summed}


@update_rule(states=(x, previous), dialect="paper", cite="xie2024")
def extrapolated(share=hyperparameter("share", 0.5, "(0, 1)")):
    """SGD with the difference of two gradients added: its noise telescopes."""
    return {x: x - eta * (g + share * (g - previous)), previous: g}


OFF = ("dampening", "weight_decay")
HERMITE = np.polynomial.hermite_e.hermegauss(40)
NODES = (HERMITE[0], HERMITE[1] / HERMITE[1].sum())


def drift_and_variance(sde, at):
    """(drift, covariance/eta) of x at G = x = ``at``, with nested expectations summed over pairs of nodes."""
    point = {x: at, G: at, s: SCALE, sp.Symbol("slope", positive=True): SLOPE, eta: 1.0}
    return values_at([sde.full_drift[0], sde.full_covariance[0, 0]], point, {Expectation: NODES})


def predicted(sde):
    """Var x/eta at `TIME` on x^2/2, small noise: dV = 2 b'(x) V + a(x) along dx = b(x)."""
    degree, domain = 10, [0.1, 1.1]
    places = np.polynomial.chebyshev.chebpts1(degree + 1) / 2 + 0.6
    values = np.array([drift_and_variance(sde, at) for at in places]).T
    drift, noise = (np.polynomial.Chebyshev.fit(places, y, degree, domain=domain) for y in values)
    slope = drift.deriv()
    rates = lambda _, y: [drift(y[0]), 2 * slope(y[0]) * y[1] + noise(y[0])]  # noqa: E731
    return integrate.solve_ivp(rates, (0, TIME), [START, 0.0], rtol=1e-8, atol=1e-10).y[1, -1]


def of_one_step(rule):
    """The model with the covariance of one step alone: what matching moments step by step would give."""
    diffusion = step_noise(increment(fast_states(rule).slow).leading, Gaussian()).diffusion
    return dataclasses.replace(derive(rule).sde, diffusion=sp.ImmutableDenseMatrix(diffusion))


def simulated(rule, lr, paths, seed):
    """Var x/eta at `TIME` of the rule itself on x^2/2."""
    values = {sp.Symbol("slope", positive=True): SLOPE, eta: lr}
    step = sp.lambdify((x, previous, g), [update.subs(values) for update in rule.update], "numpy")
    random = np.random.default_rng(seed)
    position, before = np.full(paths, START), np.zeros(paths)
    for _ in range(round(TIME / lr)):
        position, before = step(position, before, position + SCALE * random.standard_normal(paths))
    return position.var() / lr


def test_a_memory_of_one_step_enters_by_its_long_run_covariance():
    """sigSign on x^2/2: the simulated variance, extrapolated to eta = 0, is that of the derived model (0.1095), and not
    that of the covariance of one step alone (0.0729). z = 4.42 (two-sided 1e-5) and 1% for the order eta^2 left."""
    found, paths = derive(sigsign).sde, 200_000
    assert found.states == (x,) and "previous was averaged out" in " ".join(found.assumptions)
    long_run, alone = predicted(found), predicted(of_one_step(sigsign))
    assert (long_run, alone) == (pytest.approx(0.1095, abs=1e-4), pytest.approx(0.0729, abs=1e-4))
    coarse, fine = simulated(sigsign, 0.04, paths, 1), simulated(sigsign, 0.02, paths, 2)
    measured, error = 2 * fine - coarse, np.sqrt(5 * 2 / paths) * fine
    assert abs(measured - long_run) < 4.42 * error + 0.01 * long_run
    assert abs(measured - alone) > 20 * error


def test_noise_that_telescopes_has_no_long_run():
    """g + c (g - g_previous): the same SDE as SGD, whatever c; one step alone would have (1 + c)^2 + c^2."""
    sde = derive(extrapolated).sde
    assert sde.full_drift[0] == -G and sp.expand(sde.covariance[0, 0] - eta * s**2) == 0
    share = sp.Symbol("share")
    alone = (of_one_step(extrapolated).covariance[0, 0] / (eta * s**2)).subs("share", share)
    alone = sp.expand(alone.xreplace(dict.fromkeys(alone.free_symbols, share)))
    assert sp.expand(alone - (1 + share) ** 2 - share**2) == 0


def test_adan_has_the_level_of_its_preconditioner():
    """v -> G^2 + s^2 ((1 + b2)^2 + b2^2) with b2 = 1 - eta rho2, and the averaged differences have no noise."""
    sde = derive(registry()["adan"]).sde
    difference, b2 = sde.states[2], 1 - eta * sp.Symbol("rho2", positive=True)
    rate = sp.diff(-sde.full_drift[3], sde.states[3])
    level = sde.full_drift[3] / rate + sde.states[3]
    assert sp.expand(level - G**2 - s**2 * ((1 + b2) ** 2 + b2**2)) == 0
    assert str(difference) == "difference" and not any(sde.diffusion.row(2))


def test_which_rules_have_a_memory_of_one_step():
    """Those whose state is the gradient before, and no other."""
    found = {name for name, rule in registry().items() if one_step_memories(rule)}
    assert found == {"adan", "adan_optax", "diffgrad", "sigsigngrad", "tanhsigngrad"}
    for name in ("adam", "lion", "schedule_free_sgd", "momentum"):
        assert fast_states(registry()[name]) is None


def test_two_step_moments_of_the_algorithm_are_those_of_the_model(monkeypatch):
    """Rung 2 for Adan by pairs of draws; the covariance of one step alone is not the model's."""
    about = setting("adan", "sde", parse_noise("gaussian:0.5"), optimizers.hyperparameters("adan", {}))
    assert memory.forgets(about)
    gaps = [moments._moment_gaps(about, lr)[1].max() for lr in moments.STEPS[:2]]
    assert gaps[0] < 0.02 and gaps[1] < 0.6 * gaps[0]
    monkeypatch.setattr(memory, "long_run", lambda one_step, *_: one_step)
    assert moments._moment_gaps(about, moments.STEPS[0])[1].max() > 1


def test_friction_is_the_same_for_either_spelling():
    """tanhSignGrad(b, lr) = sigSignGrad(2 b, 2 lr)."""
    one, other = (registry()[name].update[0] for name in ("tanhsigngrad", "sigsigngrad"))
    slope = sp.Symbol("slope", positive=True)
    assert sp.expand(one - other.subs({slope: 2 * slope, eta: 2 * eta}, simultaneous=True)) == 0


def test_linear_buffers_are_averaged_out_on_demand():
    """Heavy ball and Nesterov are SGD with eta/(1 - beta), averages SGD with eta, Admeta at lam = 0.9 with 51 eta."""
    for name in ("momentum", "nesterov"):
        off = {y: 0 for y in derive(registry()[name], average_out=("m",)).sde.parameters if str(y) in OFF}
        sde = derive(registry()[name], average_out=("m",)).sde
        assert sp.simplify(sde.full_drift[0].subs(off) * (1 - beta1) + G) == 0 and sde.states == (x,)
        assert sp.simplify(sde.covariance[0, 0].subs(off) * (1 - beta1) ** 2 - eta * s**2) == 0
    sde = derive(registry()["adam"], average_out=("m",)).sde
    assert sde.full_drift[0].has(G) and len(sde.states) == 2 and not sde.drift.has(sp.Symbol("gamma1", positive=True))
    gain = derive(admeta, average_out=("m", "accumulated")).sde.full_drift[0] / -G
    assert float(gain.subs({y: 0.9 for y in gain.free_symbols if str(y) == "lam"}).subs(beta1, 0.3)) == pytest.approx(
        51
    )


@pytest.mark.parametrize(("name", "helps"), [("momentum", 1), ("nesterov", 1), ("sgdw", 1), ("adagrad", 0)])
def test_a_refused_sum_names_averaging_where_that_helps(name, helps):
    """What it names works; Adagrad's sum of squares cannot be averaged out, and is not said to."""
    for order in (1, 2):
        with pytest.raises(NotDerivable, match="is a sum, to which a step adds") as refused:
            derive(registry()[name], order=order)
        assert ("with beta1 fixed as eta -> 0, `--average-out m`" in str(refused.value)) == helps
        assert ("average" in str(refused.value).partition("on another clock")[2]) == helps
    assert not helps or derive(registry()[name], average_out=("m",)).sde.states == (x,)


def test_averaging_out_is_the_limit_of_small_learning_rates():
    """Stationary Var x of heavy ball on x^2/2 over eta, exactly: 1/(2 (1 - beta)) s^2 as eta -> 0."""
    beta, noise = 0.9, 1.0
    for lr, gap in ((0.02, 0.02), (0.002, 0.002)):
        step = np.array([[1 - lr, -lr * beta], [1.0, beta]])
        gain = np.array([[-lr], [1.0]]) * noise
        exact = linalg.solve_discrete_lyapunov(step, gain @ gain.T)[0, 0] / lr
        assert exact == pytest.approx(1 / (2 * (1 - beta)), rel=gap)


@pytest.mark.parametrize(
    ("name", "states", "reason"),
    [
        ("lion", ("m",), "a step is not linear in it"),
        ("adabelief", ("m",), "a step is not linear in it"),
        ("adam", ("v",), "is not linear in itself and in g"),
        ("adagrad", ("v",), "is not linear in itself and in g"),
        (
            "adan",
            ("m",),
            "m cannot be averaged out beside previous, .*take the rule without",
        ),
        ("sgd", ("m",), "choose from"),
    ],
)
def test_what_cannot_be_averaged_out_is_refused(name, states, reason):
    with pytest.raises(NotDerivable, match=reason):
        derive(registry()[name], average_out=states)


def test_no_order_two_and_no_kink_in_two_dimensions():
    with pytest.raises(
        NotDerivable, match="previous is new in every step, g: averaged out, it leaves a model of order"
    ):
        derive(registry()["adan"], order=2)
    with pytest.raises(NotDerivable, match="a kink moves"):
        derive(registry()["diffgrad"])


@pytest.mark.parametrize("name", ["adan", "adan_optax", "diffgrad", "sigsigngrad"])
def test_a_memory_is_refused_before_anything_is_expanded(name, monkeypatch):
    """In the batch-equivalent scaling, whose operators took 25 to 50 seconds of CPU before; order two as well."""
    monkeypatch.setattr(scalings, "gradient_degree", None)
    with pytest.raises(NotDerivable, match=f"{name}: .* the state previous is new in every step, g; such a fast state"):
        obstructions(registry()[name], Gaussian())
    monkeypatch.setattr(expansion, "increment", None)
    with pytest.raises(NotDerivable, match="it leaves a model of order one"):
        derive(registry()[name], order=2)


def test_a_nested_expectation_is_an_integral():
    """E E[tanh(Y Z)^2] by its nodes, by adaptive quadrature, and by the integral that JSON prints."""
    z1, z = sp.symbols("y z", real=True)
    inner = Expectation.of(tanh(z1 * z) ** 2, z, Gaussian())
    node = Expectation.of(inner, z1, Gaussian())
    assert node.nested and not node.free_symbols and inner.free_symbols == {z1}
    exact = integrate.dblquad(
        lambda a, b: np.tanh(a * b) ** 2 * np.exp(-(a * a + b * b) / 2) / (2 * np.pi), -9, 9, -9, 9
    )[0]
    grid = np.linspace(-9, 9, 181)
    weights = np.exp(-(grid**2) / 2)
    assert nested_mean(node, {}, (grid, weights / weights.sum())) == pytest.approx(exact, rel=1e-7)
    assert "Integral" in str(node.as_integral()) and str(node) == "E[E[tanh(Y*Z)**2]]"


def kernels(rule):
    """The rule's generated module, as text turned into Python."""
    found = {}
    exec(kernel_module(rule, [derive(rule).sde], {}, ""), found)
    return SimpleNamespace(**found)


def moved(module, draw, scale, at=1.3, dt=0.1):
    """x after one step of the generated model's plain Python body from x = ``at``, G = ``at``."""
    position, values = np.full((2, 1, 1), at), [0.1, SLOPE]
    nodes = np.concatenate(kernel_nodes(parse_noise(f"gaussian:{scale}"), module.QUADRATURE))
    given = (np.full((1, 1), at), np.full((1, 1), scale), np.empty((0, 1, 1)), np.full((1, 1, 1), draw))
    module.sde_gaussian.body(position, *given, np.array([*values, *nodes]), 2, 0.1, dt)
    return position[0, 0, 0]


def test_no_noise_is_no_diffusion_to_the_last_bit():
    """The long-run covariance is one of departures from the step without noise: at s = 0 the draws do not matter, and
    at s > 0 a step is that of the derived drift and variance."""
    module, sde = kernels(sigsign), derive(sigsign).sde
    for at in (-0.9, 0.3, 0.55, 0.8, 1.3, 2.1):
        assert moved(module, 3.0, 0.0, at) == moved(module, -1.0, 0.0, at) != moved(module, 3.0, 1e-6, at)
    nodes = kernel_nodes(parse_noise(f"gaussian:{SCALE}"), module.QUADRATURE)
    point = {x: 1.3, G: 1.3, s: SCALE, sp.Symbol("slope", positive=True): SLOPE, eta: 0.1}
    drift, variance = values_at([sde.full_drift[0], sde.full_covariance[0, 0]], point, {Expectation: nodes})
    still, up = moved(module, 0.0, SCALE), moved(module, 1.0, SCALE)
    assert still == pytest.approx(1.3 + 0.1 * drift, rel=1e-12)
    assert abs(up - still) == pytest.approx(np.sqrt(0.1 * variance), rel=1e-9)


def test_pairs_of_nodes_are_as_accurate_as_stated():
    """`PAIRED` nodes in either dimension give every expectation of sigSign to 1e-6 of the mean of its absolute value,
    for slope s^2 up to 1/2 and slope G^2 up to 3, whatever G/s is; Gauss-Legendre, which adaptive quadrature confirms
    at one point, being exact there."""
    places, weights = special.roots_legendre(120)
    fine = (9 * places, 9 * weights * np.exp(-((9 * places) ** 2) / 2) / np.sqrt(2 * np.pi))
    slope, coarse = sp.Symbol("slope", positive=True), kernel_nodes(parse_noise("gaussian:1"), PAIRED)
    nodes = [e for _, e in derive(sigsign).sde.named if isinstance(e, Expectation)]
    size = {
        node: Expectation(
            sp.Abs(node.args[0].replace(Expectation, lambda h, f: Expectation(sp.Abs(h), f))), node.args[1]
        )
        for node in nodes
    }
    for curved in (1e-3, 0.25, 0.5):
        for signal in (0.0, 1.0, 3.0):
            point = {slope: 1.0, s: np.sqrt(curved), G: np.sqrt(signal)}
            for node in nodes:
                error = abs(nested_mean(node, point, coarse) - nested_mean(node, point, fine))
                assert error < 1e-6 * nested_mean(size[node], point, fine), (node, point)
    u = lambda a, b: np.tanh((1 + a / 2) * (1 + b / 2) / 2) - np.tanh(0.5)  # noqa: E731
    density = lambda a, b: np.exp(-(a * a + b * b) / 2) / (2 * np.pi)  # noqa: E731
    exact = integrate.dblquad(lambda a, b: u(a, b) ** 2 * density(a, b), -8, 8, -8, 8, epsabs=1e-7)[0]
    square = next(e for e in nodes if str(e).startswith("E[E[(tanh") and str(e).endswith("**2]]"))
    assert nested_mean(square, {slope: 1.0, s: 0.5, G: 1.0}, fine) == pytest.approx(exact, rel=1e-6)


def test_the_command_line_says_what_was_done():
    run = CliRunner().invoke(main, ["derive", "momentum", "--average-out", "m"])
    assert run.exit_code == 0 and "Fast states: filters of gradients" in run.stdout and "beta1 stays" in run.stdout
    step = next(step for step in derive(registry()["adan"]).steps if step.title == "Fast states")
    assert step.reason.startswith("new in every step") and step.equations == ((previous, G + s * BEFORE),)
    data = json.loads(CliRunner().invoke(main, ["derive", "adan", "--format", "json"]).stdout)
    assert data["states"] == ["x", "m", "difference", "v"]
    assert any("previous was averaged out with the long-run covariance" in note for note in data["assumptions"])
    run = CliRunner().invoke(main, ["derive", "adan", "--covariance", "full"])
    assert run.exit_code == 2 and "several minibatches" in run.output
    run = CliRunner().invoke(main, ["derive", "momentum", "--average-out", "m", "--model", "order2"])
    assert run.exit_code == 2 and "average-out" in run.output
