"""Progress on stderr, for runs long enough to want it: a bar on a terminal, else a line now and then."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from adasde.simulation import Progress

EVERY = 20.0
"""Seconds between two lines."""


@contextmanager
def progress(title: str) -> Iterator[Progress]:
    """Yields a callback(done, total) that draws a bar on stderr, or writes a line where stderr is no terminal and the
    last one is `EVERY` seconds old."""
    if not sys.stderr.isatty():
        write = lines()
        yield lambda done, total: write(f"{title}: {done}/{total}")
        return
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        TextColumn("{task.completed}/{task.total}"),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task(title, total=None)
        yield lambda done, total: bar.update(task, completed=done, total=total)


def lines() -> Callable[[str], None]:
    """A function that writes a line to stderr where that is no terminal and the last one is `EVERY` seconds old."""
    last = time.monotonic()

    def write(line: str) -> None:
        nonlocal last
        if time.monotonic() - last >= EVERY and not sys.stderr.isatty():
            last = time.monotonic()
            print(line, file=sys.stderr, flush=True)

    return write
