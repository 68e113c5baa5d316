"""The study of the networks: what is kept, what is run again, how gaps are worked out, and the command."""

from __future__ import annotations

import json
import math
import pickle
from collections.abc import Iterator
from concurrent.futures import Executor, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner
from scipy import stats

from adasde.cli import main
from adasde.errors import UnknownName
from adasde.nets import NETS, gaps, study
from adasde.nets.figure import MAIN, STYLES, loss_figure, overview_figure
from adasde.nets.report import rows
from adasde.nets.study import PLANS, Finished, Plan, curves, planned, run_task, run_tasks, stored
from adasde.nets.tables import gaps_table, losses_table
from adasde.nets.trajectory import Curve, trajectory

torch = pytest.importorskip("torch")
pytest.importorskip("sklearn")


@contextmanager
def threads(count: int) -> Iterator[Executor]:
    with ThreadPoolExecutor(1) as pool:
        yield pool


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch) -> list[study.Task]:
    """Four steps of SignSGD on the MLP under two seeds, on one thread in place of worker processes."""
    monkeypatch.setitem(PLANS, "mlp-breast-cancer", Plan("float64", 4, 4, dict.fromkeys(study.OPTIMIZERS, 0.001)))
    monkeypatch.setattr("adasde.sweep_run.worker_processes", threads)
    return planned(["mlp-breast-cancer"], ["signsgd"], True, 2)


def silent(done: int, total: int, one: Finished) -> None:
    pass


def test_plans_and_styles_cover_everything() -> None:
    """Every network has a plan and every curve a line style; the quick study has five networks, six optimizers."""
    assert set(PLANS) == set(NETS)
    assert {curve.name for optimizer in study.OPTIMIZERS for curve in curves(optimizer)} == set(STYLES)
    quick = planned(None, None, True, 3)
    assert len({task.net for task in quick}) == 5 and {task.seed for task in quick} == {0, 1, 2}
    assert {task.setting.optimizer for task in quick} == set(study.OPTIMIZERS)
    named = {name for gap in gaps.CAUSES for name in gap[1:]}
    assert named <= set(STYLES)
    with pytest.raises(UnknownName, match="cnn-digits"):
        planned(["cnn"], None, True, 1)
    with pytest.raises(UnknownName, match="sgd"):
        planned(None, ["lion"], True, 1)


def test_curves_are_kept(small: list[study.Task], tmp_path: Path) -> None:
    """A second run calculates nothing; a curve that is damaged, or of another setting, is run again."""
    first, complete = run_tasks(small, tmp_path, 1, silent)
    assert complete and [one.task for one in first] == small and not any(one.kept or one.message for one in first)
    again, _ = run_tasks(small, tmp_path, 1, silent)
    assert all(one.kept for one in again)
    assert all(np.array_equal(a.losses, b.losses) for a, b in zip(first, again, strict=True))
    small[0].path(tmp_path).write_bytes(b"PK\x03\x04 half a file")
    changed = replace(small[1], setting=replace(small[1].setting, batch=16))
    assert stored(small[0], tmp_path) is None and stored(changed, tmp_path) is None
    third, _ = run_tasks([small[0], *small[2:]], tmp_path, 1, silent)
    assert [one.kept for one in third] == [False] + [True] * (len(small) - 2)
    assert np.array_equal(third[0].losses, first[0].losses)


def test_an_interrupt_keeps_what_ended(small: list[study.Task], tmp_path: Path) -> None:
    def interrupt(done: int, total: int, one: Finished) -> None:
        if done == 3:
            raise KeyboardInterrupt

    found, complete = run_tasks(small, tmp_path, 1, interrupt)
    assert not complete and 3 <= len(found) < len(small)
    rest, complete = run_tasks(small, tmp_path, 1, silent)
    assert complete and sum(one.kept for one in rest) == len(found)


def test_a_task_that_raises_says_so(small: list[study.Task], tmp_path: Path) -> None:
    """It stops no other, is not stored, and is left out of the report."""
    broken = replace(small[0], curve=Curve("sde", "minibatch"))
    found, complete = run_tasks([broken, small[1]], tmp_path, 1, silent)
    assert complete and "real minibatches drive the optimizer" in found[0].message and not found[1].message
    assert not broken.path(tmp_path).exists()
    assert [list(row.losses) for row in rows(found)] == [[small[1].curve.name]]


def test_a_task_runs_on_one_thread(small: list[study.Task], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Sums of matrix products on several threads of BLAS round otherwise, and threads that wait cost time."""
    from threadpoolctl import threadpool_info, threadpool_limits

    seen = []

    def looked(*given: Any) -> Any:
        seen.extend(pool["num_threads"] for pool in threadpool_info() if pool["user_api"] == "blas")
        return trajectory(*given)

    monkeypatch.setattr(study, "trajectory", looked)
    with threadpool_limits(2, user_api="blas"):
        run_task(small[0], tmp_path)
    assert seen and set(seen) == {1} and torch.get_num_threads() == 1


@pytest.mark.slow
def test_worker_processes_give_the_same(tmp_path: Path) -> None:
    """Two worker processes, and this one, to the last bit."""
    tasks = [
        replace(task, setting=replace(task.setting, steps=3, saved=(0, 3))) for task in planned(None, None, True, 1)
    ]
    chosen = [task for task in tasks if task.net == "cnn-digits" and task.setting.optimizer in ("sgd", "adam")]
    assert pickle.loads(pickle.dumps(chosen)) == chosen
    found, complete = run_tasks(chosen, tmp_path / "processes", 2, silent)
    here = [run_task(task, tmp_path / "here") for task in chosen]
    assert complete and all(np.array_equal(a.losses, b.losses) for a, b in zip(found, here, strict=True))


def finished(losses: dict[str, list[float]]) -> list[Finished]:
    """Curves of SignSGD by name with given final losses, one per seed."""
    known = {task.curve.name: task for task in planned(["mlp-breast-cancer"], ["signsgd"], True, 1)}
    return [
        Finished(replace(known[name], seed=seed), np.array([1.0, loss]), 0.0)
        for name, values in losses.items()
        for seed, loss in enumerate(values)
    ]


REAL, MODEL, EMPIRICAL = [0.5, 0.7, 0.6, 0.8], [0.2, 0.3, 0.2, 0.1], [0.5, 0.5, 0.4, 0.6]


def test_gaps_and_intervals() -> None:
    """Means with Student-t intervals as scipy has them, differences by seed, and the share that a model closes."""
    (row,) = rows(finished({"algorithm-minibatch": REAL, "sde-full": MODEL, "sde-empirical": EMPIRICAL}))
    low, high = stats.t.interval(0.95, 3, np.mean(REAL), stats.sem(REAL))
    found = row.losses["algorithm-minibatch"]
    assert (found.mean - found.half, found.mean + found.half) == pytest.approx((low, high))
    by_cause = {gap.cause: gap for gap in row.gaps}
    assert set(by_cause) == {"the whole model", "empirical P(g < 0)"}
    difference = stats.ttest_rel(REAL, MODEL).confidence_interval(0.95)
    whole = by_cause["the whole model"].difference
    assert (whole.mean - whole.half, whole.mean + whole.half) == pytest.approx(tuple(difference))
    assert by_cause["the whole model"].seen and not by_cause["empirical P(g < 0)"].seen
    assert list(row.closed) == [1] and row.closed[1].mean == pytest.approx((0.5 - 0.2) / (0.65 - 0.2))
    assert found.holds(0.65) and not found.holds(0.2)
    assert "sde-full ends outside the interval of algorithm-minibatch: signsgd" in gaps_table([row]).notes


def test_rounding_is_no_gap() -> None:
    """SGD and its SDE at dt = lr differ by rounding, always in one direction perhaps: that is not seen as a gap."""
    ((gap,),) = (row.gaps for row in rows(finished({"algorithm-full": REAL, "sde-full": [x + 1e-9 for x in REAL]})))
    assert gap.cause == "order" and abs(gap.difference.mean) > gap.difference.half and not gap.seen


def test_share_closed_has_the_right_interval() -> None:
    """The delta method against the spread of the share over 2000 sets of 200 seeds."""
    rng = np.random.default_rng(0)

    def share() -> Any:
        losses = {name: rng.normal(mean, 0.1, 200) for name, mean in (("a", 1.0), ("b", 0.4), ("c", 0.8))}
        names = dict(zip("abc", ("algorithm-minibatch", "sde-full", "sde-empirical"), strict=True))
        return gaps.share_closed({names[key]: dict(enumerate(values)) for key, values in losses.items()})

    found = [share() for _ in range(2000)]
    spread = np.std([one.mean for one in found]) * stats.t.isf(0.025, 199)
    assert np.mean([one.half for one in found]) == pytest.approx(spread, rel=0.1)
    assert np.mean([one.mean for one in found]) == pytest.approx(2 / 3, abs=0.01)


def test_divergence_is_told_and_never_averaged(tmp_path: Path) -> None:
    """A seed that blew up makes no mean: the record says how many did, and JSON has null."""
    found = finished({"algorithm-minibatch": REAL, "sde-full": [0.2, math.nan, 0.2, 0.1]})
    (row,) = rows(found)
    record = json.loads(json.dumps(row.to_dict(), allow_nan=False))
    assert record["diverged"] == {"algorithm-minibatch": 0, "sde-full": 1}
    assert record["final_loss"]["sde-full"]["mean"] is None
    assert record["gaps"][0]["mean"] is None and record["title"] == NETS["mlp-breast-cancer"].title


def test_tables_of_one_seed_and_of_a_blow_up() -> None:
    """One seed has no interval, and a model that came back from anywhere has blown up."""
    (row,) = rows(finished({"algorithm-minibatch": [0.5], "sde-full": [0.25], "sde-empirical": [3e7]}))
    losses, gap = losses_table([row]), gaps_table([row])
    assert losses.rows == (
        ("algorithm-minibatch", "0.5000"),
        ("sde-full", "0.2500"),
        ("sde-empirical", "blew up (3e+07)"),
    )
    assert gap.rows[0] == ("the whole model", "+0.2500 ") and "closes" in gap.notes[-1] and "inf" not in str(gap)


def test_overview(small: list[study.Task], tmp_path: Path) -> None:
    """A panel for each network and optimizer, with the main curves; none where nothing was run."""
    found, _ = run_tasks(small, tmp_path, 1, silent)
    other = [replace(one, task=replace(one.task, net="cnn-digits")) for one in found if one.task.curve.name in MAIN]
    adam = replace(other[0], task=replace(other[0].task, setting=replace(small[0].setting, optimizer="adam")))
    figure = overview_figure([*found, *other, adam])
    shown = [axes for axes in figure.axes if axes.get_visible()]
    assert [len(axes.lines) for axes in shown] == [len(MAIN), len(MAIN), 1]
    figure.savefig(tmp_path / "overview.png")


def test_figure(small: list[study.Task], tmp_path: Path) -> None:
    """One panel for the optimizer with all its curves, and a title that says what the data is."""
    found, _ = run_tasks(small, tmp_path, 1, silent)
    figure = loss_figure(found, NETS["mlp-breast-cancer"].title)
    (axes,) = (axes for axes in figure.axes if axes.get_visible())
    assert len(axes.lines) == len(curves("signsgd"))
    assert "scikit-learn's breast cancer" in figure.get_suptitle() and "2 seeds" in figure.get_suptitle()
    assert "unfinished" not in axes.get_title()
    figure.savefig(tmp_path / "figure.png")
    partial = loss_figure(found[:-1], "")
    assert partial.axes[0].get_title().endswith("unfinished")
    table = losses_table(rows(found[:-1]))
    assert table.notes == (f"unfinished: signsgd {found[-1].task.curve.name}, 1 of 2 seeds",)


def test_the_command(small: list[study.Task], tmp_path: Path) -> None:
    """Tables of losses and gaps on stdout, a figure and a record in the folder; run again it goes on from there."""
    options = [
        "--quick",
        "--net",
        "mlp-breast-cancer",
        "--optimizer",
        "signsgd",
        "--seeds",
        "2",
        "--out",
        str(tmp_path),
    ]
    result = CliRunner().invoke(main, ["reproduce", "nets", *options])
    assert result.exit_code == 0, result.output
    for words in ("Final loss, 95% intervals", "non-Gaussianity", "correlation", "order", "the empirical law closes"):
        assert words in result.stdout
    assert (tmp_path / "mlp-breast-cancer.png").stat().st_size > 10_000
    page = (tmp_path / "report.md").read_text()
    assert "`adasde reproduce nets --quick --net mlp-breast-cancer --optimizer signsgd --seeds 2`" in page
    assert "| curve | signsgd |" in page and "* `sde-empirical`: sde, empirical P(g < 0), dt = lr" in page
    assert page.count("\n| sde-full | ") == 1 and page.count("\n| non-Gaussianity | ") == 1
    record = json.loads((tmp_path / "results.json").read_text())
    assert record[0]["optimizer"] == "signsgd" and len(record[0]["final_loss"]) == len(curves("signsgd"))
    again = CliRunner().invoke(main, ["reproduce", "nets", *options, "--json"])
    assert json.loads(again.stdout) == record


def test_an_interrupted_command(small: list[study.Task], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Exit code 130, tables of what there is, and the way on."""

    @contextmanager
    def impatient() -> Iterator[Any]:
        def report(done: int, total: int, one: Finished) -> None:
            if done == 2:
                raise KeyboardInterrupt

        yield report

    monkeypatch.setattr("adasde.cli.nets._progress", impatient)
    options = ["--net", "mlp-breast-cancer", "--optimizer", "signsgd", "--seeds", "1", "--out", str(tmp_path)]
    result = CliRunner().invoke(main, ["reproduce", "nets", *options])
    assert result.exit_code == 130 and "run it again to go on" in result.output
    assert "| algorithm-minibatch | " in (tmp_path / "report.md").read_text()


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["nets", "--net", "cnn-digit"], "did you mean"),
        (["nets", "--optimizer", "lion"], "outside"),
        (["nets", "--seeds", "0"], "seeds = 0"),
        (["nets", "--figure", "mlp"], "use --net"),
        (["compagnoni2025", "--net", "cnn-digits"], "it belongs to `reproduce nets`"),
        (["compagnoni2026"], "compagnoni2025"),
    ],
)
def test_usage_errors(options: list[str], words: str, tmp_path: Path) -> None:
    result = CliRunner().invoke(main, ["reproduce", *options, "--quick", "--out", str(tmp_path)])
    assert result.exit_code == 2 and words in result.output


def test_without_scikit_learn(small: list[study.Task], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Said once, before anything runs, with exit code 3."""
    import sys

    monkeypatch.setitem(sys.modules, "sklearn", None)
    study.loss_of.cache_clear()
    result = CliRunner().invoke(main, ["reproduce", "nets", "--net", "mlp-breast-cancer", "--out", str(tmp_path)])
    assert result.exit_code == 3 and "adasde[nets]" in result.output
