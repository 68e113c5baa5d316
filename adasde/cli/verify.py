"""`adasde verify`: the ladder as a table; exit code 1 where a claim fails."""

from __future__ import annotations

import json
import sys
from typing import Any

import click

from adasde.cli.options import run_arguments, run_options


@click.command("verify")
@click.argument("optimizer")
@click.option("--model", default="sde", show_default=True, help="`sde`, `order2`, or a published model.")
@click.option(
    "--orders",
    is_flag=True,
    help="Measure weak orders in lr (rung 5): of the models, and of models with one mistake, which must lose them.",
)
@run_options
@click.option(
    "--margin", type=float, default=0.05, show_default=True, help="Agreement: relative difference of the excess loss."
)
def command(optimizer: str, model: str, orders: bool, as_json: bool, margin: float, **options: Any) -> None:
    """Check OPTIMIZER's derivation, kernels and model against the optimizer itself.

    Rungs: 1 published against derived, 2 one-step moments, 3 kernels, 4 closed forms, 6 final loss at dt = lr, lr/4,
    lr/16. Exit code 1 where a claim fails or is undecided. With --orders, rung 5 alone, on a problem of its own.
    """
    if orders:
        _weak_orders(optimizer, as_json)
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


def _weak_orders(optimizer: str, as_json: bool) -> None:
    """Rung 5 as a table; a case of the committed table must also be reproduced."""
    from adasde.cli.tables import orders_table
    from adasde.verify import order_cases

    found = order_cases.measure(optimizer)
    changed = [row for row in order_cases.reproduction(optimizer, found) if not row.agrees]
    if as_json:
        click.echo(json.dumps([order.to_dict() | {"as_expected": order_cases.as_expected(order)} for order in found]))
    else:
        orders_table(optimizer, found, changed)
    sys.exit(0 if all(map(order_cases.as_expected, found)) and not changed else 1)
