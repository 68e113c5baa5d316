"""Rung 6 judges by what a weak order promises, and a survey of ladders keeps every verdict."""

import dataclasses
import json
import types

import pytest
import sympy as sp
from click.testing import CliRunner

from adasde import optimizers
from adasde.cli import main
from adasde.cli.progress import progress
from adasde.comparison import Agreement, Comparison
from adasde.derive.functions import Expectation, outer, zeta
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


def test_decays_of_buffers_that_are_averaged_out_stay_at_half_the_rate(monkeypatch):
    """Their model is one at fixed decays: at 1 - (1 - beta)/2 what it is off by would not fall."""
    asked = {}
    monkeypatch.setattr(refinement, "compare", lambda *_, **arguments: asked.update(arguments))
    about = subject("adam", beta2=0.99, lr=0.02)
    about = dataclasses.replace(about, rule=dataclasses.replace(about.rule, average_out=("m",)))
    refinement.at_half_rate(about, RUN | {"lr": 0.02, "beta2": 0.99})
    assert asked["lr"] == 0.01 and (asked["beta1"], asked["beta2"]) == pytest.approx((0.9, 0.995))


def test_paths_by_cost(monkeypatch):
    """Steps that sum over pairs of nodes get as many paths as `SUMMANDS` allow, on every machine, and every check says
    so; other steps, and paths that were asked for, stay."""
    asked = []
    single, about = Expectation(zeta, sp.Integer(1)), subject("sgd")
    nested = Expectation(outer * single, sp.Integer(1))
    assert nested.nested and not single.nested

    def checks(named, **given):
        sde = dataclasses.replace(about.sde, named=((sp.Symbol("mu1"), named),))
        module = types.SimpleNamespace(QUADRATURE=36)
        arguments = {"loss": "quadratic:1,2", "steps": 1000} | given
        return refinement.refinement(dataclasses.replace(about, sde=sde, module=module), arguments)

    def judged(setting, arguments):
        asked.append(arguments["paths"])
        return [Check(6, "a", "undecided", "b")]

    monkeypatch.setattr(refinement, "_refinement", judged)
    (few,) = checks(nested)
    # 21 model steps of 36^2 summands in two coordinates: 5e9/(1000 21 2 1296) = 91.9
    assert asked == [91] and few.measured.startswith("b; 91 paths, as") and few.outcome == "undecided"
    assert [checks(nested, steps=10**6)[0].measured[:11], asked[-1]] == ["b; 64 paths", refinement.FEWEST]
    assert [checks(named, **given)[0].measured for named, given in ((single, {}), (nested, {"paths": 7}))] == ["b", "b"]
    assert asked[2:] == [refinement.PATHS, 7]


def test_the_command_leaves_paths_to_their_cost(monkeypatch):
    """... unless it is given them; it says which rungs do not apply, and why."""
    asked = []

    def verify(*_, paths, **__):
        asked.append(paths)
        return [Check(2, "a", "holds", "1"), Check(6, "b", "holds", "2")]

    monkeypatch.setattr("adasde.verify.verify", verify)
    for further in ((), ("--paths", "10000")):
        result = CliRunner().invoke(main, ["verify", "sgd", *further])
        assert result.exit_code == 0, result.output
        assert "rung 1: does not apply, no paper's" in result.stdout and "rung 4: does not apply" in result.stdout
    assert asked == [None, 10_000]


def test_lines_come_now_and_then(monkeypatch, capsys):
    """Where stderr is no terminal."""
    clock = [0.0]
    monkeypatch.setattr("time.monotonic", lambda: clock[0])
    with progress("sgd sde") as report:
        for done, clock[0] in ((1, 5.0), (2, 21.0), (3, 30.0), (4, 42.0)):
            report(done, 4)
    assert capsys.readouterr().err == "sgd sde: 2/4\nsgd sde: 4/4\n"


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
