"""`adasde audit`: published statements against the derivation; exit code 1 where a verdict is not the one on record."""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING

import click

from adasde.errors import UnknownName

if TYPE_CHECKING:
    from adasde.papers.statement import Row


@click.command("audit")
@click.argument("paper", required=False)
@click.option("--format", "form", type=click.Choice(["table", "latex", "json"]), default="table", show_default=True)
def command(paper: str | None, form: str) -> None:
    """Hold the published statements of PAPER, or of all papers, against the derivation, part by part.

    Verdicts: agrees, agrees to leading order, differs, not checkable. The difference is printed - derived. Exit code 1
    where a verdict is not the one on record.
    """
    from adasde.cli.progress import progress
    from adasde.papers import keys, statements
    from adasde.papers.statement import row

    if paper is not None and paper not in keys():
        raise UnknownName("paper", paper, keys())
    held = statements(paper)
    rows: list[Row] = []
    with progress(f"audit {paper or 'of all papers'}") as report:
        for statement in held:
            rows.append(row(statement))
            if report is not None:
                report(len(rows), len(held))
    _print(rows, form)
    surprises = [r for r, s in zip(rows, held, strict=True) if r.verdict != s.expected]
    for found in surprises:
        click.echo(
            f"{found.paper}, {found.statement}: the verdict {found.verdict!r} is not the one on record", err=True
        )
    sys.exit(1 if surprises else 0)


def _print(rows: list[Row], form: str) -> None:
    if form == "json":
        from adasde.papers.page import as_data

        click.echo(json.dumps([as_data(found) for found in rows], indent=2))
    elif form == "latex":
        from adasde.papers.page import as_latex

        click.echo(as_latex(rows))
    else:
        from adasde.cli.tables import audit_table

        audit_table(rows)
