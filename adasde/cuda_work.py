"""Runs on a GPU as tasks of an executor: a whole run is one task, for the GPU of whichever worker gets it."""

from __future__ import annotations

import pickle
import threading
import time
from concurrent.futures import Executor, ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

from adasde.cuda import DeviceRun, require_gpu, require_package
from adasde.ensemble import Moments
from adasde.execution import OTHER_VERSION, Leaves
from adasde.fingerprint import device_code_digest

_ONE_AT_A_TIME = threading.Lock()
"""The threads of a process have one GPU between them, and its memory is for one run."""


@dataclass(frozen=True)
class DeviceWork:
    """`Work` of a run on a GPU as it travels."""

    code: str
    description: bytes

    def __call__(self, leaves: range) -> tuple[list[Any], float]:
        if self.code != device_code_digest():
            raise RuntimeError(OTHER_VERSION)
        with _ONE_AT_A_TIME:
            require_here()
            begin = time.perf_counter()
            run: DeviceRun = pickle.loads(self.description)
            results = [leaf for batch in run.batches(leaves) for leaf in run.leaves(batch)]
            return results, time.perf_counter() - begin


def device_leaves(run: DeviceRun) -> Leaves[Any]:
    """The leaves of a run on a GPU, all in one task."""
    count = run.run.leaves
    return Leaves(DeviceWork(device_code_digest(), pickle.dumps(run)), count, Moments.merged, count)


def require_workers(executor: Executor | None) -> None:
    """Raises `MissingData` where what is to calculate has no GPU: this machine, or a worker of an executor that may be
    on another one."""
    if executor is None or isinstance(executor, ThreadPoolExecutor):
        require_here()
    else:
        executor.submit(require_here).result()


def require_here() -> None:
    """Raises `MissingData` without numba-cuda or a GPU on this machine."""
    require_package()
    require_gpu()
