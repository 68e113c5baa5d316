"""Measures adasde against C with intrinsics and against other tools, side by side on one thread.

    python benchmarks/run.py [--quick] [--competitors PYTHON] [--out FILE]

Figures are path-steps per second of CPU time of the process, everything included but compilation: planning,
noise, steps, moments. The implementations of a workload run in alternation on one core, and ratios are taken round
by round. First each must agree with adasde: means and covariances within 5 standard errors at every saved time; and
the two Adam models, which are different SDEs, must be told apart by the same test. What cannot run, or does not
agree, is named with the reason. Competitors run in processes of their own under the interpreter that has them.
"""

from __future__ import annotations

import os

from threads import ONE_THREAD

os.environ |= ONE_THREAD

import argparse
import json
import platform
import sys
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import asdict
from functools import partial
from importlib.metadata import version
from pathlib import Path
from typing import Any

from competitors import MODULES
from measure import (
    STANDARD_ERRORS,
    Disagreement,
    Figure,
    Implementation,
    Unavailable,
    agreement,
    alternate,
    fastest,
    here,
    ratios,
)
from naive import generator_paths, numba_paths, numpy_paths
from processes import COMMANDS, command_line, compilation
from reference import (
    PRECISIONS,
    STAGES,
    VARIANTS,
    compiler_version,
    library,
    nanoseconds,
    processor_flags,
    reference_moments,
)
from remote import Worker
from report import show
from rich.console import Console
from targets import judge
from workloads import ETA, SIGMA, STEPS, W1, W2, W3, W3_2025, X0, H, Result, Workload

WORKLOADS = (W1, W2, W3, W3_2025)
ADASDE: dict[str, dict[str, Any]] = {
    "adasde": {},
    "adasde --fast": {"fast": True},
    "adasde, double noise": {"noise_precision": "double"},
    "adasde --fast, double noise": {"noise_precision": "double", "fast": True},
}
"""adasde and the arguments of `simulate`."""
PATHS, SAMPLE = 1 << 19, 65_536
"""Paths of a timed run and of the one that is compared: a large ensemble, and enough to tell models apart."""


def own(workload: Workload) -> Iterator[Implementation]:
    """adasde, strict and contracted, with both noises; the unavailable ones raise when they run."""
    for name, options in ADASDE.items():
        yield Implementation(name, here(partial(adasde_paths, workload, options)), PATHS, SAMPLE)


def adasde_paths(workload: Workload, options: dict[str, Any], paths: int, seed: int, threads: int = 1) -> Result:
    """Runs adasde; an option that this version does not know makes it `Unavailable`."""
    from adasde.errors import UnknownName

    try:
        return workload.simulate(paths, seed, threads, **options)
    except (TypeError, UnknownName) as error:
        if options:
            raise Unavailable(f"not available: {error}") from None
        raise


def in_c(workload: Workload) -> Iterator[Implementation]:
    """The C reference in each of its variants and noises."""
    for precision in PRECISIONS:
        for variant in VARIANTS:
            run = partial(reference_moments, workload.name, precision, variant)
            yield Implementation(f"C, {precision}, {variant}", here(run), PATHS, SAMPLE)


def by_hand(workload: Workload) -> Iterator[Implementation]:
    """The numba loops and numpy, each with a number of paths for about half a second."""
    loop = here(lambda paths, seed: numba_paths(workload.name, paths))
    yield Implementation("numba loop", loop, 8_000, 20_000)
    generator = here(partial(generator_paths, workload.name))
    yield Implementation("numba loop, Generator", generator, 16_000, 20_000)
    yield Implementation("numpy batch", here(partial(numpy_paths, workload.name)), 10_000, 20_000)


def measure(workload: Workload, rounds: int, workers: Sequence[Worker]) -> dict[str, Any]:
    """Agreement, rates and ratios of one workload."""
    others = [each for worker in workers for each in worker.implementations(workload.name)]
    distances, skipped, contenders = {}, {}, []
    expected = workload.simulate(SAMPLE, 0)
    for each in (*own(workload), *in_c(workload), *by_hand(workload), *others):
        try:
            distances[each.name] = agreement(each, expected)
            contenders.append(each)
        except Unavailable as reason:
            skipped[each.name] = str(reason)
    rates = alternate(contenders, rounds)
    cpu = {name: [c for c, _ in pairs] for name, pairs in rates.items()}
    references = {p: fastest(cpu, [f"C, {p}, {variant}" for variant in VARIANTS]) for p in PRECISIONS}
    return {
        "standard_errors_from_adasde": distances,
        "skipped": skipped,
        "path_steps_per_cpu_second": {name: asdict(Figure.of(values)) for name, values in cpu.items()},
        "reference": references,
        "ratios": {first: {n: asdict(ratios(cpu[first], cpu[n])) for n in cpu} for first in ADASDE if first in cpu},
    }


def control() -> float:
    """Standard errors between the two Adam models: the test of agreement must tell them apart."""
    distance = W3.simulate(20_000, 1).distance(numba_paths(W3_2025.name, 20_000))
    if distance < STANDARD_ERRORS:
        raise Disagreement(f"the test of agreement cannot tell two models apart: {distance:.1f} standard errors")
    return distance


def two_threads(rounds: int) -> dict[str, Figure | None]:
    """Wall time of W1 on one thread over that on two, in alternation, of adasde and of C.

    Rounds in which other programs held the cores (CPU time below 0.95 of threads times wall time) say nothing about
    the threads and are left out; None if that leaves none.
    """
    runs = {"adasde": partial(adasde_paths, W1, {})}
    variant = best_variant()
    if variant:
        runs["C, mix"] = lambda paths, seed, threads: reference_moments("W1", "mix", variant, paths, seed, threads)
    found: dict[str, Figure | None] = {}
    for name, run in runs.items():
        contenders = [Implementation(str(n), here(partial(run, threads=n)), 4 * SAMPLE, SAMPLE) for n in (1, 2)]
        rates = alternate(contenders, 3 * rounds)
        pairs = [
            (two, one)
            for (one_cpu, one), (two_cpu, two) in zip(rates["1"], rates["2"], strict=True)
            if one > 0.95 * one_cpu and two > 1.9 * two_cpu
        ]
        found[name] = ratios([two for two, _ in pairs], [one for _, one in pairs]) if pairs else None
    return found


def best_variant() -> str | None:
    """The last of `VARIANTS` that runs here."""
    found = None
    for variant in VARIANTS:
        try:
            library(variant)
        except Unavailable:
            continue
        found = variant
    return found


def stages(rounds: int) -> dict[str, dict[str, Figure]]:
    """Nanoseconds per word and per normal of the C reference."""
    found: dict[str, dict[str, Figure]] = {}
    for variant in VARIANTS:
        try:
            found[variant] = {s: Figure.of([nanoseconds(s, variant) for _ in range(rounds)]) for s in STAGES}
        except Unavailable:
            continue
    return found


@contextmanager
def one_core() -> Iterator[None]:
    """Keeps this process, and the children that it starts, on one core, where the system can."""
    if not hasattr(os, "sched_setaffinity"):
        yield
        return
    allowed = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {max(allowed)})
    try:
        yield
    finally:
        os.sched_setaffinity(0, allowed)


def machine() -> dict[str, Any]:
    """The processor and the versions that matter; nothing that names the machine."""
    text = Path("/proc/cpuinfo").read_text() if Path("/proc/cpuinfo").exists() else ""
    fields = dict(line.split(":", 1) for line in text.splitlines() if ":" in line)
    fields = {name.strip(): value.strip() for name, value in fields.items()}
    try:
        gcc = compiler_version()
    except Unavailable as reason:
        gcc = str(reason)
    return {
        "cpu": fields.get("model name", platform.machine()),
        "family, model": [fields.get("cpu family"), fields.get("model")],
        "simd": [flag for flag in ("avx2", "fma", "avx512f") if flag in processor_flags()],
        "cores": os.cpu_count(),
        "load_average_at_start": round(os.getloadavg()[0], 2),
        "python": platform.python_version(),
        **{name: version(name) for name in ("adasde", "numpy", "numba", "llvmlite")},
        "gcc": gcc,
    }


def run(quick: bool, python: str, console: Console) -> dict[str, Any]:
    """All measurements."""
    rounds = 3 if quick else 7
    results: dict[str, Any] = {
        "command": "python benchmarks/run.py" + " --quick" * quick,
        "machine": machine(),
        "problem": {"H": H.tolist(), "x0": X0.tolist(), "eta": ETA, "sigma": SIGMA, "steps": STEPS},
        "rounds": rounds,
        "competitors": {},
        "workloads": {},
    }
    with console.status("") as status:
        with one_core(), ExitStack() as stack:
            workers = []
            for module in MODULES:
                status.update(f"starting {module}")
                try:
                    workers.append(stack.enter_context(Worker(python, module)))
                    results["competitors"][module] = workers[-1].versions
                except Unavailable as reason:
                    results["competitors"][module] = f"skipped: {reason}"
            for workload in WORKLOADS:
                status.update(f"{workload.name}: {workload.optimizer}, model {workload.model}")
                results["workloads"][workload.name] = measure(workload, rounds, workers)
            results["standard_errors_between_different_models"] = control()
            found = stages(rounds)
            results["reference_nanoseconds"] = {v: {s: asdict(f) for s, f in each.items()} for v, each in found.items()}
        status.update("two threads")
        results["two_threads_over_one_W1"] = {n: asdict(f) if f else None for n, f in two_threads(rounds).items()}
        status.update("command line and compilation")
        repetitions = 3 if quick else 5
        results["command_line_cpu_seconds"] = {c: asdict(command_line(c, repetitions)) for c in COMMANDS}
        around = compilation(1, repetitions)
        results["seconds"] = {kind: {n: asdict(f) for n, f in each.items()} for kind, each in around.items()}
    results["targets"] = judge(results)
    return results


def main(arguments: Sequence[str] | None = None) -> None:
    """Runs everything, prints tables and writes the results."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="fewer rounds")
    parser.add_argument(
        "--competitors", default=sys.executable, metavar="PYTHON", help="the interpreter that has the other libraries"
    )
    parser.add_argument("--out", type=Path, default=Path(__file__).with_name("results.json"), metavar="FILE")
    options = parser.parse_args(arguments)
    console = Console(width=140)
    results = run(options.quick, options.competitors, console)
    show(results, console)
    options.out.write_text(json.dumps(results, indent=2) + "\n")


if __name__ == "__main__":
    main()
