"""Rung 6 judges by what a weak order promises, and a survey of ladders keeps every verdict."""

import dataclasses
import json
import types

import pytest
from click.testing import CliRunner

from adasde import optimizers
from adasde.cli import main
from adasde.comparison import Agreement
from adasde.errors import InvalidParameter, MissingData
from adasde.laws import LAWS
from adasde.noise import gaussian
from adasde.verify import refinement, survey
from adasde.verify.check import Check
from adasde.verify.setting import setting

RUN = {"loss": "quadratic:1,2", "noise": gaussian(0.5), "steps": 1500, "paths": 3000}


def subject(name, model="sde", **given):
    return setting(name, model, RUN["noise"], optimizers.hyperparameters(name, given))


def agreement(difference, half, verdict="differs"):
    return Agreement("sde", 1, difference, difference - half, difference + half, 0.05, verdict)


@pytest.mark.parametrize("model, margin, outcome", [("compagnoni2025", 0.05, "fails"), ("sde", 0.01, "recorded")])
def test_a_difference_is_judged_at_half_the_rate(model, margin, outcome):
    """Adam near stationarity: the printed variance is too small by beta1^2 at every lr; what the derived SDE is off by
    halves with lr."""
    about = subject("adam", model, lr=0.02, beta2=0.99)
    checks = refinement.refinement(about, RUN | {"margin": margin, "lr": 0.02, "beta2": 0.99})
    assert checks[-1].outcome == outcome and "; at eta/2 " in checks[-1].measured, checks[-1]


def test_differences_at_both_rates():
    """Half of it is order one, all of it order zero, of either sign; an interval around 1/sqrt 2 decides nothing."""
    for sign in (1, -1):
        whole = agreement(0.2 * sign, 0.01)
        later = [
            agreement(0.2 * ratio * sign, half) for ratio, half in ((0.5, 0.02), (1, 0.02), (0.7, 0.02), (-1, 0.02))
        ]
        assert [refinement.falls(whole, half) for half in later] == ["recorded", "fails", "undecided", "recorded"]
    assert refinement.falls(agreement(0.2, 0.01), agreement(float("nan"), 0.0, "diverged")) == "fails"


@pytest.mark.parametrize("model, beta1, beta2", [("sde", 0.9, 0.995), ("order2", 0.95, 0.995)])
def test_half_the_rate_is_the_same_problem(monkeypatch, model, beta1, beta2):
    """The same horizon, handover and rates; beta1 is kept whole by the model of order one; other draws."""
    asked = {}
    monkeypatch.setattr(refinement, "compare", lambda *_, **arguments: asked.update(arguments))
    refinement.at_half_rate(subject("adam", model, beta2=0.99, lr=0.02), RUN | {"lr": 0.02, "beta2": 0.99, "seed": 4})
    assert asked["lr"] == 0.01 and (asked["beta1"], asked["beta2"]) == pytest.approx((beta1, beta2))
    assert (asked["steps"], asked["start"], asked["seed"], asked["paths"]) == (3000, 20, 5, 3000)


def test_an_interrupted_comparison_is_no_verdict(monkeypatch):
    """Some of the paths would give a table that looks like the whole one."""
    partial = types.SimpleNamespace(algorithm=types.SimpleNamespace(complete=False))
    monkeypatch.setattr(refinement, "compare", lambda *_, **__: partial)
    with pytest.raises(KeyboardInterrupt):
        refinement.refinement(subject("sgd"), RUN)


@pytest.fixture
def ladders(monkeypatch):
    """Ladders that take no time, by model and law; the list is of those that were climbed."""
    climbed = []
    ends = {
        ("sde", "gaussian"): [Check(2, "a", "holds", "1"), Check(4, "b", "recorded", "2")],
        ("order2", "gaussian"): [Check(3, "c", "undecided", "3"), Check(6, "d", "fails", "4")],
        ("sde", "laplace"): [Check(6, "e", "undecided", "5")],
        ("order2", "laplace"): InvalidParameter("model", "order2", "{sde}", "none"),
        ("sde", "exponential"): MissingData("no file"),
        ("order2", "exponential"): ZeroDivisionError("oh"),
    }

    def verify(optimizer, model, *, noise, **_):
        climbed.append((optimizer, model, noise.law))
        end = ends[model, noise.law]
        if isinstance(end, BaseException):
            raise end
        yield from end

    monkeypatch.setattr(survey, "LAWS", ("gaussian", "laplace", "exponential"))
    monkeypatch.setattr(survey, "verify", verify)
    return types.SimpleNamespace(climbed=climbed, ends=ends)


def test_verdicts(ladders, tmp_path):
    """The first failure, else the first undecided check; a refusal has its exit code, and a crash stops nothing."""
    verdicts = list(survey.survey(["sgd"], tmp_path / "v.jsonl", lr=0.01))
    assert [(v.outcome, v.rung, v.exit_code) for v in verdicts] == [
        ("holds", None, 0),
        ("fails", 6, 1),
        ("undecided", 6, 1),
        ("refused", None, 2),
        ("refused", None, 3),
        ("crashed", None, 1),
    ]
    assert verdicts[1].reason == "d: 4" and verdicts[5].reason == "ZeroDivisionError: oh"
    assert survey.stored(tmp_path / "v.jsonl") == verdicts


def test_an_interrupt_costs_one_ladder(ladders, tmp_path):
    """What is in the file is not climbed again, but for other arguments or code; a line cut short is."""
    path, kept = tmp_path / "v.jsonl", dict(ladders.ends)
    ladders.ends["sde", "laplace"] = KeyboardInterrupt()
    with pytest.raises(KeyboardInterrupt):
        list(survey.survey(["sgd"], path, lr=0.01))
    assert len(survey.stored(path)) == 2 and ladders.climbed.pop() == ("sgd", "sde", "laplace")
    ladders.ends |= kept
    whole = list(survey.survey(["sgd"], path, lr=0.01))
    assert len(whole) == 6 == len(set(ladders.climbed)) == len(ladders.climbed)
    with path.open("r+b") as file:
        file.truncate(path.stat().st_size - 10)
    assert list(map(without_time, survey.survey(["sgd"], path, lr=0.01))) == list(map(without_time, whole))
    assert len(ladders.climbed) == 7 and len(path.read_text().splitlines()) == 6
    list(survey.survey(["sgd"], path, lr=0.02))
    assert len(ladders.climbed) == 13
    path.write_text("not mine\n")
    with pytest.raises(InvalidParameter, match="file of verdicts"):
        list(survey.survey(["sgd"], path, lr=0.01))


def without_time(verdict):
    return dataclasses.replace(verdict, seconds=0.0)


def test_all_ladders_on_the_command_line(ladders, tmp_path):
    """One table; exit code 1 where a ladder does not hold, 130 after an interrupt; its own laws only."""
    store = str(tmp_path / "v.jsonl")
    run = CliRunner().invoke(main, ["verify", "sgd", "--all", store])
    assert run.exit_code == 1 and "fails at rung 6" in run.output and "2 refused" in run.output
    run = CliRunner().invoke(main, ["verify", "sgd", "--all", store, "--json"])
    assert len(ladders.climbed) == 6 and json.loads(run.stdout)[1]["outcome"] == "fails"
    for end in ladders.ends:
        ladders.ends[end] = [Check(2, "a", "holds", "1")]
    assert CliRunner().invoke(main, ["verify", "sgd", "--all", store + "2"]).exit_code == 0
    ladders.ends["order2", "laplace"] = KeyboardInterrupt()
    run = CliRunner().invoke(main, ["verify", "sgd", "--all", store + "3"])
    assert run.exit_code == 130 and "3 holds" in run.output
    for wrong in (["--noise", "laplace:1"], ["--model", "sde"], ["--batch", "4"]):
        assert CliRunner().invoke(main, ["verify", "sgd", "--all", store, *wrong]).exit_code == 2
    assert CliRunner().invoke(main, ["verify"]).exit_code == 2


def test_every_law_is_surveyed():
    """Each law of the package, as a noise of the same scale."""
    assert {noise.law for noise in survey.noises().values()} == set(LAWS)
    assert {noise.scale for noise in survey.noises().values()} == {(survey.SCALE,)}
