"""A scaling rule as tables on stdout."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from rich.markup import escape
from rich.table import Table

from adasde.cli.tables import console, shortened

if TYPE_CHECKING:
    from adasde.scaling import Scaling
    from adasde.scaling_check import Measured
    from adasde.scaling_table import ScalingRow

LABELS = {"steps": "steps", "warmup": "warm-up steps", "ema": "model EMA decay"}


def scaling_tables(found: Scaling, result: dict[str, Any]) -> None:
    """Old and new hyperparameters, what is kept, the regime, cautions and the lines to paste."""
    out = console()
    title = f"{found.rule.name}, batch {found.batch[0]} to {found.batch[1]}, kappa = {found.kappa:g}"
    table = Table(title=f"{title}, {found.derived.regime}")
    for name in ("hyperparameter", "old", "new", "changes by", "kappa to the power"):
        table.add_column(name, justify="left" if name == "hyperparameter" else "right")
    for name, value in found.before.items():
        table.add_row(*_hyperparameter(found, name, value))
    for name, (old, new) in found.run.items():
        table.add_row(LABELS[name], f"{old:.10g}", f"{new:.10g}", *_run_change(name, found.kappa))
    out.print(table)
    _kept(out, result)
    out.print(f"Regime test: {_regime(found.regime_test)}", highlight=False, soft_wrap=True)
    for caution in found.cautions:
        out.print(f"Caution: {escape(caution)}", highlight=False)
    for library in ("torch", "optax"):
        line = result[library] or f"{library} has no such optimizer: pass the new values to your own"
        out.print(f"{library}: {escape(line)}", highlight=False, soft_wrap=True)


def _regime(test: dict[str, Any]) -> str:
    if test["verdict"] == "not measured":
        return "not measured"
    ratios = " and ".join(f"{ratio:.3g}" for ratio in test["batch_over_noise_scale"])
    interval = f" [{', '.join(_samples(end) for end in test['interval'])}]" if test["interval"] else ""
    return f"{test['verdict']}; noise scale {_samples(test['noise_scale'])}{interval} samples, batches {ratios} of it"


def _samples(number: float | None) -> str:
    return "infinitely many" if number is None else f"{number:.4g}"


def _hyperparameter(found: Scaling, name: str, value: float) -> tuple[str, ...]:
    power = str(found.derived.powers[name])
    if name not in found.linear:
        if name == "weight_decay" and found.bare_decay:
            power = str(found.derived.powers[name] + found.derived.powers["lr"])
        return name, f"{value:.10g}", f"{found.after[name]:.10g}", f"x {found.multipliers[name]:.6g}", power
    linear, by_power = found.linear[name], found.power[name]
    chosen, other = (linear, f"or {by_power:.10g}") if found.decays == "linear" else (by_power, f"or {linear:.10g}")
    other = "" if "nan" in other else f" ({other})"
    factor = found.multipliers[f"1 - {name}"]
    return name, f"{value:.10g}", f"{chosen:.10g}{other}", f"1 - {name} x {factor:.6g}", power


def _run_change(name: str, kappa: float) -> tuple[str, str]:
    return ("decay^kappa", "") if name == "ema" else (f"x {1 / kappa:.6g}", "-1")


def _kept(out: Any, result: dict[str, Any]) -> None:
    """Invariants by where they stand, one line each."""
    for title, key in (("Kept, per sample", "invariants"), ("Not kept", "not_kept")):
        places: dict[str, list[str]] = {}
        for entry in result[key]:
            growth = f" (grows like kappa^{entry['power']})" if "power" in entry else ""
            places.setdefault(entry["where"], []).append(entry["term"] + growth)
        if places:
            out.print(f"{title}:", highlight=False)
        for where, terms in places.items():
            out.print(f"  {escape(where)}: {escape(', '.join(terms))}", highlight=False, soft_wrap=True)
    out.print("  with d1 = 1 - beta1, d2 = 1 - beta2, noise s = sigma/sqrt(B), step k", highlight=False)


def all_table(rows: list[ScalingRow], regime: str) -> None:
    """The powers of kappa of every optimizer, or why there is no rule."""
    table = Table(
        title=f"Scaling rules with the batch, {regime}: powers of kappa = new batch/old batch",
        caption="The power of a decay beta is that of 1 - beta. *: no leading term has it; it stays as it is.",
    )
    for name in ("optimizer", "dialect", "powers, or why there is no rule"):
        table.add_column(name, overflow="fold")
    for row in rows:
        powers = (row.powers or {}).items()
        answer = ", ".join(f"{name}{'*' * (name in row.undetermined)} {power}" for name, power in powers)
        table.add_row(row.optimizer, row.dialect, answer if row.powers else f"none: {escape(shortened(row.reason))}")
    out = console()
    out.print(table)
    found = sum(row.powers is not None for row in rows)
    out.print(f"{found} of {len(rows)} optimizers have a scaling rule", highlight=False)


def check_table(found: Scaling, measured: Measured) -> None:
    """Measured deviations of the mean loss at matched samples."""
    from adasde.scaling_check import TOLERANCE
    from adasde.scaling_problem import COORDINATES, POINTS

    problem = measured.problem
    old, new = problem.steps
    table = Table(
        title=f"Check: mean loss at batch {found.batch[1]} over that at batch {found.batch[0]}, minus 1 (± one se)",
        caption=(
            f"{COORDINATES}-dimensional quadratic, {found.derived.regime}: curvature {problem.curvature:.3g}, noise "
            f"{problem.scale:.3g} per sample; {old} and {new} steps, {problem.paths} paths"
        ),
    )
    table.add_column("at the new batch")
    for i in range(POINTS):
        table.add_column(f"{(i + 1) / POINTS:.0%} of samples", justify="right")
    for row in measured.rows:
        cells = [f"{d:+.1%} ± {e:.1%}" for d, e in zip(row.deviation, row.standard_error, strict=True)]
        table.add_row(row.name, *cells)
    out = console()
    out.print(table)
    words = {
        "holds": f"The rule holds: within {TOLERANCE:.0%} at all points",
        "fails": f"The rule fails here: off by more than {TOLERANCE:.0%}",
        "undecided": f"Undecided: an interval straddles {TOLERANCE:.0%}; raise --paths",
    }
    out.print(words[measured.verdict], highlight=False)
