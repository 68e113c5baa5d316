"""`adasde reproduce nets`: the networks with real minibatches, as tables of final losses and a figure for each."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import click

from adasde.domain import counted
from adasde.files import write_whole

if TYPE_CHECKING:
    from adasde.nets.report import Row
    from adasde.nets.study import Finished

QUICK_SEEDS, SEEDS = 3, 5
TITLE = "Networks with real minibatches: optimizers and their SDE models"


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
    from adasde.nets.tables import markdown

    number = counted("seeds", (QUICK_SEEDS if quick else SEEDS) if seeds is None else seeds)
    tasks = planned(nets, optimizers, quick, number)
    workers = counted("processes", (os.cpu_count() or 1) if processes is None else processes)
    out.mkdir(parents=True, exist_ok=True)
    with _progress() as report:
        finished, complete = run_tasks(tasks, out, workers, report)
    found = rows(finished)
    write_whole(out / "results.json", json.dumps([row.to_dict() for row in found], indent=1, allow_nan=False))
    write_whole(out / "report.md", markdown(TITLE, _command(nets, optimizers, quick, number), found))
    figures = _figures(finished, out)
    if as_json:
        click.echo(json.dumps([row.to_dict() for row in found], allow_nan=False))
    else:
        net_tables(found)
        paths = [*(f"figure: {path}" for path in figures), f"tables: {out / 'report.md'}"]
        click.echo("\n".join([*paths, f"numbers: {out / 'results.json'}"]))
    failed = [one for one in finished if one.message]
    for one in failed:
        click.echo(f"failed: {_told(one)}: {one.message}", err=True)
    if not complete:
        click.echo(f"interrupted: {len(finished)} of {len(tasks)} curves are in {out}; run it again to go on", err=True)
        sys.exit(130)
    sys.exit(1 if failed else 0)


def _command(nets: Sequence[str], optimizers: Sequence[str], quick: bool, seeds: int) -> str:
    """The command line without what changes no number."""
    chosen = [f"--net {net}" for net in nets] + [f"--optimizer {name}" for name in optimizers]
    return " ".join(["adasde reproduce nets", *["--quick"] * quick, *chosen, f"--seeds {seeds}"])


def _figures(finished: Sequence[Finished], out: Path) -> list[Path]:
    from adasde.nets.catalog import NETS
    from adasde.nets.figure import loss_figure, overview_figure

    paths = []
    whole = [one for one in finished if not one.message]
    for net in dict.fromkeys(one.task.net for one in whole):
        paths.append(out / f"{net}.png")
        loss_figure([one for one in whole if one.task.net == net], NETS[net].title).savefig(paths[-1])
    if len(paths) > 1:
        paths.append(out / "overview.png")
        overview_figure(whole).savefig(paths[-1])
    return paths


def net_tables(found: Sequence[Row]) -> None:
    """For each network and optimizer the final losses with intervals, then the gaps by name."""
    from rich.table import Table

    from adasde.cli.tables import console
    from adasde.nets.tables import tables

    out = console()
    for net, parts in tables(found):
        for part in parts:
            table = Table(title=f"{part.title}\n{net}", caption="\n".join(part.notes))
            for i, name in enumerate(part.header):
                table.add_column(name, justify="right" if i else "left")
            for cells in part.rows:
                table.add_row(*cells)
            out.print(table)


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
