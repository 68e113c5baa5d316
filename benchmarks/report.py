"""The results of a run as tables."""

from __future__ import annotations

from typing import Any

from rich.console import Console
from rich.table import Table

STRICT, DOUBLE = "adasde", "adasde, double noise"


def spread(figure: dict[str, float] | None, form: str, unit: float = 1.0) -> str:
    """median (low - high)."""
    if figure is None:
        return "-"
    median, low, high = (figure[name] * unit for name in ("median", "low", "high"))
    return f"{median:{form}} ({low:{form}} - {high:{form}})"


def show(results: dict[str, Any], console: Console) -> None:
    """Prints rates and ratios, what surrounds them, what was skipped, and the targets."""
    console.print(_rates(results), _around(results))
    for name, reason in _skipped(results).items():
        console.print(f"skipped: {name}: {reason}", highlight=False)
    console.print(_targets(results))


def _rates(results: dict[str, Any]) -> Table:
    table = Table(title="One thread; median (range) over the rounds; s.e.: distance from adasde in standard errors")
    table.add_column("")
    table.add_column("implementation")
    for heading in ("1e6 path-steps/CPU s", "adasde / it", "adasde, double noise / it", "s.e."):
        table.add_column(heading, justify="right")
    for workload, found in results["workloads"].items():
        for name, figure in found["path_steps_per_cpu_second"].items():
            shown = [spread(found["ratios"].get(own, {}).get(name), ".3g") for own in (STRICT, DOUBLE)]
            apart = f"{found['standard_errors_from_adasde'][name]:.1f}"
            table.add_row(workload, name, spread(figure, ".3g", 1e-6), *shown, apart)
        table.add_section()
    return table


def _around(results: dict[str, Any]) -> Table:
    table = Table("measured", "median (range)", title="Around the kernels")
    for name, speedup in results["two_threads_over_one_W1"].items():
        shown = spread(speedup, ".2f") if speedup else "no two free cores"
        table.add_row(f"W1, {name}: two threads over one, wall time", shown)
    for variant, stages in results["reference_nanoseconds"].items():
        for stage, figure in stages.items():
            table.add_row(f"C, {variant}: {stage}: ns", spread(figure, ".2f"))
    for command, figure in results["command_line_cpu_seconds"].items():
        table.add_row(f"{command}, warm cache: CPU s", spread(figure, ".2f"))
    for kind, stages in results["seconds"].items():
        for stage, figure in stages.items():
            table.add_row(f"{stage}, {kind} cache: s", spread(figure, ".3f"))
    return table


def _skipped(results: dict[str, Any]) -> dict[str, str]:
    modules = {name: found for name, found in results["competitors"].items() if isinstance(found, str)}
    rows = {f"{w}, {n}": r for w, found in results["workloads"].items() for n, r in found["skipped"].items()}
    return modules | rows


def _targets(results: dict[str, Any]) -> Table:
    table = Table("target", "at least", "measured: median (range)", "verdict", title="Targets")
    for each in results["targets"]:
        table.add_row(each["target"], f"{each['bound']:g}", spread(each["ratio"], ".3g"), each["verdict"])
    return table
