"""`adasde verify`: the ladder as a table; exit code 1 where a claim fails."""

from __future__ import annotations

import json
import sys
from dataclasses import asdict
from typing import Any

import click
from click.core import ParameterSource

from adasde.cli.options import run_arguments, run_options


@click.command("verify")
@click.argument("optimizer", nargs=-1)
@click.option("--model", default="sde", show_default=True, help="`sde`, `order2`, or a published model.")
@click.option(
    "--orders",
    is_flag=True,
    help="Measure weak orders in lr (rung 5): of the models, and of models with one mistake, which must lose them.",
)
@click.option(
    "--all",
    "store",
    metavar="FILE",
    help="The ladders of OPTIMIZER ..., by default of all shipped ones, for `sde` and `order2` under every noise law: "
    "one verdict each. FILE keeps them as they come; the same command goes on where it was interrupted.",
)
@run_options
@click.option(
    "--margin", type=float, default=0.05, show_default=True, help="Agreement: relative difference of the excess loss."
)
def command(
    optimizer: tuple[str, ...],
    model: str,
    orders: bool,
    store: str | None,
    as_json: bool,
    margin: float,
    **options: Any,
) -> None:
    """Check OPTIMIZER's derivation, kernels and model against the optimizer itself.

    Rungs: 1 published against derived, 2 one-step moments, 3 kernels, 4 closed forms, 6 final loss at dt = lr, lr/4,
    lr/16. Exit code 1 where a claim fails or is undecided. With --orders, rung 5 alone, on a problem of its own.
    Without --paths, rung 6 takes fewer where the model's steps are expensive, and says how many.
    """
    if store is not None:
        _survey(optimizer, store, as_json, {"margin": margin} | options)
    if len(optimizer) != 1:
        raise click.UsageError("name one optimizer, or give --all FILE")
    _ladder(optimizer[0], model, orders, as_json, margin, options)


def _ladder(optimizer: str, model: str, orders: bool, as_json: bool, margin: float, options: dict[str, Any]) -> None:
    """One ladder as a table of its checks."""
    if orders:
        _weak_orders(optimizer, as_json)
    from adasde.cli.progress import lines, progress
    from adasde.cli.tables import checks_table
    from adasde.verify import Check, verify

    arguments = run_arguments(_paths_by_cost(options))
    checks: list[Check] = []
    interrupted, write = False, lines()
    with progress(f"{optimizer} {model}") as report:
        try:
            for check in verify(optimizer, model, margin=margin, progress=report, **arguments):
                checks.append(check)
                write(f"{optimizer} {model}, rung {check.rung}: {check.outcome}: {check.statement}")
        except KeyboardInterrupt:
            if not checks:
                raise
            interrupted = True
    if as_json:
        click.echo(json.dumps([check.to_dict() for check in checks]))
    else:
        checks_table(f"{optimizer}, model {model}, noise {arguments['noise'].name}", checks)
    if interrupted:
        click.echo("interrupted: these are the checks that were finished", err=True)
    sys.exit(130 if interrupted else 0 if all(check.passed for check in checks) else 1)


def _paths_by_cost(options: dict[str, Any]) -> dict[str, Any]:
    """The options without a number of paths where none was given: rung 6 then takes what is `affordable`."""
    given = click.get_current_context().get_parameter_source("paths") is not ParameterSource.DEFAULT
    return options if given else options | {"paths": None}


def _survey(optimizers: tuple[str, ...], store: str, as_json: bool, options: dict[str, Any]) -> None:
    """Many ladders as a table of their verdicts, which the file holds already if this is interrupted."""
    from adasde.cli.tables import verdicts_table
    from adasde.optimizers import names
    from adasde.verify.survey import Verdict, survey

    for name in ("model", "noise", "batch"):
        if click.get_current_context().get_parameter_source(name) is ParameterSource.COMMANDLINE:
            raise click.UsageError(f"--all has models and noises of its own: leave --{name} out")
    arguments = run_arguments(_paths_by_cost(options)) | {"margin": options["margin"]}
    del arguments["noise"]
    found: list[Verdict] = []
    interrupted = False
    try:
        for verdict in survey(optimizers or names(), store, **arguments):
            found.append(verdict)
            click.echo(f"{verdict.optimizer} {verdict.model} {verdict.noise}: {verdict.outcome}", err=True)
    except KeyboardInterrupt:
        interrupted = True
        click.echo("interrupted: the same command goes on from here", err=True)
    if as_json:
        click.echo(json.dumps([asdict(verdict) for verdict in found]))
    else:
        verdicts_table(found, store)
    sys.exit(130 if interrupted else 0 if all(v.outcome in ("holds", "refused") for v in found) else 1)


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
