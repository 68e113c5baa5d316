"""Rung 6 judges by what a weak order promises, and a survey of ladders keeps every verdict."""

import dataclasses
import json
import types

import pytest
from click.testing import CliRunner

from adasde import optimizers
from adasde.cli import main
from adasde.comparison import Agreement, Comparison
from adasde.derive.law import NotDerivable
from adasde.errors import InvalidParameter, MissingData, NoModel, UnknownName
from adasde.laws import LAWS
from adasde.noise import gaussian, student_t
from adasde.verify import ladder, refinement, survey
from adasde.verify.check import Check
from adasde.verify.setting import setting

RUN = {"loss": "quadratic:1,2", "noise": gaussian(0.5), "steps": 1500, "paths": 3000}


def subject(name, model="sde", **given):
    return setting(name, model, RUN["noise"], optimizers.hyperparameters(name, given))


def agreement(difference, half, verdict="differs"):
    return Agreement("sde", 1, difference, difference - half, difference + half, 0.05, verdict)


def test_a_difference_that_halves_is_the_models_own():
    """Adam's derived SDE near stationarity is off by more than 1 %, and by half of that at lr/2."""
    given = {"lr": 0.02, "beta2": 0.99}
    checks = refinement.refinement(subject("adam", **given), RUN | given | {"margin": 0.01})
    assert checks[-1].outcome == "recorded" and "; at eta/2 " in checks[-1].measured, checks[-1]


def test_a_model_that_is_wrong_to_leading_order_fails(monkeypatch):
    """SignSGD under a Student-t law, held against the SDE under the normal law, whose drift has another slope at 0."""
    noise, given = student_t(2.0, 0.5), {"lr": 0.02}
    about = setting("signsgd", "sde", noise, optimizers.hyperparameters("signsgd", given))
    steps = about.module.MODELS["sde"]
    monkeypatch.setitem(steps, "student-t", steps["gaussian"])
    checks = refinement.refinement(about, RUN | given | {"noise": noise, "steps": 400, "paths": 20_000})
    assert [check.outcome for check in checks] == ["fails"] * 3, checks


def test_differences_at_both_rates():
    """Half of it is order one, all of it order zero, of either sign; an interval around 1/sqrt 2 decides nothing."""
    for sign in (1, -1):
        whole = agreement(0.2 * sign, 0.01)
        later = [
            agreement(0.2 * ratio * sign, half) for ratio, half in ((0.5, 0.02), (1, 0.02), (0.7, 0.02), (-1, 0.02))
        ]
        assert [refinement.falls(whole, half) for half in later] == ["recorded", "fails", "undecided", "fails"]
    assert refinement.falls(agreement(0.2, 0.01), agreement(float("nan"), 0.0, "diverged")) == "fails"


@pytest.mark.parametrize("ratio, outcome", [(0.5, "recorded"), (1.0, "undecided")])
def test_an_interval_around_the_margin(ratio, outcome):
    """It is decided by what halves, not by what stays: the difference may be within the margin."""
    ensemble = types.SimpleNamespace(loss="quadratic:1", loss_mean=[1.0], diverged=[0], paths=10)
    parts = [Comparison(ensemble, (), (agreement(d, 0.004, "undecided"),), 0.99) for d in (0.05, 0.05 * ratio)]
    assert [check.outcome for check in refinement.checks(*parts)] == [outcome]


def test_half_the_rate_is_the_same_problem(monkeypatch):
    """The same horizon, handover and rates (1 - beta)/lr; other draws."""
    asked = {}
    monkeypatch.setattr(refinement, "compare", lambda *_, **arguments: asked.update(arguments))
    refinement.at_half_rate(subject("adam", beta2=0.99, lr=0.02), RUN | {"lr": 0.02, "beta2": 0.99, "seed": 4})
    assert asked["lr"] == 0.01 and (asked["beta1"], asked["beta2"]) == pytest.approx((0.95, 0.995))
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
        ("order2", "laplace"): NoModel("model", "order2", "{sde}", "none"),
        ("sde", "exponential"): NotDerivable("no mean"),
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
        ("refused", None, 2),
        ("crashed", None, 1),
    ]
    assert verdicts[1].reason == "d: 4" and verdicts[5].reason == "ZeroDivisionError: oh"
    assert survey.stored(tmp_path / "v.jsonl") == verdicts


def test_bad_input_is_no_verdict(ladders, tmp_path, monkeypatch):
    """It stops all ladders and leaves the file as it was; the real ladder says so of a rule and a rate."""
    path = tmp_path / "v.jsonl"
    for error in (InvalidParameter("lr", -1, "(0, inf)"), MissingData("no file")):
        ladders.ends["order2", "gaussian"] = error
        with pytest.raises(type(error)):
            list(survey.survey(["sgd"], path))
        assert len(survey.stored(path)) == 1
    monkeypatch.setattr(survey, "verify", ladder.verify)
    for name, lr, error in (("sdg", 0.1, UnknownName), ("sgd", -0.1, InvalidParameter)):
        with pytest.raises(error):
            list(survey.survey([name], tmp_path / "w.jsonl", lr=lr))


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
