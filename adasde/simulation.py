"""Ensembles of optimizer paths and of their SDE models."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from typing import TypeVar

from numpy.typing import ArrayLike

from adasde.domain import counted
from adasde.ensemble import Ensemble, merge_tree
from adasde.errors import InvalidParameter, UnknownName
from adasde.losses.base import Loss
from adasde.noise import Noise
from adasde.run import Run, plan

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
    chunk: int = 1,
    progress: Progress | None = None,
    device: str = "cpu",
    precision: str = "float64",
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
              whatever ``chunk``, the leaves of paths handed to a worker at a time
    progress  called as progress(paths done, paths)
    device    ``cpu`` or ``cuda``; same draws, so that the results differ by rounding alone
    precision ``float64`` or, on a GPU, ``float32``: of the state; the moments are in float64 always

    Hyperparameters go by their names (``lr``, ``beta1``, ``weight_decay``, ...). The optimizer and an SDE with
    substeps=1 share their draws. Raises `InvalidParameter` and its kin for anything outside its domain; a path that
    blows up is counted in ``diverged`` and averaged nowhere. An interrupt returns the moments of what is finished.
    """
    run = plan(optimizer, model, loss, noise, steps, paths, seed, substeps, start, save, x0, init, hyperparameters)
    if on_gpu(device, precision):
        from adasde.cuda import simulate_on_gpu

        return simulate_on_gpu(run, precision, progress)
    done = report_paths(run, progress)
    leaves, complete = run_leaves(run.moments, run.leaves, worker_threads(threads), counted("chunk", chunk), done)
    return run.ensemble(merge_tree(leaves), complete)


def on_gpu(device: str, precision: str) -> bool:
    """Whether the device is a GPU. Raises `UnknownName`, or `InvalidParameter` for a precision that a CPU lacks."""
    if device not in DEVICES:
        raise UnknownName("device", device, DEVICES)
    if device == "cpu" and precision != "float64":
        raise InvalidParameter("precision", precision, "{float64}", "a CPU has this one only; use --device cuda")
    return device == "cuda"


def worker_threads(threads: int | None) -> int:
    """The number of worker threads: as given, or all processors."""
    return counted("threads", (os.cpu_count() or 1) if threads is None else threads)


def report_paths(run: Run, progress: Progress | None) -> Callable[[int], None]:
    """Turns a count of leaves into a call progress(paths done, paths)."""
    return lambda leaves: progress(min(leaves * run.leaf, run.paths), run.paths) if progress else None


def run_leaves(
    work: Callable[[int], Leaf], leaves: int, threads: int, chunk: int, progress: Callable[[int], None]
) -> tuple[list[Leaf], bool]:
    """``work(leaf)`` for every leaf on a pool of threads: the results in order, and whether all were done.

    On an interrupt the leaves that are finished are returned; with none finished, the interrupt goes on.
    """
    groups = [range(first, min(first + chunk, leaves)) for first in range(0, leaves, chunk)]
    done: dict[int, list[Leaf]] = {}
    with ThreadPoolExecutor(min(threads, len(groups))) as pool:
        futures = {pool.submit(lambda group: [work(leaf) for leaf in group], group): group for group in groups}
        try:
            for future in as_completed(futures):
                done[futures[future].start] = future.result()
                progress(sum(map(len, done.values())))
        except KeyboardInterrupt:
            pool.shutdown(cancel_futures=True)
            finished = {f: group for f, group in futures.items() if f.done() and not f.cancelled()}
            done = {group.start: f.result() for f, group in finished.items()}
            if not done:
                raise
    return [leaf for group in sorted(done) for leaf in done[group]], len(done) == len(groups)
