"""`adasde reproduce nets`: the networks with real minibatches, as tables of final losses and a figure for each."""

from __future__ import annotations

import json
import math
import os
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import click

from adasde.domain import counted

if TYPE_CHECKING:
    from rich.table import Table

    from adasde.nets.gaps import Interval
    from adasde.nets.report import Row
    from adasde.nets.study import Finished

QUICK_SEEDS, SEEDS = 3, 5
LARGEST_PLAIN = 1000.0
"""Losses from which on a power of ten is printed: a model that blew up and came back."""


def reproduce_nets(
    nets: Sequence[str],
    optimizers: Sequence[str],
    quick: bool,
    out: Path,
    seeds: int | None,
    processes: int | None,
    as_json: bool,
) -> None:
    """Runs the study and prints its tables; exit code 1 where a curve failed, 130 after an interrupt."""
    from adasde.nets.report import rows
    from adasde.nets.study import planned, run_tasks
    from adasde.reproduce import write_whole

    number = counted("seeds", (QUICK_SEEDS if quick else SEEDS) if seeds is None else seeds)
    tasks = planned(nets, optimizers, quick, number)
    workers = counted("processes", (os.cpu_count() or 1) if processes is None else processes)
    out.mkdir(parents=True, exist_ok=True)
    with _progress() as report:
        finished, complete = run_tasks(tasks, out, workers, report)
    found = rows(finished)
    write_whole(out / "results.json", json.dumps([row.to_dict() for row in found], indent=1, allow_nan=False))
    figures = _figures(finished, out)
    if as_json:
        click.echo(json.dumps([row.to_dict() for row in found], allow_nan=False))
    else:
        net_tables(found)
        click.echo("\n".join([*(f"figure: {path}" for path in figures), f"numbers: {out / 'results.json'}"]))
    failed = [one for one in finished if one.message]
    for one in failed:
        click.echo(f"failed: {_told(one)}: {one.message}", err=True)
    if not complete:
        click.echo(f"interrupted: {len(finished)} of {len(tasks)} curves are in {out}; run it again to go on", err=True)
        sys.exit(130)
    sys.exit(1 if failed else 0)


def _figures(finished: Sequence[Finished], out: Path) -> list[Path]:
    from adasde.nets.catalog import NETS
    from adasde.nets.figure import loss_figure

    paths = []
    for net in dict.fromkeys(one.task.net for one in finished):
        shown = [one for one in finished if one.task.net == net and not one.message]
        if shown:
            paths.append(out / f"{net}.png")
            loss_figure(shown, NETS[net].title).savefig(paths[-1])
    return paths


def net_tables(found: Sequence[Row]) -> None:
    """For each network and optimizer the final losses with intervals, then the gaps by name."""
    from rich.table import Table

    from adasde.cli.tables import console
    from adasde.nets.catalog import NETS
    from adasde.nets.gaps import LEVEL

    out = console()
    for net in dict.fromkeys(row.task.net for row in found):
        chosen = [row for row in found if row.task.net == net]
        about = (
            f"{NETS[net].title}, {chosen[0].task.setting.steps} steps, minibatches of {chosen[0].task.setting.batch}"
        )
        losses = Table(title=f"Final loss, {LEVEL:.0%} intervals over seeds\n{about}")
        losses.add_column("curve")
        for row in chosen:
            losses.add_column(row.task.setting.optimizer, justify="right")
        for curve in dict.fromkeys(name for row in chosen for name in row.losses):
            losses.add_row(curve, *(_loss(row, curve) for row in chosen))
        out.print(losses)
        out.print(_gap_table(chosen))
        for row in chosen:
            for substeps, share in row.closed.items():
                dt = "lr" if substeps == 1 else f"lr/{substeps}"
                words = f"the empirical law closes {share.mean:.0%} ± {share.half:.0%} of the Gaussian model's gap"
                out.print(f"{row.task.setting.optimizer}, dt = {dt}: {words}")


def _gap_table(chosen: Sequence[Row]) -> Table:
    from rich.table import Table

    kinds = {gap.cause: f"{gap.minuend} less {gap.subtrahend}" for row in chosen for gap in row.gaps}
    meanings = "\n".join(f"{cause}: {words}" for cause, words in kinds.items())
    caption = "* the interval leaves out 0; of twenty gaps that are not there, one is expected to do so"
    table = Table(title="Gaps of final losses by what they are due to", caption=f"{caption}\n{meanings}")
    table.add_column("due to")
    for row in chosen:
        table.add_column(row.task.setting.optimizer, justify="right")
    for cause in kinds:
        table.add_row(cause, *(_gap(row, cause) for row in chosen))
    return table


def _loss(row: Row, curve: str) -> str:
    if curve not in row.losses:
        return ""
    if row.diverged[curve]:
        return f"{row.diverged[curve]} of {row.losses[curve].seeds} diverged"
    return _interval(row.losses[curve])


def _gap(row: Row, cause: str) -> str:
    for gap in row.gaps:
        if gap.cause == cause:
            star = "*" if gap.seen else " "
            return _interval(gap.difference, "+") + star if math.isfinite(gap.difference.mean) else "diverged"
    return ""


def _interval(found: Interval, sign: str = "") -> str:
    form = ".4f" if abs(found.mean) < LARGEST_PLAIN else ".1e"
    return f"{found.mean:{sign}{form}} ± {found.half:{form}}"


def _told(one: Finished) -> str:
    return f"{one.task.net} {one.task.setting.optimizer} {one.task.curve.name} seed {one.task.seed}"


@contextmanager
def _progress() -> Iterator[Callable[[int, int, Finished], None]]:
    """On stderr: a bar over the curves where it is a terminal, else a line every twentieth of them."""
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

    console = Console(stderr=True)
    columns = (TextColumn("{task.description}"), BarColumn(), TextColumn("{task.completed}/{task.total} curves"))
    with Progress(*columns, TimeRemainingColumn(), console=console, transient=True) as bar:
        bar.disable = not console.is_terminal
        line = bar.add_task("running", total=None)

        def report(done: int, total: int, one: Finished) -> None:
            bar.update(line, completed=done, total=total, description=_told(one))
            if not console.is_terminal and not one.kept and done * 20 // total > (done - 1) * 20 // total:
                click.echo(f"{done} of {total} curves, {_told(one)}, {one.seconds:.1f} s", err=True)

        yield report
