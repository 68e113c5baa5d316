"""Results as tables on stdout."""

from __future__ import annotations

from typing import Any

import numpy as np
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from adasde.ensemble import Ensemble
from adasde.verify.check import Check

COORDINATES_SHOWN = 3


def console() -> Console:
    """stdout; as wide as the terminal, and wide enough for a table where there is none."""
    plain = Console()
    return plain if plain.is_terminal else Console(width=160)


def ensemble_table(ensemble: Ensemble) -> None:
    """Mean and variance of the first coordinates and the loss with its standard error, at every saved time."""
    shown = min(COORDINATES_SHOWN, ensemble.mean.shape[1])
    hyper = ", ".join(f"{name} {value:g}" for name, value in ensemble.parameters.items())
    title = f"{ensemble.optimizer}, model {ensemble.model} on {ensemble.loss}, noise {ensemble.noise} per sample\n{hyper}"
    table = Table(title=title, caption="t = lr * step; se is one standard error of the mean loss")
    table.add_column("t", justify="right")
    for i in range(shown):
        table.add_column(f"E x{i + 1}", justify="right")
        table.add_column(f"Var x{i + 1}", justify="right")
    for name in ("E f", "se", "paths", "diverged"):
        table.add_column(name, justify="right")
    for k, t in enumerate(ensemble.times):
        moments = [f"{v:.5g}" for i in range(shown) for v in (ensemble.mean[k, i], ensemble.var[k, i])]
        loss = [f"{ensemble.loss_mean[k]:.5g}", f"{ensemble.loss_se[k]:.2g}"]
        table.add_row(f"{t:g}", *moments, *loss, str(ensemble.n[k]), str(ensemble.diverged[k]))
    console().print(table)
    if ensemble.diverged[-1]:
        gone = int(ensemble.diverged[-1])
        console().print(f"{gone} of {gone + int(ensemble.n[-1])} paths diverged; they are left out of the averages from then on")


def catalog_tables(catalog: dict[str, Any]) -> None:
    """The output of `adasde list`."""
    table = Table(title="Optimizers")
    for name in ("name", "states", "dialect", "models", "hyperparameters"):
        table.add_column(name)
    for name, facts in catalog["optimizers"].items():
        hyper = " ".join(f"{key}={value:g}" for key, value in facts["hyperparameters"].items())
        table.add_row(name, " ".join(facts["states"]), facts["dialect"], " ".join(facts["models"]), hyper)
    out = console()
    out.print(table)
    out.print("Noise laws: " + ", ".join(catalog["noise"]))
    for kind in catalog["losses"].values():
        out.print(f"Loss: {kind}", markup=False)
    out.print("Backends: " + ", ".join(catalog["backends"]))


def finite(value: float) -> str:
    """A number for a table; a dash where there is none."""
    return f"{value:.4g}" if np.isfinite(value) else "-"


def checks_table(title: str, checks: list[Check]) -> None:
    """The verification ladder; one row a check, and a last line with the count."""
    table = Table(title=title, show_lines=False)
    for name in ("rung", "outcome", "statement", "measured"):
        table.add_column(name, overflow="fold")
    for check in checks:
        colour = {"holds": "green", "recorded": "cyan", "undecided": "yellow"}.get(check.outcome, "red")
        table.add_row(str(check.rung), f"[{colour}]{check.outcome}[/]", escape(check.statement), escape(check.measured))
    out = console()
    out.print(table)
    failed = sum(not check.passed for check in checks)
    out.print(f"{len(checks) - failed} of {len(checks)} checks hold" + (f", {failed} do not" if failed else ""))
