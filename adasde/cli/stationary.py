"""`adasde stationary`: stationary variances, printed, derived and simulated; exit code 1 where the optimizer's fail."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from adasde.cli.options import HYPERPARAMETERS

if TYPE_CHECKING:
    from adasde.stationary import StationaryResult


@click.command("stationary")
@click.argument("optimizer")
@click.option("--loss", default="quadratic:1", show_default=True, help="quadratic:a,b,... or quadratic:@H.npy.")
@click.option("--noise", default="gaussian:1", show_default=True, help="Law and scale per sample, see `adasde list`.")
@click.option("--batch", default=1, show_default=True, help="Batch size B; the noise scale is divided by sqrt(B).")
@click.option("--lr", type=float, help="Learning rate eta.")
@click.option("--beta1", type=float, help="Decay of the first moment.")
@click.option("--beta2", "--beta", "--alpha", "beta2", type=float, help="Decay of the second moment.")
@click.option("--eps", type=float, help="Added to the root of the second moment.")
@click.option("--weight-decay", type=float, help="Decoupled weight decay theta.")
@click.option("--steps", type=int, help="Optimizer steps; by default seven relaxation times of the slowest state.")
@click.option("--paths", type=int, help="Independent paths of every simulation.")
@click.option("--seed", default=0, show_default=True, help="Seed of all noise.")
@click.option("--substeps", default=8, show_default=True, help="SDE steps per optimizer step: dt = lr / substeps.")
@click.option("--threads", type=int, help="Worker threads; the result does not depend on it.")
@click.option("--plot", metavar="FILE", help="Write a figure: ellipses, and the variance against lr, noise and decay.")
@click.option("--json", "as_json", is_flag=True, help="Print the result as JSON.")
def command(optimizer: str, as_json: bool, plot: str | None, batch: int, **options: Any) -> None:
    """The stationary variance of OPTIMIZER on a quadratic and of each of its SDE models, to two orders in lr, exactly
    where that is known, as papers print it, and simulated with standard errors."""
    from adasde.cli.progress import progress
    from adasde.cli.simulate import check_plot
    from adasde.noise import parse_noise
    from adasde.stationary import stationary

    if plot is not None:
        check_plot(Path(plot))
    run = {name: options[name] for name in ("loss", "steps", "paths", "seed", "substeps", "threads")}
    run |= {name: options[name] for name in HYPERPARAMETERS if options[name] is not None}
    noise = parse_noise(options["noise"], batch)
    with progress(f"{optimizer}, stationary") as report:
        result = stationary(optimizer, **{**run, "noise": noise}, progress=report)
    if as_json:
        click.echo(json.dumps(result.to_dict(), indent=2))
    else:
        _table(result)
    if plot is not None:
        from adasde.stationary_plot import stationary_figure

        stationary_figure(result, noise).savefig(plot, dpi=150)
        click.echo(f"wrote {plot}", err=True)
    sys.exit(0 if result.holds else 1)


def _table(result: StationaryResult) -> None:
    """A row for each model and coordinate."""
    from rich.table import Table

    from adasde.cli.tables import console

    hyper = ", ".join(f"{name} {value:g}" for name, value in result.parameters.items())
    table = Table(
        title=f"{result.optimizer}: stationary variance on {result.loss}, noise {result.noise} per sample\n{hyper}",
        caption=f"simulated after {result.steps} steps from the minimum; ± one standard error",
    )
    for name in ("model", "coordinate", "leading", "next order", "sum", "exact", "v at rest", "simulated", "verdict"):
        table.add_column(name, justify="left" if name in ("model", "verdict") else "right")
    colours = {"holds": "green", "fails": "red", "beyond two terms": "yellow"}
    for row in result.rows:
        for i, (value, error) in enumerate(zip(row.simulated, row.standard_error, strict=True)):
            terms = [row.leading, row.next_order, row.predicted if row.exact is None else _sum(row), row.exact]
            cells = ["" if a is None else f"{a[i]:.5g}" for a in (*terms, row.v_at_rest)]
            verdict = f"[{colours.get(row.verdict, 'white')}]{row.verdict}[/]" if i == 0 else ""
            table.add_row(row.model if i == 0 else "", f"{i + 1}", *cells, f"{value:.5g} ± {error:.1g}", verdict)
        table.add_section()
    for paper, values in result.printed.items():
        for i, value in enumerate(values):
            table.add_row(f"{paper}, printed" if i == 0 else "", f"{i + 1}", *[""] * 2, f"{value:.5g}")
    out = console()
    out.print(table)
    for row in result.rows:
        if row.note:
            out.print(f"{row.model}: {row.note}", highlight=False, markup=False)


def _sum(row: Any) -> Any:
    return None if row.leading is None or row.next_order is None else row.leading + row.next_order
