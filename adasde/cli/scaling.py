"""`adasde scaling-rule`: hyperparameters for another batch size, and what they keep."""

from __future__ import annotations

import json
import sys
from dataclasses import asdict
from pathlib import Path
from typing import Any

import click

from adasde.domain import checked
from adasde.errors import InvalidParameter, MissingData
from adasde.noise_scale import MeasuredNoiseScale, noise_scale_of
from adasde.scaling import DECAYS, DIALECTS, scale

REGIMES = ("noise-dominated", "signal-dominated")


@click.command("scaling-rule")
@click.argument("optimizer", required=False)
@click.option("--all", "every", is_flag=True, help="One table with the rule of every shipped optimizer, or why none.")
@click.option("--batch", metavar="OLD:NEW", help="Batch sizes, e.g. 256:1024.")
@click.option("--lr", type=float, help="Learning rate at the old batch.")
@click.option("--betas", type=float, nargs=2, metavar="BETA1 BETA2", help="Both decays, as torch takes them.")
@click.option("--beta1", "--momentum", "beta1", type=float, help="Decay of the first moment.")
@click.option("--beta2", "--beta", "--alpha", "beta2", type=float, help="Decay of the second moment.")
@click.option("--eps", type=float, help="Added to the root of the second moment.")
@click.option("--weight-decay", type=float, help="Decoupled weight decay, in the units of --dialect.")
@click.option("--set", "further", multiple=True, metavar="NAME=VALUE", help="A further hyperparameter of a rule.")
@click.option("--steps", type=click.IntRange(1), help="Steps of the run; they change to the same number of samples.")
@click.option("--warmup", type=click.IntRange(0), help="Steps of warm-up.")
@click.option("--ema", type=float, help="Decay of an average of the model's parameters.")
@click.option("--regime", type=click.Choice(REGIMES), default=REGIMES[0], show_default=True, help="Noise or signal.")
@click.option("--noise-scale", type=float, help="Measured tr Sigma / |grad f|^2, to compare the batches with.")
@click.option("--grad-stats", metavar="FILE", help="From `adasde noise --grad-stats FILE`, or JSON as in the README.")
@click.option("--decays", type=click.Choice(DECAYS), default=DECAYS[0], show_default=True, help="How betas change.")
@click.option("--dialect", type=click.Choice(DIALECTS), default=DIALECTS[0], show_default=True, help="Whose decay.")
@click.option("--check", is_flag=True, help="Simulate old and new on a quadratic; exit code 1 where they differ.")
@click.option("--paths", type=click.IntRange(2), help="Paths of --check.")
@click.option("--seed", default=0, show_default=True, help="Seed of --check.")
@click.option("--json", "as_json", is_flag=True, help="Print the result as JSON.")
def command(optimizer: str | None, every: bool, batch: str | None, as_json: bool, check: bool, **options: Any) -> None:
    """What OPTIMIZER's hyperparameters become when the batch changes, so that it stays the same per sample.

    The powers of the ratio kappa = NEW/OLD are solved for from the drift and the diffusion of one step. OPTIMIZER is a
    shipped name, or ./file.py:name for a rule of your own. With --all the powers of every shipped optimizer.
    """
    if every:
        _all(optimizer, batch, options["regime"], as_json)
        return
    if optimizer is None or batch is None:
        raise click.UsageError("name an OPTIMIZER and give --batch OLD:NEW, or give --all")
    found = scale(
        optimizer,
        _batches(batch),
        _given(options),
        regime=options["regime"],
        decays=options["decays"],
        dialect=options["dialect"],
        steps=options["steps"],
        warmup=options["warmup"],
        ema=options["ema"],
        noise_scale=_noise_scale(options["noise_scale"], options["grad_stats"]),
    )
    result, measured = found.to_dict(), None
    if not as_json:
        from adasde.cli.scaling_tables import scaling_tables

        scaling_tables(found, result)
    if check:
        from adasde.cli.progress import progress
        from adasde.scaling_check import measure

        with progress(f"{optimizer} at two batch sizes") as report:
            measured = measure(found, optimizer, options["seed"], options["paths"], report)
        result["check"] = measured.to_dict()
    if as_json:
        click.echo(json.dumps(result, indent=2))
    elif measured is not None:
        from adasde.cli.scaling_tables import check_table

        check_table(found, measured)
    sys.exit(0 if measured is None or measured.verdict == "holds" else 1)


def _all(optimizer: str | None, batch: str | None, regime: str, as_json: bool) -> None:
    """The table of all shipped optimizers."""
    if optimizer is not None or batch is not None:
        raise click.UsageError("--all prints powers of NEW/OLD for every optimizer: leave OPTIMIZER and --batch out")
    from adasde.scaling_table import scaling_table

    rows = scaling_table(regime)
    if as_json:
        click.echo(json.dumps([asdict(row) for row in rows], indent=2))
        return
    from adasde.cli.scaling_tables import all_table

    all_table(rows, regime)


def _batches(text: str) -> tuple[int, int]:
    old, colon, new = text.partition(":")
    if not (colon and old.isdigit() and new.isdigit() and int(old) and int(new)):
        raise InvalidParameter("batch", repr(text), "the form OLD:NEW", "two whole numbers of samples, like 256:1024")
    return int(old), int(new)


def _given(options: dict[str, Any]) -> dict[str, float]:
    """Hyperparameters that were given, by name."""
    found = {name: options[name] for name in ("lr", "beta1", "beta2", "eps", "weight_decay")}
    if options["betas"]:
        twice = [name for name in ("beta1", "beta2") if found[name] is not None]
        if twice:
            raise InvalidParameter(twice[0], found[twice[0]], "{None} with --betas", "give each decay once")
        found["beta1"], found["beta2"] = options["betas"]
    for text in options["further"]:
        name, equals, value = text.partition("=")
        if not equals:
            raise InvalidParameter("set", repr(text), "the form NAME=VALUE", "write it like --set c=0.5")
        found[name] = value
    return {name: value for name, value in found.items() if value is not None}


def _noise_scale(number: float | None, file: str | None) -> MeasuredNoiseScale | None:
    if file is None:
        return None if number is None else MeasuredNoiseScale(checked("noise scale", number, "(0, inf)"))
    if number is not None:
        raise InvalidParameter("noise-scale", number, "{None} with --grad-stats", "give one of the two")
    path = Path(file)
    if not path.is_file():
        raise MissingData(f"grad-stats: no file {file}; write gradient statistics there as JSON, or give --noise-scale")
    try:
        stats = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise InvalidParameter("grad-stats", file, "the JSON files", str(error)) from None
    if not isinstance(stats, dict):
        raise InvalidParameter("grad-stats", file, "the JSON objects", 'such as {"noise_scale": 5000}')
    return noise_scale_of(stats)
