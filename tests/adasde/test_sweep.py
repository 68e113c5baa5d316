"""Sweeps: every point is checked first, stored as it ends, never calculated twice, and the same bytes everywhere."""

from __future__ import annotations

import importlib.util
import json
import os
import re
import signal
import subprocess
import sys
import time
import zipfile
from collections.abc import Callable, Iterator
from concurrent.futures import Executor, Future
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner, Result

import adasde.cuda
from adasde import InvalidParameter, MissingData, cuda_work, read_sweep, simulate, sweep, sweep_run
from adasde.cli import main
from adasde.ensemble import Moments
from adasde.execution import WorkersLost
from adasde.run import Run
from adasde.sweep_store import whole

EXAMPLE = Path(__file__).parents[2] / "examples" / "sweep.toml"
COMMON = {"loss": "quadratic:1,2", "noise": "gaussian:0.5", "steps": 40, "paths": 3 * 4096 + 5}
SMALL: dict[str, Any] = {
    "run": COMMON,
    "grid": [
        {"optimizer": ["sgd", "signsgd"], "lr": [0.01, 0.02]},
        {"optimizer": "adam", "model": "algorithm", "noise": "student-t:5:0.5", "init": {"v": 0.25}},
    ],
}
LONG = """
[run]
loss = "quadratic:1,2"
noise = "gaussian:0.5"
steps = 1000
paths = 20_000
[grid]
optimizer = ["signsgd"]
seed = [0, 1, 2, 3, 4, 5]
"""


def contents(folder: Path) -> dict[str, bytes]:
    """All files of a sweep."""
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def run(*arguments: str | Path) -> Result:
    return CliRunner().invoke(main, ["sweep", *map(str, arguments)])


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The small sweep on one thread."""
    folder = tmp_path_factory.mktemp("small")
    assert sweep(SMALL, folder, threads=1).complete
    return folder


# What is stored


def test_points_are_what_simulate_gives(small: Path) -> None:
    """Five points in the order of the grids; each reads back as the ensemble of the same arguments, bit for bit, and
    its line holds the end of it."""
    result = read_sweep(small)
    varied = [(p.parameters["optimizer"], p.parameters["lr"], p.parameters["model"]) for p in result.points]
    assert varied[:4] == [(name, lr, "sde") for name in ("sgd", "signsgd") for lr in (0.01, 0.02)]
    assert varied[4] == ("adam", 0.001, "algorithm") and [p.point for p in result.points] == [1, 2, 3, 4, 5]
    last = SMALL["grid"][1]
    arguments = [{"optimizer": name, "lr": lr, "model": model, **COMMON} for name, lr, model in varied[:4]]
    for number, options in enumerate([*arguments, COMMON | last], 1):
        ensemble, stored = simulate(**options), result.ensemble(number)
        assert stored.to_dict() == ensemble.to_dict()
        for name in Moments.ARRAYS:
            assert getattr(stored.moments, name).tobytes() == getattr(ensemble.moments, name).tobytes()
        for one, other in zip(stored.moments.sketch.histogram, ensemble.moments.sketch.histogram, strict=True):
            assert one.tobytes() == other.tobytes()
        point = result.points[number - 1]
        assert (point.status, point.diverged, point.paths) == ("done", 0, COMMON["paths"])
        assert (point.loss_mean, point.loss_se) == (ensemble.loss_mean[-1], ensemble.loss_se[-1])
    with pytest.raises(MissingData, match="no result of point 6"):
        result.ensemble(6)


def test_a_point_reads_without_adasde(small: Path) -> None:
    """numpy alone reads arrays and facts; the archive holds no date."""
    point = read_sweep(small).points[0]
    with np.load(small / point.file, allow_pickle=False) as arrays:
        facts = json.loads(str(arrays["facts"]))
        assert facts["optimizer"] == "sgd" and facts["digest"] == point.digest and facts["adasde"] == point.adasde
        assert arrays["times"].shape == arrays["loss_mean"].shape == (11,) and arrays["var"].shape == (11, 2)
        assert arrays["loss_mean"][-1] == point.loss_mean
    with zipfile.ZipFile(small / point.file) as archive:
        assert {member.date_time for member in archive.infolist()} == {(1980, 1, 1, 0, 0, 0)}


def test_points_are_computed_as_asked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Noise precision, increments and contraction, for all points or as axes: the bytes of `simulate`, under digests of
    their own, which a second run finds again."""
    run = COMMON | {"increments": "rademacher"}
    axes = [{"fast": [False, True]}, {"increments": "gaussian", "noise_precision": ["mix", "double"]}]
    spelled = {"run": run, "grid": [{"optimizer": "signsgd", **axis} for axis in axes]}
    result = sweep(spelled, tmp_path)
    asked = [{"noise_precision": "mix", "increments": "rademacher", "fast": fast} for fast in (False, True)]
    asked += [{"noise_precision": p, "increments": "gaussian", "fast": False} for p in ("mix", "double")]
    for number, (options, point) in enumerate(zip(asked, result.points, strict=True), 1):
        ensemble, stored = simulate("signsgd", **COMMON | options), result.ensemble(number)
        assert {name: point.parameters[name] for name in options} == options
        for name in Moments.ARRAYS:
            assert getattr(stored.moments, name).tobytes() == getattr(ensemble.moments, name).tobytes(), options
    assert len({point.digest for point in result.points}) == 4
    assert len({point.loss_mean for point in result.points[1:]}) == 3
    leaves = counted_leaves(monkeypatch)
    assert sweep(spelled, tmp_path).kept == 4 and not leaves


@pytest.mark.parametrize("threads", [2, 3])
def test_threads_give_the_same_files(small: Path, threads: int, tmp_path: Path) -> None:
    sweep(SMALL, tmp_path, threads=threads)
    assert contents(tmp_path) == contents(small)


def test_equal_points_are_calculated_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A seed that is named twice, and a hyperparameter under another name: three lines, one file."""
    leaves = counted_leaves(monkeypatch)
    grid = [{"optimizer": "sgd", "seed": [1, 1], "lr": 0.1}, {"optimizer": "sgd", "seed": 1, "eta": 0.1}]
    result = sweep({"run": COMMON, "grid": grid}, tmp_path)
    assert len(result.points) == 3 and len({point.file for point in result.points}) == 1 and len(leaves) == 4


def counted_leaves(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The leaves that are calculated from now on."""
    seen: list[int] = []
    moments = Run.moments

    def noted(self: Run, number: int) -> Moments:
        seen.append(number)
        return moments(self, number)

    monkeypatch.setattr(Run, "moments", noted)
    return seen


# Resuming


def test_what_is_there_is_kept(small: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A second run calculates nothing; a grid that grew, only what is new; a damaged file, that one; --fresh, all."""
    for name, data in contents(small).items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(data)
    leaves = counted_leaves(monkeypatch)
    assert sweep(SMALL, tmp_path).kept == 5 and not leaves and contents(tmp_path) == contents(small)
    grown = {"run": COMMON, "grid": [{"optimizer": ["sgd"], "lr": [0.04]}, *SMALL["grid"]]}
    assert sweep(grown, tmp_path).kept == 5 and len(leaves) == 4
    damaged = next((tmp_path / "points").glob("adam*"))
    damaged.write_bytes(damaged.read_bytes()[:-100])
    (tmp_path / "index.jsonl").unlink()
    leaves.clear()
    assert sweep(SMALL, tmp_path).kept == 4 and len(leaves) == 4
    assert set(contents(small).items()) < set(contents(tmp_path).items())
    leaves.clear()
    assert sweep(SMALL, tmp_path, fresh=True).kept == 0 and len(leaves) == 20
    assert set(contents(small).items()) < set(contents(tmp_path).items())


def test_a_file_that_changed_is_another_point(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The digest is of the matrix, not of the name of its file."""
    spelled = {"run": COMMON | {"loss": f"quadratic:@{tmp_path / 'H.npy'}"}, "grid": {"optimizer": ["sgd"]}}
    np.save(tmp_path / "H.npy", np.diag([1.0, 2.0]))
    first = sweep(spelled, tmp_path / "out").points[0]
    np.save(tmp_path / "H.npy", np.diag([1.0, 2.5]))
    leaves = counted_leaves(monkeypatch)
    second = sweep(spelled, tmp_path / "out").points[0]
    assert leaves and first.digest != second.digest and first.loss_mean != second.loss_mean


def test_a_file_is_written_whole_or_not_at_all(tmp_path: Path) -> None:
    """What is being written appears under its name when it is complete; an error leaves what was there before."""
    path = tmp_path / "points" / "a.npz"
    for text in (b"first", b"second"):
        with whole(path) as file:
            file.write(text)
            file.flush()
            assert not path.exists() or path.read_bytes() == b"first"
        assert path.read_bytes() == text and list(path.parent.iterdir()) == [path]
    with pytest.raises(OSError, match="disk"), whole(path) as file:
        file.write(b"th")
        raise OSError("the disk is full")
    assert [(file.name, file.read_bytes()) for file in path.parent.iterdir()] == [("a.npz", b"second")]


def test_an_index_that_was_cut_off(small: Path, tmp_path: Path) -> None:
    """Half a last line is not read; nothing at all is an error that says what to do."""
    text = (small / "index.jsonl").read_bytes()
    (tmp_path / "index.jsonl").write_bytes(text[:-40])
    assert [point.point for point in read_sweep(tmp_path).points] == [1, 2, 3, 4]
    with pytest.raises(MissingData, match=r"no index\.jsonl"):
        read_sweep(tmp_path / "elsewhere")


@pytest.fixture(scope="module")
def long(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """A sweep long enough to be stopped in the middle: its file, and its results without a stop."""
    folder = tmp_path_factory.mktemp("long")
    (folder / "sweep.toml").write_text(LONG)
    sweep(folder / "sweep.toml", folder / "out")
    return folder / "sweep.toml", folder / "out"


def in_a_process(file: Path, out: Path, *options: str) -> subprocess.Popen[str]:
    program = "from adasde.cli import main\nif __name__ == '__main__':\n    main()"
    script = out.parent / "program.py"
    script.write_text(program)
    line = [sys.executable, str(script), "sweep", str(file), "--out", str(out), *options]
    return subprocess.Popen(line, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def lines_in(out: Path) -> int:
    return (out / "index.jsonl").read_text().count("\n") if (out / "index.jsonl").is_file() else 0


@pytest.mark.parametrize("how", ["SIGINT", "SIGKILL with worker processes"])
def test_a_sweep_that_is_stopped_goes_on(
    long: tuple[Path, Path], how: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Ctrl-C ends with exit code 130 and says how to go on; whether interrupted or killed, all points that had ended by
    then are there, are not touched by the next run, and all files are the bytes of a run without a stop."""
    file, out = long[0], tmp_path / "out"
    options = ("--processes", "2") if "processes" in how else ("--threads", "1")
    process = in_a_process(file, out, *options)
    while lines_in(out) < 2 and process.poll() is None:
        time.sleep(0.01)
    ended = lines_in(out)
    process.send_signal(signal.Signals[how.split()[0]])
    _, told = process.communicate(timeout=60)
    assert process.returncode == (130 if how == "SIGINT" else -9), told
    before = {path: path.stat().st_mtime_ns for path in (out / "points").glob("*.npz")}
    assert 2 <= ended <= len(before) < 6
    if how == "SIGINT":
        assert re.search(rf"interrupted: {len(before)} points are in .*; the same command goes on", told)
        assert "Traceback" not in told
    assert len(read_sweep(out).points) == len(before) or how != "SIGINT"
    leaves = counted_leaves(monkeypatch)
    assert sweep(file, out).kept == len(before) and len(leaves) == 5 * (6 - len(before))
    assert {path: path.stat().st_mtime_ns for path in before} == before
    left = [name for name in contents(out) if name.endswith(".part")]
    assert {name: data for name, data in contents(out).items() if name not in left} == contents(long[1])


# Points and workers that fail


def test_a_point_that_fails_stops_no_other(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """One point diverges and one raises: both are reported, the others are stored, and the exit code is 1. The next
    run calculates only the one that failed."""
    file = tmp_path / "sweep.toml"
    file.write_text(
        '[run]\nloss = "quadratic:1,3"\nnoise = "gaussian:0.5"\nsteps = 120\npaths = 5000\n'
        '[grid]\noptimizer = "sgd"\nmodel = "algorithm"\nlr = [0.1, 3.0, 0.2, 0.3]\n'
    )
    moments = Run.moments

    def fails(self: Run, number: int) -> Moments:
        if self.values["lr"] == 0.2:
            raise MemoryError("no room for this point")
        return moments(self, number)

    with monkeypatch.context() as patch:
        patch.setattr(Run, "moments", fails)
        result = run(file, "--out", tmp_path / "out")
    assert result.exit_code == 1
    assert "point 2 (optimizer sgd, model algorithm, lr 3.0, seed 0) diverged: 5000 of 5000 paths\n" in result.stderr
    assert "point 3 (optimizer sgd, model algorithm, lr 0.2, seed 0) failed: MemoryError: no room" in result.stderr
    assert result.stderr.endswith(f"1 of 4 points failed; see their messages in {tmp_path / 'out'}/index.jsonl\n")
    assert "4 points: 2 done, 1 diverged, 1 failed" in result.stdout
    statuses = [point.status for point in read_sweep(tmp_path / "out").points]
    assert statuses == ["done", "diverged", "failed", "done"]
    again = run(file, "--out", tmp_path / "out", "--json")
    data = json.loads(again.stdout)
    assert again.exit_code == 0 and not again.stderr
    assert (data["kept"], data["done"], data["diverged"], data["failed"]) == (3, 3, 1, 0)
    assert data["points"][1]["diverged"] == 5000 and data["points"][1]["loss_mean"] is None


class Fragile(Executor):
    """Runs at once, and breaks, as a pool of processes does, on leaves that ``kill`` picks."""

    _max_workers = 1

    def __init__(self, kill: Callable[[Any, range], bool]):
        self.kill, self.broken = kill, False

    def submit(self, fn: Any, /, *args: Any, **kwargs: Any) -> Future[Any]:
        future: Future[Any] = Future()
        self.broken = self.broken or self.kill(fn, args[0])
        if self.broken:
            future.set_exception(BrokenProcessPool("a process died"))
        else:
            future.set_result(fn(*args))
        return future


def fragile(monkeypatch: pytest.MonkeyPatch, kill: Callable[[Any, range], bool]) -> list[int]:
    """Puts `Fragile` in the place of worker processes; returns the sizes of the pools that were opened."""
    opened: list[int] = []

    @contextmanager
    def pool(count: int) -> Iterator[Executor]:
        opened.append(count)
        yield Fragile(kill)

    monkeypatch.setattr(sweep_run, "worker_processes", pool)
    return opened


def test_lost_workers_are_replaced(small: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A process that is killed once: its leaves are handed out again, and no byte differs."""
    tasks: list[range] = []

    def third(work: Any, leaves: range) -> bool:
        tasks.append(leaves)
        return len(tasks) == 3

    opened = fragile(monkeypatch, third)
    assert sweep(SMALL, tmp_path, processes=2).complete
    assert opened == [2, 2] and contents(tmp_path) == contents(small)


def test_a_point_that_kills_its_workers_has_failed(
    small: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Tried twice with others and once alone; its neighbours, lost with it, are finished."""
    described = sweep_run.leaves_of(sweep_run.read_points(SMALL)[2].run, Fragile(lambda work, leaves: False)).work
    fragile(monkeypatch, lambda work, leaves: work == described)
    result = sweep(SMALL, tmp_path, processes=2)
    assert [point.status for point in result.points] == ["done", "done", "failed", "done", "done"]
    assert "WorkersLost: worker processes were lost in mid-run (a process died)" in result.points[2].message
    lacking = set(contents(small)) - set(contents(tmp_path))
    assert lacking == {read_sweep(small).points[2].file}


def test_workers_that_cannot_start_are_no_points_fault(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where no worker ever returns anything the sweep ends with that, rather than with every point failed."""
    opened = fragile(monkeypatch, lambda work, leaves: True)
    with pytest.raises(WorkersLost):
        sweep(SMALL, tmp_path, processes=2)
    assert len(opened) == 3 and not read_sweep(tmp_path).points


def test_worker_processes_live_as_long_as_their_parent(tmp_path: Path) -> None:
    """Killed without notice, a parent leaves no orphans."""
    script = tmp_path / "parent.py"
    script.write_text(
        "import os, signal\nfrom adasde.sweep_run import worker_processes\n"
        "if __name__ == '__main__':\n    with worker_processes(1) as pool:\n"
        "        print(pool.submit(os.getpid).result(), flush=True)\n        os.kill(os.getpid(), signal.SIGKILL)\n"
    )
    child = int(subprocess.run([sys.executable, str(script)], capture_output=True, text=True, timeout=60).stdout)
    for _ in range(500):
        try:
            os.kill(child, 0)
        except ProcessLookupError:
            return
        time.sleep(0.01)
    pytest.fail(f"worker {child} outlives its parent by five seconds")


# What is refused, before anything runs


@pytest.mark.parametrize(
    ("grid", "message"),
    [
        ({"optimizer": ["sgd"], "lr": [0.1, -1]}, r"point 2 \(optimizer = sgd, lr = -1\): sgd: lr = -1 .* \(0, inf\)"),
        ({"optimizer": ["sgd"], "stesp": 5}, r"argument = 'stesp' .* did you mean 'steps'\?"),
        ({"optimizer": ["adam", "sgd"], "beta1": [0.9]}, r"point 2 .* 'beta1' .* it belongs to adam, adamw; give them"),
        ({"optimizer": ["sgdd"]}, r"point 1 \(optimizer = sgdd\): optimizer = 'sgdd' .* did you mean 'sgd'\?"),
        ({"optimizer": "sgd", "model": ["sde", "sed"]}, r"point 2 .*: sgd: model = 'sed' .* did you mean 'sde'\?"),
        ({"optimizer": "sgd", "lr": ["0.1"]}, "lr = '0.1' is outside the numbers: write numbers without quotes"),
        ({"optimizer": "sgd", "lr": [True]}, "lr = True is outside the numbers"),
        ({"optimizer": "sgd", "x0": [[1.0, True]]}, r"x0 = \[1.0, True\] is outside the numbers"),
        ({"optimizer": "sgd", "x0": [1.0, -1.0]}, r"x0: number of entries = 1 is outside \{2\}"),
        ({"optimizer": "adam", "init": {"v": -1.0}}, r"init: v = -1.0 is outside \[0, inf\)"),
        ({"optimizer": "sgd", "seed": [1.5]}, "seed = 1.5 is outside"),
        ({"optimizer": "sgd", "noise_precision": ["doubel"]}, r"noise_precision = 'doubel' .* did you mean 'double'\?"),
        ({"optimizer": "sgd", "increments": [True]}, "increments = True is outside the texts"),
        ({"optimizer": "sgd", "fast": ["no"]}, r"fast = 'no' is outside \{true, false\}: say whether"),
        ({"optimizer": "sgd", "noise": 0.5}, "noise = 0.5 is outside the texts"),
        ({"optimizer": "adam", "noise": ["student-t:3:1"]}, "adam, model sde: student-t nu = 3 is outside"),
        ({"optimizer": "sgd", "seed": []}, r"grid: seed = \[\] is outside"),
        ({}, "point 1: optimizer = missing is outside the arguments of a run: give it in"),
        (3, r"sweep: grid = 3 is outside the tables"),
    ],
)
def test_a_point_that_is_not_valid_is_named(grid: Any, message: str, tmp_path: Path) -> None:
    """Number, arguments, parameter, domain and remedy; no folder is made and nothing runs."""
    with pytest.raises(InvalidParameter, match=message):
        sweep({"run": COMMON, "grid": grid}, tmp_path / "out")
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("text", "options", "code", "message"),
    [
        ("[grids]\noptimizer = ['sgd']", (), 2, "table = 'grids' is outside {grid, run}: did you mean 'grid'?"),
        ("lr = 1", (), 2, "table = 'lr' is outside {grid, run}: arguments go below [run] or [grid]"),
        ("[grid", (), 2, "is outside the TOML files: Expected ']'"),
        (None, (), 3, "sweep: no file"),
        ("", ("--threads", "1", "--processes", "2"), 2, "at most one of --threads, --processes and --scheduler"),
        ("", ("--scheduler", "nonsense"), 2, "scheduler = nonsense is outside the running Dask schedulers"),
    ],
)
def test_a_file_that_is_not_valid(
    text: str | None, options: tuple[str, ...], code: int, message: str, tmp_path: Path
) -> None:
    file = tmp_path / "sweep.toml"
    if text is not None:
        file.write_text(text)
    result = run(file, "--out", tmp_path / "out", *options)
    assert result.exit_code == code and message in result.stderr.replace("\n", " ")
    assert not (tmp_path / "out").exists()


# Points on a GPU; in numba's simulator: tests/kernels/test_cuda.py


GPU = {"run": COMMON, "grid": [{"optimizer": "sgd"}, {"optimizer": "sgd", "lr": [0.1], "device": "cuda"}]}


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"device": "gpu"}, r"point 2 \(.*\): device = 'gpu' is outside \{cpu, cuda\}"),
        ({"device": True}, "device = True is outside the texts"),
        ({"precision": "float16"}, r"point 2 .*: precision = float16 is outside \{float32, float64\}"),
        ({"device": "cpu", "precision": "float32"}, r"precision = float32 is outside \{float64\}: .* --device cuda"),
        ({"fast": True}, r"point 2 .*: device cuda: fast = True is outside \{False\}"),
        (
            {"optimizer": "sgld", "model": "algorithm"},
            "point 2 .*: model = algorithm .*: the optimizer's step needs draws",
        ),
        ({"keep_paths": 1}, "argument = 'keep_paths' is outside"),
    ],
)
def test_a_point_that_no_gpu_can_do_is_named(
    changes: dict[str, Any], message: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, own_cache: None
) -> None:
    """Before anything runs, and whether there is a GPU or not."""
    monkeypatch.setattr(adasde.cuda, "require_package", lambda: None)
    grid = [GPU["grid"][0], GPU["grid"][1] | changes]
    with pytest.raises(InvalidParameter, match=message):
        sweep({"run": COMMON, "grid": grid}, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_a_point_without_the_package_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without numba-cuda: the point, what to install, and no folder."""
    find = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None if name == "numba_cuda" else find(name))
    with pytest.raises(MissingData, match=r"sweep: point 2 \(.*device = cuda\): .*numba-cuda is not installed"):
        sweep(GPU, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_workers_without_a_gpu_are_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where threads or processes are to calculate, this machine is asked; of an executor, a worker. Points on a CPU
    alone ask nobody."""
    asked: list[Any] = []

    def missing() -> None:
        asked.append(None)
        raise MissingData("device cuda: no GPU that CUDA can use was found")

    monkeypatch.setattr(adasde.cuda, "require_package", lambda: None)
    monkeypatch.setattr(cuda_work, "require_here", missing)
    elsewhere = Elsewhere()
    for options in ({}, {"threads": 1}, {"processes": 1}, {"executor": elsewhere}):
        with pytest.raises(MissingData, match="no GPU that CUDA can use was found"):
            sweep(GPU, tmp_path / "out", **options)
    assert len(asked) == 4 and elsewhere.tasks == [missing] and not (tmp_path / "out").exists()
    assert sweep({"run": COMMON, "grid": GPU["grid"][:1]}, tmp_path / "out").complete and len(asked) == 4


class Elsewhere(Executor):
    """Workers that may be on other machines; notes what it is given."""

    def __init__(self) -> None:
        self.tasks: list[Any] = []

    def submit(self, function: Any, /, *arguments: Any, **options: Any) -> Future[Any]:
        self.tasks.append(function)
        future: Future[Any] = Future()
        try:
            future.set_result(function(*arguments, **options))
        except Exception as error:
            future.set_exception(error)
        return future


def test_a_point_that_fails_on_its_gpu_stops_no_other(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A worker without a GPU, or of another version: the line says so, and the points on CPUs are there."""
    monkeypatch.setattr(adasde.cuda, "require_package", lambda: None)
    monkeypatch.setattr(cuda_work, "require_workers", lambda executor: None)
    monkeypatch.setattr(cuda_work, "require_here", Elsewhere)
    monkeypatch.setattr(cuda_work, "device_code_digest", iter(["here", "there"]).__next__)
    result = sweep(GPU, tmp_path / "out")
    assert [point.status for point in result.points] == ["done", "failed"]
    assert "another version of adasde" in result.points[1].message


@pytest.mark.parametrize("count", ["threads", "processes"])
def test_no_workers_at_all(count: str, tmp_path: Path) -> None:
    with pytest.raises(InvalidParameter, match=f"{count} = 0 is outside"):
        sweep(SMALL, tmp_path / "out", **{count: 0})


def test_a_folder_that_cannot_be_written(tmp_path: Path) -> None:
    (tmp_path / "out").write_text("a file")
    with pytest.raises(InvalidParameter, match="is outside the folders that can be written"):
        sweep(SMALL, tmp_path / "out")


def test_the_example(tmp_path: Path) -> None:
    """Runs as it is: 23 points, of which one diverges, in a table of the arguments that differ."""
    result = run(EXAMPLE, "--out", tmp_path)
    assert result.exit_code == 0, result.output
    assert "23 points: 22 done, 1 diverged" in result.stdout and "point 23" in result.stderr
    header = next(line for line in result.stdout.splitlines() if "status" in line)
    assert header.replace("┃", " ").split()[:7] == ["point", "optimizer", "model", "seed", "x0", "start", "lr"]
