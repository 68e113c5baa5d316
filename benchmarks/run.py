"""Measures adasde against the naive loops, side by side on one thread, and writes benchmarks/results.json.

    python benchmarks/run.py [--quick] [--out FILE]

Figures are path-steps per second of CPU time of the process, everything included but compilation: planning,
noise, steps, moments. The implementations of a workload run in alternation, and ratios are taken round by
round. First all of them must agree: means and covariances within 5 standard errors at every saved time; and
the two Adam models, which are different SDEs, must be told apart by the same test.
"""

from __future__ import annotations

import os

from threads import ONE_THREAD

os.environ |= dict.fromkeys(ONE_THREAD, "1")

import argparse
import json
import platform
from collections.abc import Sequence
from dataclasses import asdict
from functools import partial
from importlib.metadata import version
from pathlib import Path
from typing import Any

from measure import STANDARD_ERRORS, Disagreement, Figure, Implementation, agreement, alternate, ratios
from naive import generator_paths, numba_paths, numpy_paths
from processes import COMMANDS, command_line, compilation
from rich.console import Console
from rich.table import Table
from workloads import ETA, SIGMA, STEPS, W1, W2, W3, W3_2025, X0, H, Workload

WORKLOADS = (W1, W2, W3, W3_2025)
ADASDE, LOOP = "adasde", "naive numba loop"
GENERATOR, NUMPY = "numba loop, Generator", "numpy batch"


def implementations(workload: Workload) -> list[Implementation]:
    """adasde, the numba loops and numpy, each with a number of paths for about half a second."""
    return [
        Implementation(ADASDE, workload.simulate, 65_536),
        Implementation(LOOP, lambda paths, seed: numba_paths(workload.name, paths), 8_000),
        Implementation(GENERATOR, partial(generator_paths, workload.name), 16_000),
        Implementation(NUMPY, partial(numpy_paths, workload.name), 10_000),
    ]


def measure(workload: Workload, rounds: int, paths: int) -> dict[str, Any]:
    """Agreement, rates and ratios of one workload."""
    contenders = implementations(workload)
    distances = agreement(contenders, paths)
    rates = alternate(contenders, rounds)
    cpu = {name: [c for c, _ in pairs] for name, pairs in rates.items()}
    wall = {name: [w for _, w in pairs] for name, pairs in rates.items()}
    return {
        "standard_errors_apart": distances,
        "path_steps_per_cpu_second": {name: asdict(Figure.of(values)) for name, values in cpu.items()},
        "path_steps_per_wall_second": {name: asdict(Figure.of(values)) for name, values in wall.items()},
        "ratio_to_naive_loop": {n: asdict(ratios(cpu[n], cpu[LOOP])) for n in cpu if n != LOOP},
    }


def control(paths: int) -> float:
    """Standard errors between the two Adam models: the test of agreement must tell them apart."""
    distance = W3.simulate(paths, 1).distance(numba_paths(W3_2025.name, paths))
    if distance < STANDARD_ERRORS:
        raise Disagreement(f"the test of agreement cannot tell two models apart: {distance:.1f} standard errors")
    return distance


def two_threads(rounds: int) -> Figure | None:
    """Wall time of W1 on one thread over that on two, in alternation.

    Rounds in which other programs held the cores (CPU time below 0.9 of threads times wall time) say nothing about
    the threads and are left out; None if that leaves none.
    """
    contenders = [Implementation(str(n), partial(W1.simulate, threads=n), 65_536) for n in (1, 2)]
    found = alternate(contenders, 3 * rounds)
    pairs = [
        (two, one)
        for (one_cpu, one), (two_cpu, two) in zip(found["1"], found["2"], strict=True)
        if one > 0.9 * one_cpu and two > 1.8 * two_cpu
    ]
    return ratios([two for two, _ in pairs], [one for _, one in pairs]) if pairs else None


def machine() -> dict[str, Any]:
    """The processor and the versions that matter; nothing that names the machine."""
    text = Path("/proc/cpuinfo").read_text() if Path("/proc/cpuinfo").exists() else ""
    fields = dict(line.split(":", 1) for line in text.splitlines() if ":" in line)
    fields = {name.strip(): value.strip() for name, value in fields.items()}
    flags = fields.get("flags", "").split()
    return {
        "cpu": fields.get("model name", platform.machine()),
        "simd": [flag for flag in ("avx2", "fma", "avx512f") if flag in flags],
        "cores": os.cpu_count(),
        "load_average_at_start": round(os.getloadavg()[0], 2),
        "python": platform.python_version(),
        **{name: version(name) for name in ("numpy", "numba", "llvmlite")},
    }


def run(quick: bool, console: Console) -> dict[str, Any]:
    """All measurements, in about a minute and a half, or in half a minute."""
    rounds, paths, repetitions = (3, 10_000, 3) if quick else (5, 20_000, 5)
    problem = {"H": H.tolist(), "x0": X0.tolist(), "eta": ETA, "sigma": SIGMA, "steps": STEPS}
    results: dict[str, Any] = {
        "command": "python benchmarks/run.py" + " --quick" * quick,
        "machine": machine(),
        "problem": problem,
        "rounds": rounds,
    }
    with console.status("") as status:
        results["workloads"] = {}
        for workload in WORKLOADS:
            status.update(f"{workload.name}: {workload.optimizer}, model {workload.model}")
            results["workloads"][workload.name] = measure(workload, rounds, paths)
        results["standard_errors_between_different_models"] = control(paths)
        status.update("two threads")
        speedup = two_threads(rounds)
        results["two_threads_over_one_W1"] = asdict(speedup) if speedup else None
        status.update("command line and compilation")
        results["command_line_cpu_seconds"] = {c: asdict(command_line(c, repetitions)) for c in COMMANDS}
        stages = compilation(1, repetitions)
        results["seconds"] = {kind: {n: asdict(f) for n, f in found.items()} for kind, found in stages.items()}
    return results


def show(results: dict[str, Any], console: Console) -> None:
    """Prints the results as tables."""
    rates = Table(title="Million path-steps per CPU second on one thread: median (range)")
    rates.add_column("workload")
    rates.add_column("implementation")
    for heading in ("path-steps/s", "ratio to the naive loop", "standard errors apart"):
        rates.add_column(heading, justify="right")
    for workload, found in results["workloads"].items():
        for name, figure in found["path_steps_per_cpu_second"].items():
            ratio = found["ratio_to_naive_loop"].get(name)
            apart = max(v for pair, v in found["standard_errors_apart"].items() if name in pair)
            shown = spread(ratio, ".1f") if ratio else "1"
            rates.add_row(workload, name, spread(figure, ".3g", 1e-6), shown, f"{apart:.1f}")
        rates.add_section()
    others = Table("measured", "median (range)", title="Around the kernels")
    speedup = results["two_threads_over_one_W1"]
    others.add_row("W1: two threads over one, wall time", spread(speedup, ".2f") if speedup else "no two free cores")
    for command, figure in results["command_line_cpu_seconds"].items():
        others.add_row(f"{command}, warm cache: CPU s", spread(figure, ".2f"))
    for kind, stages in results["seconds"].items():
        for stage, figure in stages.items():
            others.add_row(f"{stage}, {kind} cache: s", spread(figure, ".3f"))
    console.print(rates, others)


def spread(figure: dict[str, float], form: str, unit: float = 1.0) -> str:
    """median (low - high)."""
    median, low, high = (figure[name] * unit for name in ("median", "low", "high"))
    return f"{median:{form}} ({low:{form}} - {high:{form}})"


def main(arguments: Sequence[str] | None = None) -> None:
    """Runs everything, prints tables and writes the results."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="fewer rounds and paths")
    parser.add_argument("--out", type=Path, default=Path(__file__).with_name("results.json"), metavar="FILE")
    options = parser.parse_args(arguments)
    console = Console(width=110)
    results = run(options.quick, console)
    show(results, console)
    options.out.write_text(json.dumps(results, indent=2) + "\n")


if __name__ == "__main__":
    main()
