"""The study of the networks: which curves are run, on worker processes, and kept on disk one by one.

    OUT/curves/NET/OPTIMIZER/CURVE-seedK.npz    steps, losses, seconds, and `facts`, JSON with the digest of the run

A curve that is there with the right digest is not run again, so that an interrupted study goes on where it was.
"""

from __future__ import annotations

import hashlib
import json
import zipfile
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, wait
from dataclasses import asdict, dataclass
from functools import lru_cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import numpy as np

from adasde import optimizers
from adasde.errors import UnknownName
from adasde.nets.catalog import BUNDLED, network
from adasde.nets.loss import TorchLoss
from adasde.nets.streams import Array
from adasde.nets.torch_module import require_torch
from adasde.nets.trajectory import Curve, Setting, trajectory
from adasde.sweep_store import whole

OPTIMIZERS = ("sgd", "signsgd", "rmsprop", "rmspropw", "adam", "adamw")
SAVED = 41
BATCH = 32
DECAYS: dict[str, dict[str, float]] = {
    "rmsprop": {"beta2": 0.99},
    "rmspropw": {"beta2": 0.99, "weight_decay": 0.1},
    "adam": {"beta1": 0.9, "beta2": 0.99},
    "adamw": {"beta1": 0.9, "beta2": 0.99, "weight_decay": 0.1},
}
SOURCES = (
    "architectures",
    "catalog",
    "data",
    "local_data",
    "loss",
    "memory",
    "noise_bank",
    "streams",
    "torch_module",
    "trajectory",
)


@dataclass(frozen=True)
class Plan:
    """How one network is run: precision of torch, steps in full and quickly, and learning rates by optimizer."""

    dtype: str
    steps: int
    quick: int | None
    rates: dict[str, float]


def _rates(sgd: float, signsgd: float, rmsprop: float, adam: float) -> dict[str, float]:
    return {"sgd": sgd, "signsgd": signsgd, "rmsprop": rmsprop, "rmspropw": rmsprop, "adam": adam, "adamw": adam}


PAPER_RATE = 1e-4
"""Learning rate that Compagnoni et al. 2025 print for their ResNet on CIFAR-10."""
PLANS = {
    "mlp-breast-cancer": Plan("float64", 1000, 500, _rates(0.05, 0.002, 0.002, 0.003)),
    "mlp10-breast-cancer": Plan("float64", 2000, None, _rates(0.05, 0.0005, 0.0005, 0.001)),
    "cnn-digits": Plan("float32", 800, 200, _rates(0.05, 0.001, 0.001, 0.002)),
    "resnet-digits": Plan("float32", 600, 150, _rates(0.03, 0.001, 0.001, 0.001)),
    "vit-digits": Plan("float32", 800, 100, _rates(0.03, 0.001, 0.001, 0.002)),
    "char-transformer": Plan("float32", 800, 100, _rates(0.2, 0.002, 0.001, 0.004)),
    "cnn-mnist": Plan("float32", 500, None, _rates(0.05, 0.0005, 0.0005, 0.001)),
    "vit-mnist": Plan("float32", 500, None, _rates(0.03, 0.0005, 0.0005, 0.001)),
    "resnet-cifar10": Plan("float32", 500, None, _rates(0.02, PAPER_RATE, PAPER_RATE, PAPER_RATE)),
}
"""Without a quick plan: in full only, and where the data is the user's own, only where it is asked for by name.

Learning rates were chosen among a few, by factors of two, from runs of one seed: on bundled data the loss of
minibatches falls without getting stuck, in the quick and in the full number of steps, and the models with full and
diagonal Sigma stay near it in their first steps. Adam's on the ResNet is half of what minibatches bear, because at
0.002 its diagonal model jumps to twice the initial loss; SGD's there is 0.03, because at 0.05 one of three seeds has a
spike, and from 0.2 on it is stuck at the loss of chance.
On MNIST and CIFAR-10 nothing was run, for want of the files: there the paper's rate is taken where our notes have one,
but for SGD, which would hardly move at it within the steps, and the rest are guesses from the smaller networks."""


@dataclass(frozen=True)
class Task:
    """One curve of one optimizer on one network under one seed."""

    net: str
    dtype: str
    curve: Curve
    setting: Setting
    seed: int

    def path(self, out: Path) -> Path:
        return out / "curves" / self.net / self.setting.optimizer / f"{self.curve.name}-seed{self.seed}.npz"


@dataclass(frozen=True)
class Finished:
    """A task and its losses after the saved steps; message says what it raised, if anything."""

    task: Task
    losses: Array
    seconds: float
    message: str = ""
    kept: bool = False


def curves(optimizer: str) -> tuple[Curve, ...]:
    """The optimizer on real minibatches and with injected noise, and its models; signs also by their empirical law."""
    found = [Curve("algorithm", "minibatch"), Curve("algorithm", "full")]
    found += [Curve("sde", noise, substeps) for noise in ("full", "diagonal") for substeps in (1, 4)]
    if optimizer == "signsgd":
        found += [Curve("sde", "empirical", substeps) for substeps in (1, 4)]
    published = [model for model in optimizers.models(optimizer) if model not in ("algorithm", "sde", "order2")]
    return (*found, *(Curve(model, "full") for model in published))


def planned(nets: Sequence[str] | None, chosen: Sequence[str] | None, quick: bool, seeds: int) -> list[Task]:
    """All tasks of a study, optimizer by optimizer. Raises `UnknownName` for a network or optimizer not in it."""
    names = list(nets or (name for name in BUNDLED if not quick or PLANS[name].quick))
    for name in names:
        if name not in PLANS:
            raise UnknownName("net", name, PLANS)
    for name in chosen or ():
        if name not in OPTIMIZERS:
            raise UnknownName("optimizer", name, OPTIMIZERS)
    tasks = []
    for name in names:
        plan = PLANS[name]
        steps = plan.quick if quick and plan.quick else plan.steps
        saved = tuple(np.unique(np.linspace(0, steps, SAVED).round().astype(int)).tolist())
        for optimizer in chosen or OPTIMIZERS:
            values = {"lr": plan.rates[optimizer], **DECAYS.get(optimizer, {})}
            setting = Setting(optimizer, values, BATCH, steps, saved)
            tasks += [Task(name, plan.dtype, c, setting, seed) for seed in range(seeds) for c in curves(optimizer)]
    return tasks


def run_tasks(
    tasks: Sequence[Task], out: Path, processes: int, progress: Callable[[int, int, Finished], None]
) -> tuple[list[Finished], bool]:
    """Runs what is not in the folder ``out`` yet; the tasks that ended, in order, and whether that was all of them.

    On an interrupt, tasks that run are waited for and kept, and the others are given up. A task that raises is reported
    by its message and stops no other.
    """
    from adasde.sweep_run import worker_processes

    ended: dict[Path, Finished] = {}

    def took(finished: Finished) -> None:
        ended[finished.task.path(out)] = finished
        progress(len(ended), len(tasks), finished)

    for found in filter(None, (stored(task, out) for task in tasks)):
        took(found)
    left = iter([task for task in tasks if task.path(out) not in ended])
    complete = True
    if len(ended) < len(tasks):
        for name in dict.fromkeys(task.net for task in tasks):
            loss_of(name, "float64")  # what is missing or wrong is said here, once, before anything runs
        with worker_processes(processes) as pool:
            complete = _drain(pool, left, out, processes, took)
    if not complete:  # what had ended when the interrupt came, and was not taken
        ended |= {one.task.path(out): one for one in (stored(task, out) for task in tasks) if one is not None}
    return [ended[path] for path in (task.path(out) for task in tasks) if path in ended], complete


def _drain(pool: Any, left: Iterator[Task], out: Path, processes: int, took: Callable[[Finished], None]) -> bool:
    running: set[Future[Finished]] = set()
    try:
        while True:
            for task in left:
                running.add(pool.submit(run_task, task, out))
                if len(running) > processes:
                    break
            if not running:
                return True
            done, running = wait(running, return_when=FIRST_COMPLETED)
            for future in done:
                took(future.result())
    except KeyboardInterrupt:
        for future in running:
            future.cancel()
        wait(running)
        return False


def run_task(task: Task, out: Path) -> Finished:
    """Runs a task in this process, on one thread of torch and of numpy, and stores its curve."""
    from threadpoolctl import threadpool_limits

    require_torch().set_num_threads(1)
    try:
        with threadpool_limits(1, user_api="blas"):
            found = trajectory(loss_of(task.net, task.dtype), task.curve, task.setting, task.seed)
    except Exception as error:
        nothing = np.full(len(task.setting.saved), np.nan)
        return Finished(task, nothing, 0.0, f"{type(error).__name__}: {error}")
    _write(task, out, found.losses, found.seconds)
    return Finished(task, found.losses, found.seconds)


def stored(task: Task, out: Path) -> Finished | None:
    """The curve of a task where the folder holds it, whole and of the same digest."""
    try:
        with np.load(task.path(out), allow_pickle=False) as file:
            facts = json.loads(str(file["facts"]))
            if facts["digest"] == digest(task):
                return Finished(task, file["losses"], float(file["seconds"]), kept=True)
    except (OSError, KeyError, ValueError, zipfile.BadZipFile):
        pass
    return None


def _write(task: Task, out: Path, losses: Array, seconds: float) -> None:
    """Whole or not at all."""
    facts = json.dumps({**asdict(task), "digest": digest(task)})
    with whole(task.path(out)) as file:
        np.savez(file, steps=np.array(task.setting.saved), losses=losses, seconds=seconds, facts=facts)


def digest(task: Task) -> str:
    """Digest of all that a curve depends on: the task, the code, the kernels, and the versions of torch and data."""
    return hashlib.sha256(f"{_code(task.setting.optimizer)} {task!r}".encode()).hexdigest()


@lru_cache
def _code(optimizer: str) -> str:
    texts = [(Path(__file__).parent / f"{name}.py").read_bytes() for name in SOURCES]
    texts.append(Path(str(optimizers.kernels(optimizer).__file__)).read_bytes())
    for package in ("adasde", "torch", "scikit-learn"):
        try:
            texts.append(version(package).encode())
        except PackageNotFoundError:
            texts.append(b"none")
    return hashlib.sha256(b"\0".join(texts)).hexdigest()


@lru_cache(maxsize=2)
def loss_of(net: str, dtype: str) -> TorchLoss:
    """The network, built once per process."""
    return network(net, dtype)
