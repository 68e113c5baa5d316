"""Leaves of paths on any `concurrent.futures.Executor`: threads, processes, Dask, MPI.

A task is a pickled run with a range of its leaves, and its result the list of what these leaves give. Tasks are sized
by what was measured: the first ones of a run hold one leaf each, later ones as many leaves as took `TASK_SECONDS`, but
never so many that a worker goes without. The result of a run is the same bytes whatever the sizes and the workers,
because leaves are merged in the order of their numbers.
"""

from __future__ import annotations

import pickle
import threading
import time
from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator
from concurrent.futures import (
    FIRST_COMPLETED,
    BrokenExecutor,
    CancelledError,
    Executor,
    Future,
    ThreadPoolExecutor,
    wait,
)
from dataclasses import dataclass, field
from functools import lru_cache
from itertools import islice
from typing import Any, Generic, TypeVar

from adasde.ensemble import Moments
from adasde.errors import InvalidParameter
from adasde.fingerprint import code_digest
from adasde.merging import MergeTree
from adasde.run import Run

Leaf = TypeVar("Leaf")
Work = Callable[[range], tuple[list[Any], float]]
"""The results of a range of leaves, and the seconds that they took."""

TASK_SECONDS = 0.5
TASKS_PER_WORKER = 2
"""Tasks handed out at a time: one that runs, and one that waits for it to end."""
UNKNOWN_WORKERS = 16
"""Workers supposed of an executor that does not say how many it has."""
OTHER_VERSION = "this worker has another version of adasde than the client: install the same one"
_PLANNING = threading.Lock()


class WorkersLost(RuntimeError):
    """Worker processes died or went away in mid-run.

    ``finished`` is the `Ensemble` of the leaves that came back before, ``complete=False``; None where there are none.
    """

    finished: Any = None


@dataclass(eq=False)
class Leaves(Generic[Leaf]):
    """The leaves of one run: those handed out, and the results that came back.

    work   calculates a range of leaves; it travels to the worker and must pickle where workers are processes
    count  number of leaves
    merge  merges two leaves; all are merged in one tree over their numbers, as they come
    chunk  leaves per task; None: by the time they take
    error  what the run itself raised on a worker; no further leaves are handed out then
    """

    work: Work
    count: int
    merge: Callable[[Leaf, Leaf], Leaf]
    chunk: int | None = None
    error: BaseException | None = None
    _next: int = 0
    _returned: deque[range] = field(default_factory=deque)
    _seconds: float = 0.0
    _timed: int = 0

    def __post_init__(self) -> None:
        self._tree = MergeTree(self.count, self.merge)

    @property
    def done(self) -> int:
        """Number of leaves that came back."""
        return self._tree.done

    @property
    def complete(self) -> bool:
        return self._tree.complete

    @property
    def lost(self) -> bool:
        """Whether leaves that had been handed out did not come back."""
        return bool(self._returned)

    @property
    def waiting(self) -> bool:
        """Whether leaves are left to be handed out."""
        return self.error is None and (bool(self._returned) or self._next < self.count)

    def merged(self) -> Leaf:
        """The merger of the leaves that came back, in the order of their numbers; there must be one at least."""
        return self._tree.result()

    def hand_out(self, workers: int) -> range:
        """The leaves of the next task."""
        if self._returned:
            return self._returned.popleft()
        given = range(self._next, min(self._next + self._size(workers), self.count))
        self._next = given.stop
        return given

    def take_back(self, given: range) -> None:
        """Leaves that were handed out and lost."""
        self._returned.append(given)

    def take(self, given: range, results: list[Leaf], seconds: float) -> None:
        """Results of leaves that were handed out."""
        for number, leaf in zip(given, results, strict=True):
            self._tree.add(number, leaf)
        self._seconds, self._timed = self._seconds + seconds, self._timed + len(given)

    def _size(self, workers: int) -> int:
        if self.chunk is not None:
            return self.chunk
        if not self._timed:
            return 1
        fitting = TASK_SECONDS * self._timed / max(self._seconds, 1e-9)
        return max(1, min(int(fitting), (self.count - self._next) // workers))


@dataclass(frozen=True)
class RunLeaves:
    """`Work` of a run as it travels: pickled once, and read once by each worker process."""

    code: str
    description: bytes

    def __call__(self, leaves: range) -> tuple[list[Any], float]:
        if self.code != code_digest():
            raise RuntimeError(OTHER_VERSION)
        with _PLANNING:
            run = _described(self.description)
        return timed(run.moments)(leaves)


@lru_cache(maxsize=16)
def _described(description: bytes) -> Run:
    run: Run = pickle.loads(description)
    return run.compiled()


def timed(work: Callable[[int], Leaf]) -> Work:
    """``work(leaf)`` for a range of leaves, with the seconds it took."""

    def together(leaves: range) -> tuple[list[Any], float]:
        begin = time.perf_counter()
        return [work(leaf) for leaf in leaves], time.perf_counter() - begin

    return together


def leaves_of(run: Run, executor: Executor | None, chunk: int | None = None) -> Leaves[Any]:
    """The leaves of a run, for threads (None, or a pool of them) or for workers that are other processes."""
    if executor is None or isinstance(executor, ThreadPoolExecutor):
        return Leaves(timed(run.compiled().moments), run.leaves, Moments.merged, chunk)
    try:
        return Leaves(RunLeaves(code_digest(), pickle.dumps(run)), run.leaves, Moments.merged, chunk)
    except Exception as error:
        remedy = f"define its functions at the top of a module, or run it on threads ({type(error).__name__}: {error})"
        raise InvalidParameter("executor: loss", run.loss.name, "the losses that pickle", remedy) from error


def advance(
    executor: Executor, runs: Iterable[Leaves[Any]], workers: int | None = None
) -> Generator[Leaves[Any], None, None]:
    """Works through all leaves of all runs, in order and several at a time; yields a run whenever results of it came.

    A run whose work raises is yielded with its ``error``, and the others go on. When the caller stops early, by an
    exception or an interrupt, leaves that are being calculated are waited for and kept, and those that are not begun
    are given up. Raises `WorkersLost` where the executor itself breaks; what was lost can then be handed out again.
    """
    out: dict[Future[Any], tuple[Leaves[Any], range]] = {}
    tasks = _tasks(runs, lambda: workers or workers_of(executor))
    try:
        while True:
            room = TASKS_PER_WORKER * (workers or workers_of(executor)) - len(out)
            for leaves, given in islice(tasks, max(room, 0)):
                out[_submit(executor, leaves, given)] = leaves, given
            if not out:
                return
            for future in wait(out, return_when=FIRST_COMPLETED).done:
                leaves, given = out.pop(future)
                _collect(future, leaves, given)
                yield leaves
    finally:
        _settle(out)


def _tasks(runs: Iterable[Leaves[Any]], workers: Callable[[], int]) -> Iterator[tuple[Leaves[Any], range]]:
    for leaves in runs:
        while leaves.waiting:
            yield leaves, leaves.hand_out(workers())


def _submit(executor: Executor, leaves: Leaves[Any], given: range) -> Future[Any]:
    try:
        return executor.submit(leaves.work, given)
    except BrokenExecutor as error:
        leaves.take_back(given)
        raise _lost(error) from error


def _collect(future: Future[Any], leaves: Leaves[Any], given: range) -> None:
    """Takes the results of a task that has ended, or its error."""
    error = CancelledError("the executor gave the task up") if future.cancelled() else future.exception()
    if error is None:
        leaves.take(given, *future.result())
    elif isinstance(error, BrokenExecutor | CancelledError):
        leaves.take_back(given)
        raise _lost(error) from error
    elif isinstance(error, KeyboardInterrupt):  # Ctrl-C reaches the worker processes of a terminal as well.
        leaves.take_back(given)
        raise KeyboardInterrupt
    else:
        leaves.error = error


def _settle(out: dict[Future[Any], tuple[Leaves[Any], range]]) -> None:
    """Gives up tasks that have not begun, waits for the others, and takes what they calculated."""
    for future in out:
        future.cancel()
    for future, (leaves, given) in out.items():
        if not future.cancelled() and future.exception() is None:
            leaves.take(given, *future.result())
        else:
            leaves.take_back(given)


def _lost(error: BaseException) -> WorkersLost:
    reason = str(error) or type(error).__name__
    remedy = "they were killed or ran out of memory: run again with fewer of them, or on threads"
    return WorkersLost(f"worker processes were lost in mid-run ({reason}); {remedy}")


def workers_of(executor: Executor) -> int:
    """How many workers an executor has now, as far as it says so."""
    client = getattr(executor, "_client", None)  # dask.distributed, whose workers come and go
    if client is not None:
        return max(1, sum(map(int, client.nthreads().values())))
    count = getattr(executor, "_max_workers", None) or getattr(executor, "num_workers", None)
    return count if isinstance(count, int) and count > 0 else UNKNOWN_WORKERS
