"""`adasde simulate`: moments of an ensemble, as a table, JSON or a plot."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import click

from adasde.cli.options import run_arguments, run_options
from adasde.errors import InvalidParameter

FIGURES = (".pdf", ".png", ".svg")


@click.command("simulate")
@click.argument("optimizer")
@click.option("--model", default="sde", show_default=True, help="`algorithm`, `sde` or a published model.")
@run_options
@click.option("--save", default=11, show_default=True, help="Number of saved times, the first and last included.")
@click.option("--substeps", default=1, show_default=True, help="SDE steps per optimizer step: dt = lr / substeps.")
@click.option(
    "--noise-precision",
    type=click.Choice(["mix", "double"]),
    default="mix",
    show_default=True,
    help="float32 draws for a float64 state, or float64 draws for studies of tails.",
)
@click.option(
    "--increments",
    type=click.Choice(["gaussian", "rademacher"]),
    default="gaussian",
    show_default=True,
    help="Brownian increments of an SDE; rademacher (+-1) has the same weak order one.",
)
@click.option("--fast", is_flag=True, help="Fused multiply-adds: faster, but the last digits depend on the CPU.")
@click.option("--device", default="cpu", show_default=True, help="`cpu`, or `cuda` for a GPU; the same draws on both.")
@click.option(
    "--precision", default="float64", show_default=True, help="Of the state: `float64`, or `float32` on a GPU."
)
@click.option("--keep-paths", default=0, metavar="K", help="Keep the first K paths one by one; `--json` gives them.")
@click.option(
    "--plot",
    type=click.Path(dir_okay=False),
    help="Write a figure: this model and the optimizer, with bands.",
)
def command(
    optimizer: str,
    model: str,
    as_json: bool,
    save: int,
    substeps: int,
    keep_paths: int,
    device: str,
    precision: str,
    plot: str | None,
    noise_precision: str,
    increments: str,
    fast: bool,
    **options: Any,
) -> None:
    """Simulate an ensemble of OPTIMIZER (model `algorithm`) or of one of its SDE models.

    Times are t = lr * step. The noise scale is per sample; --batch divides it by sqrt(B).
    """
    from adasde.cli.progress import progress
    from adasde.simulation import simulate

    arguments = run_arguments(options) | {"save": save, "noise_precision": noise_precision}
    arguments |= {"increments": increments, "fast": fast}
    arguments |= {"device": device, "precision": precision}
    if plot is not None:
        check_plot(Path(plot))
    with progress(f"{optimizer} {model}") as report:
        ensemble = simulate(optimizer, model, substeps=substeps, keep_paths=keep_paths, progress=report, **arguments)
    if as_json:
        click.echo(json.dumps(ensemble.to_dict()))
    else:
        from adasde.cli.tables import ensemble_table

        ensemble_table(ensemble)
    if plot is not None:
        _plot(optimizer, model, arguments, ensemble, plot)
    if not ensemble.complete:
        click.echo(f"interrupted: {ensemble.n.max()} of {ensemble.paths} paths are in the result", err=True)
        sys.exit(130)


def check_plot(path: Path) -> None:
    """Refuses a figure that could not be written, before the run rather than after it."""
    if path.suffix.lower() not in FIGURES:
        domain = "{" + ", ".join(FIGURES) + "}"
        raise InvalidParameter("plot: ending", repr(path.suffix), domain, "name a file like bands.png")
    if not path.absolute().parent.is_dir():
        raise InvalidParameter("plot: folder", path.parent, "the existing folders", "make it first")


def _plot(optimizer: str, model: str, arguments: dict[str, Any], ensemble: Any, path: str) -> None:
    from adasde.plots import loss_bands
    from adasde.simulation import simulate

    shown = [] if model == "algorithm" else [simulate(optimizer, "algorithm", **{**arguments, "start": None})]
    figure = loss_bands([*shown, ensemble])
    figure.savefig(Path(path), dpi=150)
    click.echo(f"wrote {path}", err=True)
