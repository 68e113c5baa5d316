"""A run on any executor: the same bytes as on threads, and a way out when workers fail."""

from __future__ import annotations

import multiprocessing
import os
import pickle
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from concurrent.futures import Executor, Future, ProcessPoolExecutor, ThreadPoolExecutor
from dataclasses import replace
from operator import add
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from adasde import InvalidParameter, Quadratic, UnknownName, execution, simulate, sweep
from adasde.arithmetic import Arithmetic
from adasde.cli import main
from adasde.ensemble import Ensemble
from adasde.execution import Leaves, WorkersLost, advance
from adasde.fingerprint import SOURCES, run_digest
from adasde.kernels.lanes import value_kernel
from adasde.losses.base import Loss
from adasde.plan import plan
from adasde.run import Run

LEAF = 4096
SETTING: dict[str, Any] = {"loss": "quadratic:1,3", "noise": "gaussian:0.5", "lr": 0.1, "steps": 20, "save": 3}


def bytes_of(ensemble: Ensemble) -> bytes:
    moments = ensemble.moments
    arrays = [moments.count, moments.diverged, moments.mean, moments.m2, moments.loss, *moments.sketch.histogram]
    return pickle.dumps([array.tobytes() for array in (*arrays, ensemble.samples)])


@pytest.fixture(scope="module")
def processes() -> Iterator[ProcessPoolExecutor]:
    """Two worker processes, started afresh: nothing is inherited from this one."""
    with ProcessPoolExecutor(2, mp_context=multiprocessing.get_context("spawn")) as pool:
        yield pool


@value_kernel
def quartic(x, f, data):  # type: ignore[no-untyped-def]
    """f = x^4 of the first coordinate: a kernel that no other process can import."""
    for j in range(f.size):
        f[j] = x[0, j] ** 4


def own_loss() -> Loss:
    base = Quadratic([1.0, 3.0])
    return Loss("mine", 2, base.data, base.start, quartic, base.gradient, base.hessian_vector)


def reference(**options: Any) -> Ensemble:
    return simulate("sgd", "algorithm", **SETTING | options, threads=1, chunk=1)


@pytest.mark.parametrize("chunk", [None, 1, 7])
def test_processes_give_the_bytes_of_threads(processes: ProcessPoolExecutor, chunk: int | None) -> None:
    """Worker processes, with leaves by time, one and seven at a time: the bytes of one thread."""
    options = SETTING | {"paths": 9 * LEAF + 17}
    there = simulate("sgd", "algorithm", **options, executor=processes, chunk=chunk)
    assert there.complete and bytes_of(there) == bytes_of(reference(paths=9 * LEAF + 17))


def test_a_loss_of_ones_own_travels(processes: ProcessPoolExecutor) -> None:
    """Its kernels are pickled by value and compiled in the worker, those of adasde go by name."""
    options: dict[str, Any] = {"loss": own_loss(), "paths": 2 * LEAF}
    there = simulate("sgd", "algorithm", **SETTING | options, executor=processes)
    assert bytes_of(there) == bytes_of(reference(**options))
    travels = own_loss().__getstate__()
    assert travels["value"] is quartic and travels["gradient"].function() is own_loss().gradient
    assert pickle.loads(pickle.dumps(own_loss())).gradient is own_loss().gradient


def test_a_loss_that_does_not_pickle_is_refused(processes: ProcessPoolExecutor) -> None:
    """By name, before anything is sent; on threads it runs."""
    loss = replace(own_loss(), noise_scale=threading.Lock())
    with pytest.raises(InvalidParameter, match=r"executor: loss = mine .* cannot pickle"):
        simulate("sgd", "algorithm", **SETTING | {"loss": loss, "paths": LEAF}, executor=processes)
    with ThreadPoolExecutor(2) as threads:
        simulate("sgd", "algorithm", **SETTING | {"loss": loss, "paths": LEAF}, executor=threads)


def test_threads_and_an_executor_are_one_too_many() -> None:
    with ThreadPoolExecutor(1) as pool, pytest.raises(InvalidParameter, match="the executor has its own workers"):
        simulate("sgd", **SETTING, paths=8, executor=pool, threads=2)


def prepared(**options: Any) -> Run:
    given = {
        "loss": "quadratic:1,3",
        "noise": "gaussian:0.5",
        "seed": 0,
        "save": 3,
        "lr": 0.1,
        "model": "sde",
    } | options
    arguments = (given["loss"], given["noise"], 20, 3 * LEAF, given["seed"], 1, None, given["save"], None, None)
    computed = {"noise_precision": "mix", "increments": "gaussian", "fast": False}
    arithmetic = Arithmetic(*(given.get(name, value) for name, value in computed.items()))
    return plan(given.get("optimizer", "sgd"), given["model"], *arguments, {"lr": given["lr"]}, arithmetic)


def test_a_run_pickles_with_its_numbers() -> None:
    """Planned once: another process takes the numbers as they are, and finds the same compiled steps."""
    run = prepared(optimizer="adam", model="order2")
    twin = pickle.loads(pickle.dumps(run))
    assert (twin.algorithm, twin.model, twin.along) == (run.algorithm, run.model, run.along)
    assert run_digest(twin) == run_digest(run) and pickle.loads(pickle.dumps(twin.moments(1))).count[0] == LEAF


@pytest.mark.parametrize(
    "change",
    [
        {"seed": 1},
        {"lr": 0.1000001},
        {"loss": "quadratic:1,3.5"},
        {"noise": "gaussian:0.6"},
        {"noise": "student-t:5:0.5"},
        {"save": 4},
        {"model": "algorithm"},
        {"optimizer": "signsgd"},
        {"noise_precision": "double"},
        {"increments": "rademacher"},
        {"fast": True},
    ],
)
def test_every_argument_is_in_the_digest(change: dict[str, Any]) -> None:
    assert run_digest(prepared()) == run_digest(prepared()) != run_digest(prepared(**change))


# Sizes of tasks


class Inline(Executor):
    """Runs at once; notes how many leaves each task had."""

    num_workers = 2

    def __init__(self, seconds: float = 0.0):
        self.sizes: list[int] = []
        self.seconds = seconds

    def submit(self, fn: Any, /, *args: Any, **kwargs: Any) -> Future[Any]:
        self.sizes.append(len(args[0]))
        future: Future[Any] = Future()
        try:
            results, _ = fn(*args)
            future.set_result((results, self.seconds * len(args[0])))
        except BaseException as error:
            future.set_exception(error)
        return future


@pytest.mark.parametrize(("seconds", "expected"), [(0.1, 5), (2.0, 1), (0.25, 2)])
def test_tasks_take_about_half_a_second(seconds: float, expected: int) -> None:
    """After first tasks of one leaf each, as many leaves as take half a second, fewer towards the end."""
    pool, leaves = Inline(seconds), Leaves(execution.timed(lambda leaf: [leaf]), 100, add)
    for _ in advance(pool, [leaves]):
        pass
    assert leaves.merged() == list(range(100)) and sum(pool.sizes) == 100
    assert pool.sizes[:4] == [1] * 4 and max(pool.sizes) == expected and pool.sizes[-1] == 1


def test_tasks_of_several_runs_interleave() -> None:
    """One run whose work raises keeps its error and stops; the others are finished."""

    def fails(leaf: int) -> int:
        if leaf == 3:
            raise ArithmeticError("leaf three")
        return leaf

    runs = [Leaves(execution.timed(work), 10, add, 1) for work in (float, fails, abs)]
    for _ in advance(Inline(), runs):
        pass
    assert [run.complete for run in runs] == [True, False, True]
    assert isinstance(runs[1].error, ArithmeticError) and not runs[1].waiting


# Workers that fail


BYTES_DO_NOT_DEPEND_ON = {"cache", "domain", "errors", "optimizers", "rules"}
"""Modules that find or refuse things: what they find is in the digest by itself."""


def test_the_digest_covers_the_code_of_a_run() -> None:
    """Every module that planning, simulating and merging load has its text in the digest, or is stated not to."""
    program = "import sys, adasde.plan, adasde.merging; print(*(m for m in sys.modules if m.startswith('adasde.')))"
    loaded = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True).stdout.split()
    own = {name.split(".")[1] for name in loaded} - {"kernels", "losses"}
    assert own - BYTES_DO_NOT_DEPEND_ON == {Path(pattern).stem for pattern in SOURCES} - {"*"}


def test_an_error_on_a_worker_reaches_the_user(processes: ProcessPoolExecutor, monkeypatch: pytest.MonkeyPatch) -> None:
    """With its type and its message; the pool goes on serving."""
    monkeypatch.setattr(execution, "code_digest", lambda: "of another version")
    with pytest.raises(RuntimeError, match="another version of adasde"):
        simulate("sgd", **SETTING, paths=LEAF, executor=processes)
    monkeypatch.undo()
    assert simulate("sgd", **SETTING, paths=LEAF, executor=processes).complete
    with pytest.raises(UnknownName):
        simulate("sgdd", **SETTING, paths=LEAF, executor=processes)


def test_workers_that_die_are_reported_with_what_is_finished() -> None:
    """A process killed in mid-run breaks its pool: the error says so, and holds the leaves that came back."""
    killed: list[Any] = []
    others = {child.pid for child in multiprocessing.active_children()}

    def kill(done: int, total: int) -> None:
        if not killed:
            killed.extend(child.pid for child in multiprocessing.active_children() if child.pid not in others)
            os.kill(killed[0], signal.SIGKILL)

    options = SETTING | {"steps": 300, "paths": 40 * LEAF}
    with (
        ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn")) as pool,
        pytest.raises(WorkersLost, match=r"lost in mid-run .*run again with fewer") as caught,
    ):
        simulate("sgd", **options, executor=pool, chunk=1, progress=kill)
    finished = caught.value.finished
    assert killed and not finished.complete and LEAF <= finished.n[-1] < 40 * LEAF and finished.n[-1] % LEAF == 0


def test_an_interrupt_keeps_what_an_executor_has_finished(processes: ProcessPoolExecutor) -> None:
    """The leaves that are done are returned, those that had not begun are given up, and the pool stays open."""

    def interrupt(done: int, total: int) -> None:
        if done > 2 * LEAF:
            raise KeyboardInterrupt

    options = SETTING | {"paths": 60 * LEAF}
    ensemble = simulate("sgd", **options, executor=processes, chunk=1, progress=interrupt)
    assert not ensemble.complete and 3 * LEAF <= ensemble.n[-1] < 20 * LEAF
    assert simulate("sgd", **SETTING, paths=LEAF, executor=processes).complete


def test_an_interrupt_in_a_worker_is_one_here() -> None:
    """Ctrl-C reaches the workers of a terminal as well, and comes back as what a task raised."""

    def interrupted(leaf: int) -> list[int]:
        if leaf == 3:
            raise KeyboardInterrupt
        return [leaf]

    leaves = Leaves(execution.timed(interrupted), 10, add, 1)
    with pytest.raises(KeyboardInterrupt):
        list(advance(Inline(), [leaves]))
    assert leaves.merged() == [0, 1, 2] and leaves.lost


# Dask


@pytest.fixture(scope="module")
def dask() -> Iterator[Any]:
    """A cluster of two worker processes on this machine, and its client."""
    distributed = pytest.importorskip("distributed")
    options: dict[str, Any] = {"host": "127.0.0.1", "dashboard_address": None, "worker_dashboard_address": None}
    with (
        distributed.LocalCluster(n_workers=2, threads_per_worker=1, processes=True, **options) as cluster,
        distributed.Client(cluster) as client,
    ):
        yield client


def files(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_a_sweep_gives_the_same_files_on_every_engine(
    dask: Any, processes: ProcessPoolExecutor, tmp_path: Path
) -> None:
    """Threads, worker processes, and a Dask cluster that is named on the command line."""
    spelled = tmp_path / "sweep.toml"
    spelled.write_text(
        '[run]\nloss = "quadratic:1,2"\nnoise = "gaussian:0.5"\nsteps = 50\npaths = 20_000\n'
        '[grid]\noptimizer = ["sgd", "signsgd"]\nlr = [0.01, 3.0]\n'
    )
    assert sweep(spelled, tmp_path / "threads").complete
    assert sweep(spelled, tmp_path / "processes", executor=processes).complete
    line = ["sweep", str(spelled), "--out", str(tmp_path / "dask"), "--scheduler", dask.scheduler.address]
    result = CliRunner().invoke(main, line)
    assert result.exit_code == 0 and "4 points: 3 done, 1 diverged" in result.stdout, result.output
    assert files(tmp_path / "threads") == files(tmp_path / "processes") == files(tmp_path / "dask")


def test_dask_gives_the_same_bytes_though_a_worker_is_killed(dask: Any) -> None:
    """Two workers, one of them killed in the middle: Dask runs its tasks elsewhere, and no byte changes."""
    options = SETTING | {"steps": 200, "paths": 24 * LEAF}
    pids = dask.run(os.getpid)
    assert len(set(pids.values())) == 2
    killed: list[int] = []

    def kill(done: int, total: int) -> None:
        if done >= 6 * LEAF and not killed:
            killed.append(next(iter(pids.values())))
            os.kill(killed[0], signal.SIGKILL)

    there = simulate("adam", **options, executor=dask.get_executor(), chunk=2, progress=kill)
    assert killed and there.complete
    assert bytes_of(there) == bytes_of(simulate("adam", **options, threads=2))
    assert killed[0] not in dask.run(os.getpid).values()
