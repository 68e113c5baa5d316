"""What may follow a rule's name on the command line: buffers averaged out, noise with memory."""

import json

import numpy as np
import pytest
from click.testing import CliRunner
from scipy import linalg, stats

from adasde import optimizers, simulate
from adasde.cli import main
from adasde.errors import InvalidParameter, NoModel, UnknownName
from adasde.noise import parse_noise
from adasde.rules import base_of, is_file, rule_of
from adasde.verify import moments
from adasde.verify.setting import setting

pytestmark = pytest.mark.usefixtures("own_cache")
FALSE_ALARM = 1e-6
PATHS = 20_000


def run(*arguments):
    result = CliRunner().invoke(main, arguments)
    assert result.exit_code == 0, result.output
    return json.loads(result.stdout)


def variance(optimizer, model, noise, lr, steps, seed, **further):
    """Var x of one coordinate on x^2/2 after so many steps from 0, from the command line."""
    options = {
        "--loss": "quadratic:1",
        "--noise": noise,
        "--lr": lr,
        "--steps": steps,
        "--paths": PATHS,
        "--seed": seed,
    }
    options |= {"--model": model, "--save": 2, "--x0": "0"} | further
    words = [str(word) for pair in options.items() for word in pair]
    return run("simulate", optimizer, *words, "--json")["cov"][-1][0][0]


def interval():
    """Factors between which a sample variance lies but for `FALSE_ALARM`."""
    return stats.chi2.ppf([FALSE_ALARM / 2, 1 - FALSE_ALARM / 2], PATHS - 1) / (PATHS - 1)


def linear_variance(step, gain):
    return linalg.solve_discrete_lyapunov(np.array(step), np.outer(gain, gain))[0, 0]


def test_an_averaged_out_buffer_keeps_the_long_run_variance():
    """Heavy ball at beta = 0.9: algorithm and averaged-out model have its exact stationary variance, eta s^2/(2 (1 -
    beta)) up to 2% at this eta, within the interval of the sample (false alarm 1e-6 each); a model with the variance of
    one step, that of m at rest, would have (1 - beta)/(1 + beta) of it, and is far outside."""
    lr, beta, size = 0.002, 0.9, 0.5
    exact = linear_variance([[1 - lr, -lr * beta], [1.0, beta]], [-lr * size, size])
    low, high = interval()
    for model, seed, allowed in (("algorithm", 1, 0.0), ("sde", 2, 0.02)):
        found = variance("momentum+average-out:m", model, f"gaussian:{size}", lr, 400, seed, **{"--beta1": beta})
        assert low - allowed < found / exact < high + allowed
        matched = lr * size**2 / (1 - beta**2) * (1 - beta) / 2
        assert not low - allowed < found / matched < high + allowed
    assert exact == pytest.approx(lr * size**2 / (2 * (1 - beta)), rel=0.02)


def test_a_model_without_its_buffer_is_verified(monkeypatch):
    """Rung 2 for Adam without m: what one gradient does over all steps; decays that are not those fail."""
    about = setting("adam+average-out:m", "sde", parse_noise("gaussian:0.5"), optimizers.hyperparameters("adam", {}))
    assert [str(y) for y in about.sde.states] == ["x", "v"] and about.module.REFUSED["order2"]
    (judged,) = moments.one_step(about)
    assert judged.passed and "one gradient moves x" in judged.statement
    monkeypatch.setattr("adasde.verify.memory.LATER", 5)
    assert not moments.one_step(about)[0].passed


def test_white_noise_is_the_limit_of_coloured_noise():
    """sgd+ou:1:S is SGD with noise of size S; a memory of 20 steps has the variance of its linear recursion, which is
    another; false alarm 1e-6 each."""
    lr, size, low_high = 0.05, 0.5, interval()
    for steps, time, seed in ((200, 1.0, 3), (300, 20.0, 4)):
        c = 1 - 1 / time
        exact = linear_variance([[1 - lr, -lr * size * c], [0.0, c]], [-lr * size * (1 - c), 1 - c])
        found = variance(f"sgd+ou:1:{size}", "algorithm", "gaussian:0", lr, steps, seed, **{"--set": f"memory={c}"})
        assert low_high[0] < found / exact < low_high[1]
        if time == 1.0:
            assert exact == pytest.approx(lr * size**2 / (2 - lr), rel=1e-12)
        else:
            assert not low_high[0] < found / (lr * size**2 / (2 - lr)) < low_high[1]


def test_coloured_noise_is_a_state_of_the_sde():
    """... whose memory is 1 - 1/TAU."""
    data = run("derive", "sgd+ou:10:0.5", "--format", "json")
    assert data["states"] == ["x", "coloured"] and data["weak_order"] == 1
    assert optimizers.hyperparameters("sgd+ou:10:0.5", {})["memory"] == pytest.approx(0.9)


@pytest.mark.slow
def test_fractional_noise_alone_has_a_model():
    """Without minibatch noise the noise of the position is that of the Ornstein-Uhlenbeck states, a quotient of equal
    sums, which rounding may take above one: no path is lost, and Var x is that of the algorithm within 10%."""
    found = {}
    for model in ("algorithm", "sde"):
        ensemble = simulate(
            "sgd+fractional:0.7:0.5",
            model,
            loss="quadratic:1",
            noise="gaussian:0",
            lr=0.005,
            steps=200,
            paths=20_000,
            seed=1,
        )
        assert ensemble.diverged[-1] == 0
        found[model] = ensemble.cov[-1, 0, 0]
    assert found["sde"] == pytest.approx(found["algorithm"], rel=0.1)


@pytest.mark.parametrize(
    ("optimizer", "error", "words"),
    [
        ("sgd+ou:0.5:1", InvalidParameter, ("TAU", "0.5", "[1, inf)", "finite number inside")),
        ("sgd+ou:3:-1", InvalidParameter, ("S = -1", "[0, inf)")),
        ("sgd+fractional:1.5:1", InvalidParameter, ("H = 1.5", "(0, 1)", "finite number inside")),
        ("sgd+fractional:0.7", InvalidParameter, ("fractional:0.7", "fractional:H:S")),
        ("sgd+pink:1", UnknownName, ("pink", "average-out, fractional, ou")),
        ("sgd+average-out:m", InvalidParameter, ("= m", "name a state besides")),
        ("sam+ou:3:1", InvalidParameter, ("ou:3:1", "rules of one gradient")),
        ("sgb+ou:3:1", UnknownName, ("sgb", "sgd")),
    ],
)
def test_what_cannot_stand_there_is_refused_by_name(optimizer, error, words):
    with pytest.raises(error) as refused:
        rule_of(optimizer)
    assert all(word in str(refused.value) for word in words), str(refused.value)


def test_models_that_do_not_exist_are_refused_with_the_reason():
    with pytest.raises(NoModel, match="v cannot be averaged out: its update"):
        simulate("adagrad+average-out:v", loss="quadratic:1", noise="gaussian:1", steps=2, paths=2)


def test_spellings_are_taken_apart():
    """A file's name may hold a plus or a colon before what is known to follow."""
    assert base_of("sgd+ou:3:1") == "sgd" and not is_file("sgd+ou:3:1")
    assert base_of("./c++/rule.py:mine+average-out:m") == "./c++/rule.py:mine" and is_file("./rule.py:mine+ou:3:1")
    listed = run("list", "--json")["around"]
    assert listed["ou"]["spelling"] == "+ou:TAU:S" and set(listed) == {"average-out", "fractional", "ou"}
