"""`adasde verify`: the ladder as a table; exit code 1 where a claim fails."""

from __future__ import annotations

import json
import sys
from typing import Any

import click

from adasde.cli.options import run_arguments, run_options


@click.command("verify")
@click.argument("optimizer")
@click.option("--model", default="sde", show_default=True, help="`sde` or a published model.")
@run_options
@click.option(
    "--margin", type=float, default=0.05, show_default=True, help="Agreement: relative difference of the excess loss."
)
def command(optimizer: str, model: str, as_json: bool, margin: float, **options: Any) -> None:
    """Check OPTIMIZER's derivation, kernels and model against the optimizer itself.

    Rungs: 1 published against derived, 2 one-step moments, 3 kernels, 4 closed forms, 6 final loss at dt = lr, lr/4,
    lr/16. Exit code 1 where a claim fails or is undecided.
    """
    from adasde.cli.progress import progress
    from adasde.cli.tables import checks_table
    from adasde.verify import verify

    arguments = run_arguments(options)
    with progress(f"{optimizer} {model}") as report:
        checks = list(verify(optimizer, model, margin=margin, progress=report, **arguments))
    if as_json:
        click.echo(json.dumps([check.to_dict() for check in checks]))
    else:
        checks_table(f"{optimizer}, model {model}, noise {arguments['noise'].name}", checks)
    sys.exit(0 if all(check.passed for check in checks) else 1)
