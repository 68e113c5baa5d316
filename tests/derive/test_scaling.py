"""Scaling rules against the papers' and against the moments of one step at two batch sizes, computed without them."""

import inspect
from pathlib import Path

import numpy as np
import pytest
import sympy as sp
from sympy import Abs, Max, Min, Rational, sign, sqrt, tanh

from adasde.derive.language import decay, eta, g, hyperparameter, m, stabiliser, update_rule, v, x
from adasde.derive.law import NotDerivable
from adasde.derive.noise import Laplace, ShiftedExponential, StudentT
from adasde.derive.notation import k
from adasde.derive.optimizers import checked_in, registry
from adasde.derive.scaling import REGIMES, NoScalingRule, scaling_rule
from adasde.rules import rule_of

EXAMPLES = Path(__file__).parents[2] / "examples"
HALF = Rational(1, 2)
NOISE, SIGNAL = REGIMES
RULES = checked_in() | {n: rule_of(f"{EXAMPLES / n}.py:{n}") for n in ("lion", "signum", "heavy_ball")}

EXPECTED = {
    "sgd": {"lr": 1},
    "signsgd": {"lr": HALF},
    "rmsprop": {"lr": HALF, "beta2": 1, "eps": -HALF},
    "adam": {"lr": HALF, "beta1": 1, "beta2": 1, "eps": -HALF},
    "rmspropw": {"lr": HALF, "beta2": 1, "eps": -HALF, "weight_decay": HALF},
    "adamw": {"lr": HALF, "beta1": 1, "beta2": 1, "eps": -HALF, "weight_decay": HALF},
    "lion": {"lr": HALF, "beta1": 0, "beta2": 1, "weight_decay": HALF},
    "signum": {"lr": 1, "beta1": 1},
    "heavy_ball": {"lr": 1, "beta1": 1},
}
"""Published rules (SGD; Malladi et al. 2022 for RMSprop and Adam; Compagnoni et al. 2025 for signs and decay); Lion,
Signum and heavy ball are in neither."""


def invented(body, states=(x,), nonnegative=(), **hyperparameters):
    """A rule that nobody has written, from its body."""

    def rule(**symbols):
        return body(**symbols)

    parameters = [inspect.Parameter(n, inspect.Parameter.KEYWORD_ONLY, default=h) for n, h in hyperparameters.items()]
    rule.__signature__ = inspect.Signature(parameters)
    return update_rule(states=states, nonnegative=nonnegative, dialect="paper", cite="nobody")(rule)


@pytest.mark.parametrize("name", RULES)
def test_rules_of_the_papers(name):
    """What the noise-dominated regime gives, none of it typed in."""
    found = scaling_rule(RULES[name], NOISE)
    assert found.powers == EXPECTED[name] and found.undetermined == ()


@pytest.mark.parametrize("name", RULES)
def test_where_the_signal_dominates_every_rule_is_linear(name):
    """The step without noise moves per sample as before where lr and 1 - beta grow with the batch."""
    found = scaling_rule(RULES[name], SIGNAL).powers
    shares = {"beta1"} if name == "lion" else set()
    assert found == {h: int(h == "lr" or (h.startswith("beta") and h not in shares)) for h in found}


def step_moments(rule, numbers, state, signal, scale, steps):
    """Mean and covariance of one step's increments by Gauss-Hermite quadrature of the update rule itself; a sign of g
    by halves of its range."""
    points, weights = np.polynomial.hermite_e.hermegauss(40)
    z, w = points, weights / weights.sum()
    if any(u.has(sign) for u in rule.update):
        edges = np.linspace(-9, 9, 20_001)
        z = (edges[1:] + edges[:-1]) / 2
        w = np.exp(-(z**2) / 2)
        w = w / w.sum()
    symbols = {h.symbol: numbers[h.name] for h in rule.hyperparameters} | dict(zip(rule.states, state, strict=True))
    updates = [u.subs(symbols).subs(k, float(steps)) for u in rule.update]
    values = [np.broadcast_to(sp.lambdify(g, u, "numpy")(signal + scale * z), z.shape) for u in updates]
    moved = np.array([value - y for value, y in zip(values, state, strict=True)])
    mean = moved @ w
    return mean, (moved - mean[:, None]) * w @ (moved - mean[:, None]).T


@pytest.mark.parametrize("name", RULES)
def test_one_step_per_sample_is_the_same(name):
    """Means of all states, and the covariance of position and averaged gradient, of the whole rule at B and 4 B: equal
    up to what the regime calls small. A power that is off by 1/4 would change them by 40 %."""
    rule, kappa, steps = RULES[name], 4.0, 80_000
    found = scaling_rule(rule, NOISE)
    numbers = {"lr": 1e-4, "beta1": 1 - 1e-4, "beta2": 1 - 1e-4, "eps": 0.3, "weight_decay": 0.02}
    if name == "lion":
        numbers["beta1"] = 0.9
    signal, scale, at = 1e-3, 1.0, {x: 0.5, m: 3e-3, v: 0.8}
    scaled = dict(numbers)
    for h in rule.hyperparameters:
        factor = found.multiplier(h.name, kappa)
        scaled[h.name] = 1 - factor * (1 - numbers[h.name]) if h.rate is not None else factor * numbers[h.name]
    units = np.array([kappa ** float(found.states[y]) for y in rule.states])
    before = step_moments(rule, numbers, [at[y] for y in rule.states], signal, scale, steps)
    moved = [at[y] * unit for y, unit in zip(rule.states, units, strict=True)]
    after = step_moments(rule, scaled, moved, signal, scale / np.sqrt(kappa), int(steps / kappa))
    assert after[0] / units / kappa == pytest.approx(before[0], rel=0.01)
    shown = [i for i, y in enumerate(rule.states) if y not in rule.nonnegative]
    kept = [(i, j) for i in shown for j in shown if {rule.states[i], rule.states[j]} <= _noisy(found)]
    for i, j in kept:
        assert after[1][i, j] / units[i] / units[j] / kappa == pytest.approx(before[1][i, j], rel=0.01)


def _noisy(found):
    """States whose variance the rule lists among its invariants."""
    return {y for y in found.states if any(t.where == f"variance of {y}" for t in found.invariants)}


@pytest.mark.parametrize("power", [0, 1, 2, 3])
def test_a_made_up_rule_with_a_known_answer(power):
    """x - eta |g|^p sign(g): the mean is proportional to eta s^(p-1) G, the variance to eta^2 s^(2p), so that eta goes
    like kappa^((1 + p)/2)."""
    rule = invented(lambda: {x: x - eta * Abs(g) ** power * sign(g)})
    assert scaling_rule(rule).powers == {"lr": Rational(1 + power, 2)}
    assert scaling_rule(rule, SIGNAL).powers == {"lr": 1}


def test_hyperparameters_of_ones_own():
    """Thresholds go with the noise; torch's momentum buffer, a sum, grows; Adagrad's sum of squares does too."""
    threshold = hyperparameter("c", 1.0, "(0, inf)")
    clipped = invented(lambda c: {x: x - eta * Max(Min(g, c), -c)}, c=threshold)
    assert scaling_rule(clipped).powers == {"lr": 1, "c": -HALF}
    soft = invented(lambda c: {x: x - eta * tanh(g / c)}, c=threshold)
    assert scaling_rule(soft).powers == {"lr": HALF, "c": -HALF}

    def torch_momentum(beta1):
        return {x: x - eta * (beta1 * m + g), m: beta1 * m + g}

    found = scaling_rule(invented(torch_momentum, states=(x, m), beta1=decay(1, 0.9)))
    assert found.powers == {"lr": 2, "beta1": 1} and found.states[m] == -1

    def adagrad(eps):
        return {x: x - eta * g / (sqrt(v + g**2) + eps), v: v + g**2}

    found = scaling_rule(invented(adagrad, states=(x, v), nonnegative=(v,), eps=stabiliser()))
    assert found.powers == {"lr": 0, "eps": -1} and found.states[v] == -2


def test_what_the_rule_does_not_determine_stays():
    """A dampening c beside lr: one of the two is free, and it is not the learning rate; a hyperparameter that no
    leading term has is named."""
    dampening = hyperparameter("c", 1.0, "(0, inf)")

    def damped(beta1, c):
        return {x: x - eta * m, m: beta1 * m + c * g}

    found = scaling_rule(invented(damped, states=(x, m), beta1=decay(1, 0.9), c=dampening))
    assert found.powers == {"lr": 2, "beta1": 1, "c": 0}
    idle = invented(lambda c: {x: x - eta * (g + c - c)}, c=dampening)
    assert scaling_rule(idle).undetermined == ("c",)


def test_a_rule_without_an_answer():
    """g wants eta kappa and its sign eta sqrt(kappa): the message names both terms."""
    rule = invented(lambda: {x: x - eta * (g + sign(g))})
    with pytest.raises(NoScalingRule, match=r"no powers of kappa keep .*together with .*no scaling rule exists"):
        scaling_rule(rule)
    assert scaling_rule(rule, SIGNAL).powers == {"lr": 1}
    balanced = invented(lambda c: {x: x - eta * (g + c * sign(g))}, c=hyperparameter("c", 1.0, "(0, inf)"))
    assert scaling_rule(balanced).powers == {"lr": 1, "c": -HALF}


def test_noise_that_would_grow_is_no_rule():
    """c g^2 beside g: its mean c s^2 asks for c kappa, and then its noise c s^2 grows per sample."""
    rule = invented(lambda c: {x: x - eta * (g + c * g**2)}, c=hyperparameter("c", 1.0, "(0, inf)"))
    with pytest.raises(NoScalingRule, match=r"variance of x\) grows like kappa\^\(1\) per sample"):
        scaling_rule(rule)


def test_a_skewed_law_has_no_square_root_rule():
    """Under skewed noise the mean sign does not vanish with the gradient, and its drift is not kept by sqrt(kappa)."""
    assert scaling_rule(registry()["signsgd"], NOISE, Laplace()).powers == {"lr": HALF}
    assert scaling_rule(registry()["signsgd"], NOISE, StudentT()).powers == {"lr": HALF}
    with pytest.raises(NoScalingRule):
        scaling_rule(registry()["signsgd"], NOISE, ShiftedExponential())


def test_what_is_kept_and_what_is_lost():
    """The noise of the second moment grows with kappa; everything else of Adam is kept, schedules included."""
    found = scaling_rule(registry()["adam"])
    assert {(t.where, t.excess) for t in found.lost} == {("covariance of m and v", 1), ("variance of v", 1)}
    kept = {t.where for t in found.invariants}
    assert {"drift of x", "drift of m", "drift of v", "variance of m", "argument of exp"} <= kept


def test_refusals():
    """An unknown regime, a step number in no whole power, a memory of one step, and steps that come back."""
    with pytest.raises(NotDerivable, match="regime = loud is outside"):
        scaling_rule(registry()["sgd"], "loud")
    with pytest.raises(NotDerivable, match="not smooth"):
        scaling_rule(invented(lambda: {x: x - eta * g * k ** Rational(1, 4)}))
    with pytest.raises(NotDerivable, match="new in every step"):
        scaling_rule(registry()["adan"])
    with pytest.raises(NotDerivable, match="every 6 steps"):
        scaling_rule(registry()["admeta_s"])


def test_step_numbers_count_in_samples():
    """With lr/k the schedule itself scales the learning rate at the same sample, and a decay that is added to the
    gradient is part of the loss."""
    assert scaling_rule(invented(lambda: {x: x - eta * g / k})).powers == {"lr": 0}
    found = scaling_rule(registry()["adam_coupled"])
    assert found.powers == EXPECTED["adam"] | {"weight_decay": 0} and found.undetermined == ("weight_decay",)
