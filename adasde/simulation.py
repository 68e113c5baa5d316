"""Ensembles of optimizer paths and of their SDE models."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import replace
from typing import TypeVar

from numpy.typing import ArrayLike

from adasde.domain import counted, whole
from adasde.ensemble import Ensemble, Moments
from adasde.losses.base import Loss
from adasde.merging import MergeTree
from adasde.noise import Noise
from adasde.run import Run, plan

Leaf = TypeVar("Leaf")
Progress = Callable[[int, int], None]


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
              whatever ``chunk``, the leaves of paths handed to a worker at a time
    progress  called as progress(paths done, paths)
    keep_paths  K: keep x of the paths 0 ... K - 1 one by one, as ``Ensemble.samples``

    Hyperparameters go by their names (``lr``, ``beta1``, ``weight_decay``, ...). The optimizer and an SDE with
    substeps=1 share their draws. Raises `InvalidParameter` and its kin for anything outside its domain; a path that
    blows up is counted in ``diverged`` and averaged nowhere. An interrupt returns the moments of what is finished.
    """
    run = plan(optimizer, model, loss, noise, steps, paths, seed, substeps, start, save, x0, init, hyperparameters)
    domain, remedy = f"[0, paths = {run.paths}]", "the first K paths of the run are kept"
    run = replace(run, kept=whole("keep_paths", keep_paths, domain, remedy, 0, run.paths + 1))
    done = report_paths(run, progress)
    chunk = counted("chunk", chunk)
    return run.ensemble(*run_leaves(run.moments, run.leaves, worker_threads(threads), chunk, done, Moments.merged))


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
    groups = (range(first, min(first + chunk, leaves)) for first in range(0, leaves, chunk))
    tree, pending = MergeTree(leaves, merge), dict[Future[list[Leaf]], range]()

    def take(futures: Iterable[Future[list[Leaf]]]) -> None:
        for future in futures:
            for number, leaf in zip(pending.pop(future), future.result(), strict=True):
                tree.add(number, leaf)

    with ThreadPoolExecutor(min(threads, leaves)) as pool:
        try:
            for group in groups:
                pending[pool.submit(lambda group: [work(leaf) for leaf in group], group)] = group
                if len(pending) >= 2 * threads:
                    take(wait(pending, return_when=FIRST_COMPLETED).done)
                    progress(tree.done)
            while pending:
                take(wait(pending, return_when=FIRST_COMPLETED).done)
                progress(tree.done)
        except KeyboardInterrupt:
            pool.shutdown(cancel_futures=True)
            take([future for future in pending if not future.cancelled()])
            if not tree.done:
                raise
    return tree.result(), tree.complete
