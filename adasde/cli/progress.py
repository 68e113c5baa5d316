"""Progress on stderr, for runs long enough to want it."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager

from adasde.simulation import Progress


@contextmanager
def progress(title: str) -> Iterator[Progress | None]:
    """Yields a callback(done, total) that draws a bar on stderr, or None where stderr is no terminal."""
    if not sys.stderr.isatty():
        yield None
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
