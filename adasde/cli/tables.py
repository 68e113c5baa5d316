"""Results as tables on stdout."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from adasde.ensemble import Ensemble

if TYPE_CHECKING:
    from adasde.comparison import Comparison
    from adasde.papers.statement import Row
    from adasde.reproduce import Result
    from adasde.sweep_store import Sweep
    from adasde.verify.check import Check
    from adasde.verify.orders import Reproduction, WeakOrder
    from adasde.verify.survey import Verdict

COORDINATES_SHOWN = 3
POINTS_SHOWN = 50
DIFFERENCE_SHOWN = 90
"""Characters of a formula in the table of an audit."""
RUNG_6_REMEDIES = {
    "fails": "rung 6: the difference at lr/2 is more than the half that a model of weak order one promises",
    "undecided": "rung 6: an interval straddles the margin, or what lr/2 must show; raise --paths",
}

NOTHING = {1: "no paper's form of this rule is on record", 4: "no closed form is known for this rule and model"}
"""Why a rung has no checks."""


def console() -> Console:
    """stdout; as wide as the terminal, and wide enough for a table where there is none. Without rich's emoji, which
    takes the ``:m:`` of ``momentum+average-out:m: ...`` for one."""
    plain = Console(emoji=False)
    return plain if plain.is_terminal else Console(width=160, emoji=False)


def ensemble_table(ensemble: Ensemble) -> None:
    """Mean and variance of the first coordinates and the loss with its standard error, at every saved time."""
    shown = min(COORDINATES_SHOWN, ensemble.mean.shape[1])
    hyper = ", ".join(f"{name} {value:g}" for name, value in ensemble.parameters.items())
    title = (
        f"{ensemble.optimizer}, model {ensemble.model} on {ensemble.loss}, noise {ensemble.noise} per sample\n{hyper}"
    )
    table = Table(title=title, caption="t = lr * step; se is one standard error of the mean loss")
    table.add_column("t", justify="right")
    for i in range(shown):
        table.add_column(f"E x{i + 1}", justify="right")
        table.add_column(f"Var x{i + 1}", justify="right")
    for name in ("E f", "se", "paths", "diverged"):
        table.add_column(name, justify="right")
    for k, t in enumerate(ensemble.times):
        moments = [finite(v, 5) for i in range(shown) for v in (ensemble.mean[k, i], ensemble.var[k, i])]
        loss = [finite(ensemble.loss_mean[k], 5), finite(ensemble.loss_se[k], 2)]
        table.add_row(f"{t:g}", *moments, *loss, str(ensemble.n[k]), str(ensemble.diverged[k]))
    console().print(table)
    if ensemble.diverged[-1]:
        gone = int(ensemble.diverged[-1])
        console().print(
            f"{gone} of {gone + int(ensemble.n[-1])} paths diverged; they are left out of the averages from then on"
        )


def sweep_table(result: Sweep) -> None:
    """The points of a sweep by the arguments in which they differ; beyond `POINTS_SHOWN` only what went wrong."""
    points = result.points
    names = list(dict.fromkeys(name for point in points for name in point.parameters))
    spelled = {name: [_spelled(point.parameters.get(name)) for point in points] for name in names}
    varied = [name for name in names if len({str(p.parameters[name]) for p in points if name in p.parameters}) > 1]
    caption = "E f at the end, se its standard error; per-sample noise, t = lr * step"
    table = Table(title=f"{result.folder}", caption=caption)
    for name in ("point", *varied, "status", "diverged", "E f", "se"):
        table.add_column(name, justify="right" if name in ("point", "diverged", "E f", "se") else "left")
    colours = {"done": "green", "diverged": "yellow", "failed": "red"}
    for i, point in enumerate(points):
        if i < POINTS_SHOWN or point.status != "done":
            arguments = [escape(spelled[name][i]) for name in varied]
            ends = ["-" if end is None else f"{end:.{n}g}" for end, n in ((point.loss_mean, 5), (point.loss_se, 2))]
            gone = f"{point.diverged}/{point.paths}" if point.diverged else "0"
            status = f"[{colours[point.status]}]{point.status}[/]"
            table.add_row(str(point.point), *arguments, status, gone, *ends)
    out = console()
    out.print(table)
    counts = ", ".join(f"{result.count(status)} {status}" for status in colours if result.count(status))
    kept = f"; {result.kept} of them were there before" if result.kept else ""
    noun = "point" if len(points) == 1 else "points"
    out.print(f"{len(points)} {noun}: {counts or 'none'}{kept}. All are in {result.folder}", highlight=False)
    for point in points:
        if point.status == "failed":
            out.print(f"point {point.point}: {escape(point.message)}", highlight=False)


def _spelled(value: Any) -> str:
    if isinstance(value, list):
        return ",".join(map(_spelled, value))
    return "" if value is None else f"{value:g}" if isinstance(value, float) else str(value)


def finite(value: float, digits: int) -> str:
    """A number for a table; a dash where there is none."""
    return f"{value:.{digits}g}" if np.isfinite(value) else "-"


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
    reached = {check.rung for check in checks}
    for rung, reason in NOTHING.items():
        if rung not in reached and rung < max(reached, default=0):
            out.print(f"rung {rung}: does not apply, {reason}")
    for outcome, remedy in RUNG_6_REMEDIES.items():
        if any(check.rung == 6 and check.outcome == outcome for check in checks):
            out.print(remedy)


def verdicts_table(verdicts: list[Verdict], store: str) -> None:
    """One row for each ladder, and a last line with the count of every outcome."""
    table = Table(title="Verification ladders")
    for name in ("optimizer", "noise", "model", "verdict", "exit", "reason"):
        table.add_column(name, overflow="fold")
    colours = {"holds": "green", "refused": "cyan", "undecided": "yellow"}
    for verdict in verdicts:
        where = "" if verdict.rung is None else f" at rung {verdict.rung}"
        outcome = f"[{colours.get(verdict.outcome, 'red')}]{verdict.outcome}[/]{where}"
        names = (escape(Path(verdict.optimizer).name), verdict.noise, verdict.model)
        table.add_row(*names, outcome, str(verdict.exit_code), escape(verdict.reason))
    out = console()
    out.print(table)
    counts = Counter(verdict.outcome for verdict in verdicts)
    out.print(", ".join(f"{number} {outcome}" for outcome, number in counts.items()) or "none", highlight=False)
    out.print(f"All checks of each are in {store}", highlight=False)


def audit_table(rows: list[Row]) -> None:
    """Published statements against the derivation: a line for each part that differs, long formulas cut; the reason
    where there is nothing to compare."""
    from adasde.papers.page import readable

    caption = "difference: printed - derived, by part; all of it with --format json or latex; why it is not checkable"
    table = Table(caption=caption)
    for name in ("paper", "statement", "number", "provenance", "verdict", "difference"):
        table.add_column(name, overflow="fold")
    colours = {"agrees": "green", "agrees to leading order": "cyan", "differs": "yellow"}
    for before, row in zip([None, *rows], rows, strict=False):
        first = before is None or before.paper != row.paper
        if first and before is not None:
            table.add_section()
        texts = [shortened(f"{part}: {readable(gap)}") for part, gap in row.difference.items()]
        if row.verdict == "not checkable":
            texts.append(row.remark)
        table.add_row(
            row.paper if first else "",
            escape(row.statement),
            escape(row.number),
            row.provenance,
            f"[{colours.get(row.verdict, 'white')}]{row.verdict}[/]",
            "\n".join(map(escape, texts)),
        )
    out = console()
    out.print(table)
    counts = {verdict: sum(row.verdict == verdict for row in rows) for verdict in {row.verdict: None for row in rows}}
    out.print(f"{len(rows)} statements: " + ", ".join(f"{n} {verdict}" for verdict, n in counts.items()))


def shortened(text: str) -> str:
    """The text with an ellipsis in place of its end where it is long."""
    return text if len(text) <= DIFFERENCE_SHOWN else text[: DIFFERENCE_SHOWN - 1] + "…"


def verdict_tables(paper: str, results: list[Result]) -> None:
    """Final losses with intervals and a verdict for each model at each time step, one table a loss."""
    out = console()
    for figure in dict.fromkeys(result.experiment.figure for result in results):
        rows = [result for result in results if result.experiment.figure == figure]
        table = Table(title=f"{paper}: {rows[0].experiment.title}")
        for name in ("optimizer", "E f optimizer", "model", "dt", "E f model", "difference", "verdict"):
            table.add_column(name, no_wrap=True)
        for result in rows:
            _add_verdicts(table, result.comparison)
        out.print(table)
    first = results[0].comparison
    out.print(
        "E f: final mean loss ± half of its 95 % interval. difference: relative to the optimizer's excess loss\n"
        "f - min f, path by path on common noise; intervals hold for all models of an optimizer together with\n"
        f"{first.level:.0%}. agrees: interval within ±{first.agreements[0].margin:.0%}; differs: outside; "
        "undecided: more paths are needed.",
        highlight=False,
    )


def _add_verdicts(table: Table, comparison: Comparison) -> None:
    for i, (agreement, ensemble) in enumerate(zip(comparison.agreements, comparison.ensembles, strict=True)):
        colour = {"agrees": "green", "undecided": "yellow"}.get(agreement.verdict, "red")
        table.add_row(
            comparison.algorithm.optimizer if i == 0 else "",
            _with_interval(comparison.algorithm) if i == 0 else "",
            agreement.model,
            "lr" if agreement.substeps == 1 else f"lr/{agreement.substeps}",
            _with_interval(ensemble),
            f"{agreement.difference:+.2%} [{agreement.low:+.2%}, {agreement.high:+.2%}]".replace("-0.00%", "+0.00%"),
            f"[{colour}]{agreement.verdict}[/]",
        )
    table.add_section()


def _with_interval(ensemble: Ensemble) -> str:
    low, high = ensemble.loss_interval(0.95)
    return f"{ensemble.loss_mean[-1]:.5g} ± {(high[-1] - low[-1]) / 2:.1g}"


def orders_table(optimizer: str, found: list[WeakOrder], changed: list[Reproduction]) -> None:
    """Slopes of each model for each test function, and the slopes that differ from the committed ones."""
    from adasde.derive.expansion import MODELS
    from adasde.verify.order_cases import as_expected

    etas = found[0].etas
    caption = (
        "largest: slope of the largest error, which is judged; u: slopes of each function, of which a mistake must "
        "show in one; error: the largest at the smaller eta; floor: the numerical error of these"
    )
    title = f"{optimizer}: weak orders in eta, slopes from 1/{1 / etas[-2]:.0f} to 1/{1 / etas[-1]:.0f}"
    table = Table(title=title, caption=caption)
    for name in ("model", "order", "largest", *(f"u = {u}" for u in found[0].functions), "error", "floor", "verdict"):
        table.add_column(name)
    for order in found:
        derived = order.model in MODELS.values()
        verdict = order.verdict if derived else "loses the order" if order.loses else "keeps it"
        colour = "green" if as_expected(order) else "red"
        slopes = [f"{slope:.2f}" for slope in order.slopes]
        error = max(abs(row[-1]) for row in order.errors)
        measured = f"{order.order:.2f} +- {order.uncertainty:.2f}"
        cells = [order.model, str(order.expected), measured, *slopes, f"{error:.0e}", f"{order.floor:.0e}"]
        table.add_row(*cells, f"[{colour}]{verdict}[/]")
    out = console()
    out.print(table)
    for row in changed:
        out.print(f"{row.model}, u = {row.function}: committed {row.committed:.3f}, measured {row.measured:.3f}")
