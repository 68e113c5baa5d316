"""Ensembles of optimizer paths and of their SDE models."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Executor, ThreadPoolExecutor
from contextlib import closing, contextmanager
from dataclasses import replace
from typing import Any, TypeVar

from numpy.typing import ArrayLike

from adasde.arithmetic import Arithmetic
from adasde.domain import counted, whole
from adasde.ensemble import Ensemble
from adasde.errors import InvalidParameter, UnknownName
from adasde.execution import Leaves, WorkersLost, advance, leaves_of, timed
from adasde.losses.base import Loss
from adasde.noise import Noise
from adasde.plan import plan
from adasde.run import Run

Leaf = TypeVar("Leaf")
Progress = Callable[[int, int], None]
DEVICES = ("cpu", "cuda")


def simulate(
    optimizer: str,
    model: str = "sde",
    *,
    loss: Loss | str,
    noise: Noise | str,
    steps: int,
    paths: int,
    seed: int = 0,
    substeps: int = 1,
    start: int | None = None,
    save: int | Sequence[int] = 11,
    x0: ArrayLike | None = None,
    init: Mapping[str, float] | None = None,
    threads: int | None = None,
    chunk: int | None = None,
    executor: Executor | None = None,
    progress: Progress | None = None,
    noise_precision: str = "mix",
    increments: str = "gaussian",
    fast: bool = False,
    device: str = "cpu",
    precision: str = "float64",
    keep_paths: int = 0,
    **hyperparameters: float,
) -> Ensemble:
    """Simulates ``paths`` independent paths for ``steps`` optimizer steps and returns their moments.

    model     ``algorithm`` (the optimizer itself) or an SDE model, integrated by Euler-Maruyama with time step
              eta/substeps
    start     optimizer steps before the SDE takes over with the state (x, m, v) that they produced; 0 by default,
              `DEFAULT_START` for models that are singular at the initial state
    save      number of saved times, spread evenly over 0 ... steps, or the saved steps themselves
    x0, init  starting point (d,) and starting values of further states, e.g. ``init={"v": 0.25}``; zeros by default
    threads   worker threads (all processors by default); the result is the same bytes whatever the number, and
              whatever ``chunk``, the leaves of paths handed to a worker at a time (one for threads; for an executor
              as many as take about half a second)
    executor  instead of threads any `concurrent.futures.Executor`: a process pool, ``Client.get_executor()`` of
              dask.distributed, an MPI pool; the same bytes again. It stays open
    progress  called as progress(paths done, paths)
    noise_precision, increments, fast   how it computes, see `adasde.arithmetic.Arithmetic`
    device    ``cpu`` or ``cuda``; same draws, so that the results differ by rounding alone. What a GPU does not do is
              refused by name: threads, chunk, executor, keep_paths, other arithmetic
    precision ``float64`` or, on a GPU, ``float32``: of the state; the moments are in float64 always
    keep_paths  K: keep x of the paths 0 ... K - 1 one by one, as ``Ensemble.samples``

    Hyperparameters go by their names (``lr``, ``beta1``, ``weight_decay``, ...). The optimizer and an SDE with
    substeps=1 share their draws. Raises `InvalidParameter` and its kin for anything outside its domain; a path that
    blows up is counted in ``diverged`` and averaged nowhere. An interrupt returns the moments of what is finished.
    An executor whose workers die raises `adasde.execution.WorkersLost` with that result in ``finished``.
    """
    arithmetic, gpu = Arithmetic(noise_precision, increments, fast), on_gpu(device, precision)
    if gpu:
        no_workers(threads=threads, chunk=chunk, executor=executor)
    run = plan(
        optimizer, model, loss, noise, steps, paths, seed, substeps, start, save, x0, init, hyperparameters, arithmetic
    )
    domain, remedy = f"[0, paths = {run.paths}]", "the first K paths of the run are kept"
    run = replace(run, kept=whole("keep_paths", keep_paths, domain, remedy, 0, run.paths + 1))
    if gpu:
        from adasde.cuda import simulate_on_gpu

        return simulate_on_gpu(run, precision, progress)
    if chunk is not None or executor is None:
        chunk = counted("chunk", 1 if chunk is None else chunk)
    leaves = leaves_of(run, executor, chunk)
    with workers(executor, threads) as pool:
        try:
            finish(leaves, pool, report_paths(run, progress))
        except WorkersLost as lost:
            if leaves.done:
                lost.finished = run.ensemble(leaves.merged(), False)
            raise
    return run.ensemble(leaves.merged(), leaves.complete)


@contextmanager
def workers(executor: Executor | None, threads: int | None) -> Iterator[Executor]:
    """The given executor, which stays open, or a pool of threads."""
    if executor is not None:
        if threads is not None:
            raise InvalidParameter("threads", threads, "{None} with an executor", "the executor has its own workers")
        yield executor
    else:
        with ThreadPoolExecutor(worker_threads(threads)) as pool:
            yield pool


def on_gpu(device: str, precision: str) -> bool:
    """Whether the device is a GPU. Raises `UnknownName`, or `InvalidParameter` for a precision that a CPU lacks."""
    if device not in DEVICES:
        raise UnknownName("device", device, DEVICES)
    if device == "cpu" and precision != "float64":
        raise InvalidParameter("precision", precision, "{float64}", "a CPU has this one only; use --device cuda")
    return device == "cuda"


def no_workers(**given: Any) -> None:
    """Raises `InvalidParameter` for what says where a CPU is to work, on a GPU."""
    for name, value in given.items():
        if value is not None:
            remedy = "a GPU runs all paths by itself: leave it out, or use --device cpu"
            raise InvalidParameter(f"device cuda: {name}", value, "{None}", remedy)


def worker_threads(threads: int | None) -> int:
    """The number of worker threads: as given, or all processors."""
    return counted("threads", (os.cpu_count() or 1) if threads is None else threads)


def report_paths(run: Run, progress: Progress | None) -> Callable[[int], None]:
    """Turns a count of leaves into a call progress(paths done, paths)."""
    return lambda leaves: progress(min(leaves * run.leaf, run.paths), run.paths) if progress else None


def run_leaves(
    work: Callable[[int], Leaf],
    leaves: int,
    threads: int,
    chunk: int,
    progress: Callable[[int], None],
    merge: Callable[[Leaf, Leaf], Leaf],
) -> tuple[Leaf, bool]:
    """``work(leaf)`` for every leaf on a pool of threads: all of them merged, and whether all were done.

    On an interrupt the leaves that are finished are merged (`MergeTree`); with none finished, the interrupt goes on.
    """
    found = Leaves[Leaf](timed(work), leaves, merge, chunk)
    with ThreadPoolExecutor(threads) as pool:
        finish(found, pool, progress)
    return found.merged(), found.complete


def finish(leaves: Leaves[Any], executor: Executor, progress: Callable[[int], None]) -> None:
    """Runs all leaves on an executor, or until an interrupt; with none finished by then, the interrupt goes on."""
    try:
        with closing(advance(executor, [leaves])) as advances:
            for _ in advances:
                if leaves.error is not None:
                    raise leaves.error
                progress(leaves.done)
    except KeyboardInterrupt:
        if not leaves.done:
            raise
