"""Compiles kernels ahead of time, in parallel, so that the next process finds them in numba's cache."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Sequence
from concurrent.futures import as_completed

from adasde import optimizers

SHARED = (
    "kernels.draws",
    "kernels.driver",
    "kernels.statistics",
    "losses.mlp",
    "losses.logistic",
    "losses.quadratic",
    "losses.saddle",
    "losses.rosenbrock",
)
"""Modules whose kernels are compiled when they are imported; first those that take longest."""


def warm(
    names: Sequence[str] | None = None,
    shared: Sequence[str] = SHARED,
    processes: int = 1,
    progress: Callable[[int, int], None] | None = None,
) -> int:
    """Compiles the driver, the losses, and every step of the named optimizers (all shipped ones by default), and
    returns how many modules that were. What is in the cache already is only loaded.

    processes   worker processes, each of which compiles one module at a time
    progress    called as progress(modules done, modules)

    Raises `UnknownName` for an optimizer that there is not. A rule of one's own is derived first, under the laws whose
    kernels are checked in for the shipped ones.
    """
    from adasde.sweep_run import worker_processes

    chosen = optimizers.names() if names is None else list(names)
    for name in chosen:
        optimizers.kernels(name)
    modules = [f"adasde.{name}" for name in shared]
    with worker_processes(processes) as pool:
        tasks = [pool.submit(importable, module) for module in modules] + [pool.submit(steps, name) for name in chosen]
        try:
            for done, task in enumerate(as_completed(tasks), 1):
                task.result()
                if progress is not None:
                    progress(done, len(tasks))
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            raise
    return len(tasks)


def importable(module: str) -> None:
    """Compiles what is compiled when a module is imported."""
    importlib.import_module(module)


def steps(optimizer: str) -> None:
    """Compiles every step of an optimizer, under every law that its modules hold."""
    for law in optimizers.CHECKED_IN:
        module = optimizers.kernels(optimizer, law)
        for laws in module.MODELS.values():
            for step in laws.values():
                _ = step.compiled, step.compiled_along
