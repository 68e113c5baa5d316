"""Runs the points of a sweep that have no result yet, on threads, on worker processes, or on any executor."""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Executor, ProcessPoolExecutor
from contextlib import AbstractContextManager, closing, contextmanager
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any

from adasde.domain import counted
from adasde.errors import InvalidParameter
from adasde.execution import Leaves, WorkersLost, advance, leaves_of
from adasde.simulation import workers
from adasde.sweep_grid import Point, read_points
from adasde.sweep_store import Sweep, SweptPoint, append_index, failed, finished, read_sweep, write_index, write_point

SweepProgress = Callable[[int, int, SweptPoint | None], None]
"""Called as progress(leaves done, leaves, line of a point that has just ended or None)."""
Pool = AbstractContextManager[Executor]
OpenPool = Callable[[int | None], Pool]


def sweep(
    source: str | Path | Mapping[str, Any],
    out: str | Path,
    *,
    threads: int | None = None,
    processes: int | None = None,
    executor: Executor | None = None,
    fresh: bool = False,
    progress: SweepProgress | None = None,
) -> Sweep:
    """Simulates all points of a sweep and stores each in the folder ``out`` as soon as it is finished.

    source     the TOML file, see `adasde.sweep_grid`, or its tables as a mapping
    threads, processes, executor   where the leaves of all points are calculated, as for `adasde.simulate`: threads by
               default; the stored bytes are the same. Worker processes that are lost are replaced. Points on a GPU
               are calculated by their workers whole, one after the other in each process
    fresh      calculate again what is there; otherwise points of the same digest are kept

    A point whose paths blow up, or which raises, is reported in its line and does not stop the others. After an
    interrupt the result has ``complete=False``; run it again to go on. Raises `InvalidParameter` or `MissingData`
    before anything runs where a point is not valid, `WorkersLost` where a given executor breaks.
    """
    points, pool = read_points(source), _pool(executor, threads, processes)
    if any(point.on_gpu for point in points):
        from adasde.cuda_work import require_workers

        require_workers(executor)
    state = _Sweeping(Path(out), points, progress or (lambda done, total, ended: None))
    state.begin(fresh)
    try:
        state.work(pool, replaced=processes is not None)
        complete = True
    except KeyboardInterrupt:
        complete = False
    finally:
        state.end()
    return replace(read_sweep(out), complete=complete, kept=state.kept)


def _pool(executor: Executor | None, threads: int | None, processes: int | None) -> OpenPool:
    """Opens the executor of a sweep, with as many workers as asked for or with the number given to it."""
    if processes is None:
        return lambda count: workers(executor, threads)
    for name, value in (("threads", threads), ("executor", executor)):
        if value is not None:
            raise InvalidParameter(name, value, "{None} with processes", "each process is one worker")
    asked = counted("processes", processes)
    return lambda count: worker_processes(count or asked)


@contextmanager
def worker_processes(count: int) -> Iterator[Executor]:
    """Fresh worker processes that leave Ctrl-C to this one, and end when it ends, even if it is killed."""
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(count, mp_context=context, initializer=_follow_parent) as pool:
        before = signal.signal(signal.SIGINT, signal.SIG_IGN)  # inherited by processes while they start
        try:
            for _ in range(count):
                pool.submit(int)
        finally:
            signal.signal(signal.SIGINT, before)
        yield pool


def _follow_parent() -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    parent = multiprocessing.parent_process()
    assert parent is not None

    def follow() -> None:
        parent.join()
        os._exit(1)

    threading.Thread(target=follow, daemon=True).start()


def _leaves(point: Point, executor: Executor) -> Leaves[Any]:
    if point.on_gpu is None:
        return leaves_of(point.run, executor)
    from adasde.cuda_work import device_leaves

    return device_leaves(point.on_gpu)


@dataclass(eq=False)
class _Sweeping:
    """The state of a sweep that runs. Points of one digest are calculated once."""

    folder: Path
    points: list[Point]
    progress: SweepProgress
    rows: dict[int, SweptPoint] = field(default_factory=dict)
    started: dict[Leaves[Any], Point] = field(default_factory=dict)
    suspected: set[Leaves[Any]] = field(default_factory=set)
    twins: dict[str, list[Point]] = field(default_factory=dict)
    ended: int = 0
    kept: int = 0

    def begin(self, fresh: bool) -> None:
        """Makes the folder, and takes over the points that it holds."""
        try:
            kept = [] if fresh else [finished(self.folder, point) for point in self.points]
            self.rows = {row.point: row for row in kept if row is not None}
            self.folder.mkdir(parents=True, exist_ok=True)
            write_index(self.folder, self.rows.values())
        except OSError as error:
            raise InvalidParameter("out", self.folder, "the folders that can be written", str(error)) from error
        for point in self.points:
            self.twins.setdefault(point.digest, []).append(point)
            self.ended += point.run.leaves if point.number in self.rows else 0
        self.kept = len(self.rows)
        self._report(None)

    def work(self, pool: OpenPool, replaced: bool) -> None:
        """Runs what is left. A pool that breaks is replaced and what was lost is handed out again. A point that was
        being calculated at two breaks then runs alone, and has failed if that breaks its pool as well."""
        while True:
            try:
                return self._advance(pool(None), self._left)
            except WorkersLost:
                if not replaced:
                    raise
            lost = {leaves for leaves in self.started if leaves.lost}
            for leaves in lost & self.suspected:
                self._alone(leaves, pool)
            self.suspected |= lost

    def _alone(self, leaves: Leaves[Any], pool: OpenPool) -> None:
        try:
            self._advance(pool(1), lambda executor: iter([leaves]))
        except WorkersLost as error:
            if not self.rows and not any(begun.done for begun in self.started):
                raise  # No worker has ever returned anything: not the point is to blame.
            leaves.error = error
            self._took(leaves)

    def _left(self, executor: Executor) -> Iterator[Leaves[Any]]:
        """The leaves of all points without a result, those of points that were begun before first."""
        yield from list(self.started)
        begun = {point.digest for point in self.started.values()}
        for point in self.points:
            if point.number not in self.rows and point.digest not in begun:
                begun.add(point.digest)
                leaves = _leaves(point, executor)
                self.started[leaves] = point
                yield leaves

    def _advance(self, pool: Pool, runs: Callable[[Executor], Iterator[Leaves[Any]]]) -> None:
        with pool as executor:
            try:
                with closing(advance(executor, runs(executor))) as advances:
                    for leaves in advances:
                        self._took(leaves)
            finally:  # What was being calculated at an interrupt has come back by now.
                for leaves in list(self.started):
                    self._took(leaves)

    def _took(self, leaves: Leaves[Any]) -> None:
        """Stores a point that has ended, once."""
        point = self.started.get(leaves)
        if point is None:
            return
        if leaves.error is not None:
            self._ended(leaves, failed(point, f"{type(leaves.error).__name__}: {leaves.error}"))
        elif leaves.complete:
            ensemble = point.run.ensemble(leaves.merged(), True)
            self._ended(leaves, write_point(self.folder, point, ensemble))
        else:
            self._report(None)

    def _ended(self, leaves: Leaves[Any], row: SweptPoint) -> None:
        for twin in self.twins[self.started.pop(leaves).digest]:
            self.rows[twin.number] = replace(row, point=twin.number, parameters=twin.spelled)
            append_index(self.folder, self.rows[twin.number])
            self.ended += twin.run.leaves
            self._report(self.rows[twin.number])

    def _report(self, row: SweptPoint | None) -> None:
        running = sum(leaves.done for leaves in self.started)
        self.progress(self.ended + running, self.total, row)

    @cached_property
    def total(self) -> int:
        """Leaves of all points."""
        return sum(point.run.leaves for point in self.points)

    def end(self) -> None:
        """Puts the index in order."""
        write_index(self.folder, self.rows.values())
