"""The tables of a study as text: final losses with intervals, and the gaps between them by name."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from adasde.nets.catalog import NETS
from adasde.nets.figure import STYLES
from adasde.nets.gaps import LEVEL, Interval
from adasde.nets.report import Row

LARGEST_PLAIN = 1000.0
"""Losses from which on a curve is said to have blown up, although it came back to a finite number."""


@dataclass(frozen=True)
class TextTable:
    """A table with a line of notes each below it; the first column names the row."""

    title: str
    header: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    notes: tuple[str, ...] = ()


def tables(found: Sequence[Row]) -> list[tuple[str, list[TextTable]]]:
    """For each network its title, and its table of final losses and that of gaps."""
    nets = dict.fromkeys(row.task.net for row in found)
    chosen = {net: [row for row in found if row.task.net == net] for net in nets}
    return [(NETS[net].title, [losses_table(rows), gaps_table(rows)]) for net, rows in chosen.items()]


def losses_table(rows: Sequence[Row]) -> TextTable:
    """Final losses of one network: a row for each curve, a column for each optimizer."""
    setting = rows[0].task.setting
    seeds = max(interval.seeds for row in rows for interval in row.losses.values())
    about = f"{setting.steps} steps, minibatches of {setting.batch}, {seeds} seeds"
    curves = dict.fromkeys(name for row in rows for name in row.losses)
    body = [(curve, *(_loss(row, curve) for row in rows)) for curve in curves]
    fewer = [(row, name) for row in rows for name, interval in row.losses.items() if interval.seeds < seeds]
    notes = [
        f"unfinished: {row.task.setting.optimizer} {name}, {row.losses[name].seeds} of {seeds} seeds"
        for row, name in fewer
    ]
    title = f"Final loss, {LEVEL:.0%} intervals over seeds: {about}"
    return TextTable(title, _header("curve", rows), tuple(body), tuple(notes))


def gaps_table(rows: Sequence[Row]) -> TextTable:
    """Gaps of one network: a row for each cause, and below what each is the difference of, and what is closed."""
    kinds = {gap.cause: f"{gap.minuend} less {gap.subtrahend}" for row in rows for gap in row.gaps}
    body = [(cause, *(_gap(row, cause) for row in rows)) for cause in kinds]
    notes = ["* the interval leaves out 0; of twenty gaps that are not there, one is expected to do so"]
    notes += [f"{cause}: {words}" for cause, words in kinds.items()]
    notes += _within(rows)
    for row in rows:
        for substeps, share in row.closed.items():
            dt = "lr" if substeps == 1 else f"lr/{substeps}"
            size = f"{share.mean:.0%} ± {share.half:.0%}" if math.isfinite(share.half) else f"{share.mean:.0%}"
            words = f"the empirical law closes {size} of the Gaussian model's gap"
            notes.append(f"{row.task.setting.optimizer}, dt = {dt}: {words}")
    return TextTable("Gaps of final losses by what they are due to", _header("due to", rows), tuple(body), tuple(notes))


def _within(rows: Sequence[Row]) -> list[str]:
    """Whose model with the full Sigma ends within the interval of the optimizer on real minibatches."""
    pairs = [(row, row.losses.get("algorithm-minibatch"), row.losses.get("sde-full")) for row in rows]
    known = [(row, real, model) for row, real, model in pairs if real and model and math.isfinite(real.half)]
    words = []
    for place, wanted in (("within", True), ("outside", False)):
        names = [row.task.setting.optimizer for row, real, model in known if real.holds(model.mean) is wanted]
        if names:
            words.append(f"sde-full ends {place} the interval of algorithm-minibatch: {', '.join(names)}")
    return words


def markdown(title: str, command: str, found: Sequence[Row]) -> str:
    """All tables as a page of Markdown, with the command that made it and what the names of curves mean."""
    named = dict.fromkeys(name for row in found for name in row.losses)
    meanings = [f"* `{name}`: {STYLES[name][0]}" for name in named]
    lines = [f"# {title}", "", f"Made by `{command}`. Curves:", "", *meanings, ""]
    for net, parts in tables(found):
        lines += [f"## {net}", ""]
        for table in parts:
            lines += [f"{table.title}.", "", _line(table.header), _line(("---", *["--:"] * (len(table.header) - 1)))]
            lines += [_line(cells) for cells in table.rows]
            lines += ["", *(f"{note}  ".replace("* ", r"\* ", 1) for note in table.notes)]
            lines += [""] if table.notes else []
    return "\n".join(lines).rstrip() + "\n"


def _line(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cell.replace('*', chr(92) + '*').strip() for cell in cells)} |"


def _header(first: str, rows: Sequence[Row]) -> tuple[str, ...]:
    return (first, *(row.task.setting.optimizer for row in rows))


def _loss(row: Row, curve: str) -> str:
    if curve not in row.losses:
        return ""
    if row.diverged[curve]:
        return f"{row.diverged[curve]} of {row.losses[curve].seeds} diverged"
    return _interval(row.losses[curve])


def _gap(row: Row, cause: str) -> str:
    for gap in row.gaps:
        if gap.cause == cause:
            star = "*" if gap.seen else " "
            return _interval(gap.difference, "+") + star if math.isfinite(gap.difference.mean) else "diverged"
    return ""


def _interval(found: Interval, sign: str = "") -> str:
    if abs(found.mean) >= LARGEST_PLAIN:
        return f"blew up ({found.mean:{sign}.0e})"
    half = f" ± {found.half:.4f}" if math.isfinite(found.half) else ""  # one seed has no interval
    return f"{found.mean:{sign}.4f}{half}"
