"""`adasde reproduce PAPER --figure NAME` for the studies of `adasde.pictures`: tables, a figure, numbers as JSON."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from adasde.files import write_whole

if TYPE_CHECKING:
    from adasde.papers.experiment import Picture
    from adasde.pictures import Table

COLOURS = {"holds": "green", "fails": "red", "no claim": "yellow"}


def study_named(paper: str, figure: str) -> Picture | None:
    """The study of that name, if the paper has one."""
    from adasde.papers import keys
    from adasde.reproduce import pictures_of

    studies = pictures_of(paper) if paper in keys() else ()
    return next((study for study in studies if study.figure == figure), None)


def run_study(chosen: Picture, quick: bool, out: Path, threads: int | None) -> None:
    """Writes OUT/NAME.json and OUT/NAME.png, prints the tables, and exits with 1 where something derived fails."""
    from adasde.pictures import run

    click.echo(f"running {chosen.figure}", err=True)
    result = run(chosen, quick, threads=threads)
    write_whole(out / f"{chosen.figure}.json", json.dumps(result.to_dict()))
    result.figure().savefig(out / f"{chosen.figure}.png")
    for table in result.tables():
        print_table(table)
    click.echo(f"figure: {out / chosen.figure}.png\nnumbers: {out / chosen.figure}.json")
    if not result.holds:
        click.echo("what is derived does not hold here", err=True)
        sys.exit(1)


def print_table(table: Table) -> None:
    """Verdicts in colour; notes below, one a paragraph."""
    from rich.table import Table as RichTable

    from adasde.cli.tables import console

    shown = RichTable(title=table.title)
    for i, column in enumerate(table.columns):
        shown.add_column(column, justify="left" if i == 0 or column == "verdict" else "right")
    for row in table.rows:
        shown.add_row(*(f"[{COLOURS[cell]}]{cell}[/]" if cell in COLOURS else cell for cell in row))
    out = console()
    out.print(shown)
    for note in table.notes:
        out.print(note, highlight=False, markup=False)
