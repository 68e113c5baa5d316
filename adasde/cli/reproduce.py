"""`adasde reproduce`: a paper's experiments as a table of verdicts and a figure."""

from __future__ import annotations

from pathlib import Path

import click


@click.command("reproduce")
@click.argument("paper")
@click.option("--figure", help="One experiment only, by its name.")
@click.option("--quick", is_flag=True, help="Smaller ensembles: minutes rather than hours.")
@click.option(
    "--out",
    type=click.Path(file_okay=False, path_type=Path),
    required=True,
    help="Folder for results.json and the figure.",
)
@click.option("--threads", type=int, help="Worker threads; the result does not depend on it.")
def command(paper: str, figure: str | None, quick: bool, out: Path, threads: int | None) -> None:
    """Rerun the experiments of PAPER: each optimizer against each of its SDE models at dt = lr and dt = lr/4.

    The final mean losses are compared on common noise; verdicts are those of `adasde.compare`.
    """
    from adasde.cli.tables import verdict_tables
    from adasde.comparison import Comparison
    from adasde.plots import comparison_grid
    from adasde.reproduce import reproduce

    def announce(name: str) -> None:
        click.echo(f"running {name}", err=True)

    out.mkdir(parents=True, exist_ok=True)
    results = []
    try:
        for result in reproduce(paper, figure, quick=quick, out=out, threads=threads, announce=announce):
            results.append(result)
    except KeyboardInterrupt:
        click.echo(f"interrupted: {len(results)} results are in {out / 'results.json'}", err=True)
        if not results:
            raise
    rows: dict[str, tuple[str, float, list[Comparison]]] = {
        r.experiment.figure: (r.experiment.title, r.minimum, []) for r in results
    }
    for r in results:
        rows[r.experiment.figure][2].append(r.comparison)
    title = f"{paper}: the optimizer over its SDE models, mean ± one standard deviation over paths"
    comparison_grid(list(rows.values()), title).savefig(out / "losses.png")
    verdict_tables(paper, results)
    click.echo(f"figure: {out / 'losses.png'}\nnumbers: {out / 'results.json'}")
