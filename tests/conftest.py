"""Fixtures of several test modules, and kernels that workers compile in turn."""

from __future__ import annotations

import importlib
import shutil
import tempfile
from pathlib import Path
from typing import Any

import pytest

from adasde import cache

try:
    import fcntl
except ModuleNotFoundError:  # no POSIX: every worker compiles for itself
    fcntl = None  # type: ignore[assignment]

LONG = (
    *("losses.mlp_kernels", "kernels.laws", "kernels.driver", "kernels.stages", "kernels.correlated"),
    *("kernels.draws64", "kernels.transformed", "kernels.transformed64", "kernels.student", "kernels.student64"),
    *("kernels.rademacher", "kernels.draws", "kernels.statistics", "losses.quadratic"),
)
"""Modules with kernels that take seconds to compile, which happens when they are imported."""
TURNS = pytest.StashKey[str]()


@pytest.fixture(scope="module")
def own_cache(tmp_path_factory):  # type: ignore[no-untyped-def]
    """A cache folder of the module's own."""
    patch = pytest.MonkeyPatch()
    patch.setenv(cache.FOLDER, str(tmp_path_factory.mktemp("cache")))
    yield
    patch.undo()


@pytest.hookimpl(optionalhook=True)
def pytest_configure_node(node: Any) -> None:
    """Where the whole suite is run, tells each worker of the folder of locks that they share."""
    config = node.config
    if config.args_source is pytest.Config.ArgsSource.TESTPATHS:
        folder = config.stash.setdefault(TURNS, "") or tempfile.mkdtemp(prefix="adasde_tests_")
        config.stash[TURNS] = node.workerinput["turns"] = folder


def pytest_configure(config: pytest.Config) -> None:
    """Without this every worker would compile all kernels, at the same time as the others: two minutes each."""
    worker = getattr(config, "workerinput", {})
    if "turns" in worker and fcntl is not None:
        begin = int(worker["workerid"].removeprefix("gw")) * len(LONG) // worker["workercount"]
        compile_in_turn((*LONG[begin:], *LONG[:begin]), Path(worker["turns"]))


def pytest_unconfigure(config: pytest.Config) -> None:
    shutil.rmtree(config.stash.get(TURNS, ""), ignore_errors=True)


def compile_in_turn(names: tuple[str, ...], folder: Path) -> None:
    """Imports modules of the package: first those that no other worker is compiling, then those that others have put
    into numba's cache meanwhile."""
    for how in (fcntl.LOCK_EX | fcntl.LOCK_NB, fcntl.LOCK_EX):
        for name in names:
            with (folder / name).open("w") as lock:
                try:
                    fcntl.flock(lock, how)
                except BlockingIOError:
                    continue
                importlib.import_module(f"adasde.{name}")
