"""`adasde sweep`: a grid of simulations, stored point by point."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from concurrent.futures import Executor
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from adasde.errors import InvalidParameter, MissingData

if TYPE_CHECKING:
    from adasde.sweep_run import SweepProgress
    from adasde.sweep_store import Sweep, SweptPoint

ANSWERS_WITHIN = 10
"""Seconds to wait for the scheduler of a cluster, and then for a first worker."""


@click.command("sweep")
@click.argument("file", type=click.Path(dir_okay=False))
@click.option("--out", type=click.Path(file_okay=False), help="Folder of the results.  [default: out/NAME of the file]")
@click.option("--threads", type=int, help="Worker threads.  [default: all processors]")
@click.option("--processes", type=int, help="Worker processes instead of threads.")
@click.option("--scheduler", metavar="tcp://HOST:PORT", help="A dask.distributed cluster instead of threads.")
@click.option("--fresh", is_flag=True, help="Calculate again what is there already.")
@click.option("--json", "as_json", is_flag=True, help="Print the index and a summary as JSON.")
def command(
    file: str,
    out: str | None,
    threads: int | None,
    processes: int | None,
    scheduler: str | None,
    fresh: bool,
    as_json: bool,
) -> None:
    """Simulate the grid of FILE, a TOML file such as examples/sweep.toml.

    Each point is stored as OUT/points/NAME.npz when it is finished, with a line in OUT/index.jsonl. Points that are
    there already are kept, so that the same command goes on after an interrupt or a crash; results are the same bytes
    on threads, processes and clusters. A point that diverges or fails is reported and stops no other.

    Exit codes: 0 all points are there, 1 some failed, 2 a point is not valid, 130 interrupted.
    """
    if sum(engine is not None for engine in (threads, processes, scheduler)) > 1:
        raise click.UsageError("give at most one of --threads, --processes and --scheduler")
    from adasde.execution import WorkersLost
    from adasde.sweep_run import sweep

    folder = Path(out) if out is not None else Path("out") / Path(file).stem
    try:
        with _cluster(scheduler) as executor, _progress() as report:
            options: dict[str, Any] = {"threads": threads, "processes": processes, "executor": executor}
            result = sweep(file, folder, **options, fresh=fresh, progress=report)
    except WorkersLost as lost:
        click.echo(f"Error: {lost}; finished points are in {folder}, and the same command goes on", err=True)
        sys.exit(1)
    _print(result, as_json)
    sys.exit(_outcome(result, folder))


def _outcome(result: Sweep, folder: Path) -> int:
    """The exit code, and on stderr why it is not 0."""
    if not result.complete:
        done = len(result.points) - result.count("failed")
        click.echo(f"interrupted: {done} points are in {folder}; the same command goes on from there", err=True)
        return 130
    if failed := result.count("failed"):
        click.echo(
            f"{failed} of {len(result.points)} points failed; see their messages in {folder}/index.jsonl", err=True
        )
    return 1 if failed else 0


def _print(result: Sweep, as_json: bool) -> None:
    if not as_json:
        from adasde.cli.tables import sweep_table

        sweep_table(result)
        return
    counts = {status: result.count(status) for status in ("done", "diverged", "failed")}
    rows = [asdict(point) for point in result.points]
    summary = {"out": str(result.folder), "complete": result.complete, "kept": result.kept, **counts, "points": rows}
    click.echo(json.dumps(summary, allow_nan=False))


@contextmanager
def _cluster(address: str | None) -> Iterator[Executor | None]:
    """The workers of a dask.distributed scheduler, or None where there is no address."""
    if address is None:
        yield None
        return
    try:
        import distributed
    except ImportError as error:
        raise MissingData("--scheduler needs dask.distributed: pip install 'adasde[cluster]'") from error
    domain, remedy = "the running Dask schedulers", "start one with `dask scheduler`, and `dask worker ADDRESS`"
    try:
        client = distributed.Client(address, timeout=ANSWERS_WITHIN)
    except (OSError, TimeoutError, ValueError) as error:
        raise InvalidParameter("scheduler", address, domain, remedy) from error
    with client:
        try:
            client.wait_for_workers(1, timeout=ANSWERS_WITHIN)
        except TimeoutError as error:
            raise InvalidParameter("scheduler: workers", 0, "{1, 2, 3, ...}", "start `dask worker ADDRESS`") from error
        yield client.get_executor(pure=False)


@contextmanager
def _progress() -> Iterator[SweepProgress]:
    """On stderr: points that fail or diverge, as they end, and on a terminal a bar over the leaves of all points."""
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

    console = Console(stderr=True)
    columns = (TextColumn("{task.description}"), BarColumn(), TextColumn("{task.percentage:>3.0f}%"))
    counts = {"done": 0, "diverged": 0, "failed": 0}
    with Progress(*columns, TimeRemainingColumn(), console=console, transient=True) as bar:
        bar.disable = not console.is_terminal
        task = bar.add_task("checking the points", total=None)

        def report(done: int, total: int, ended: SweptPoint | None) -> None:
            if ended is not None:
                counts[ended.status] += 1
                if ended.status != "done":
                    console.print(_told(ended), markup=False, highlight=False, soft_wrap=True)
            words = ", ".join(f"{count} {status}" for status, count in counts.items() if count)
            bar.update(task, completed=done, total=total, description=words or "running")

        yield report


def _told(ended: SweptPoint) -> str:
    what = ended.message if ended.status == "failed" else f"{ended.diverged} of {ended.paths} paths"
    names = ("optimizer", "model", "lr", "seed")
    which = ", ".join(f"{name} {ended.parameters[name]}" for name in names if name in ended.parameters)
    return f"point {ended.point} ({which}) {ended.status}: {what}"
