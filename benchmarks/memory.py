"""Peak memory of W1 in a process of its own, for more paths, steps and threads; writes benchmarks/memory.json.

    python benchmarks/memory.py [--quick] [--out FILE]

The peak resident set of the whole process is what counts, interpreter and compiler included: `ru_maxrss` at its end,
with kernels from the disk cache, and once with everything compiled in the process. Exits with 1 where a case takes more
than `LIMIT`, or where ten times the paths or the steps take `GROWTH` more than one time.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import resource
import subprocess
import sys
import tempfile
from importlib.metadata import version
from pathlib import Path
from typing import Any

from workloads import ETA, SAVES, SIGMA, X0, H

LIMIT, GROWTH = 400.0, 8.0
"""In units of 1e6 bytes."""
CASES = ((100_000, 1_000, 2), (100_000, 1_000, 1), (1_000_000, 1_000, 2), (100_000, 10_000, 2))
"""Paths, steps, threads; the others are held against the first."""
COMPILING = (1_000_000, 1_000, 2)
QUICK = ((100_000, 300, 2), (1_000_000, 300, 2))
WARM_UP = (4096, 10, 1)

Figures = dict[str, Any]


def peak() -> float:
    """Largest resident set of this process so far, in units of 1e6 bytes."""
    largest = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return largest / 1e6 if sys.platform == "darwin" else largest * 1024 / 1e6


def run(paths: int, steps: int, threads: int) -> None:
    """Simulates W1 and prints the peak after the imports, and in the end."""
    import adasde
    from adasde.kernels import driver, statistics

    loaded = peak() if driver and statistics else 0.0
    noise, loss = adasde.gaussian(SIGMA), adasde.Quadratic(H)
    given: Figures = {"steps": steps, "paths": paths, "threads": threads}
    ensemble = adasde.simulate("sgd", "sde", loss=loss, noise=noise, save=SAVES, x0=X0, lr=ETA, **given)
    if ensemble.n[-1] != paths:
        raise RuntimeError(f"{paths - ensemble.n[-1]} of {paths} paths are missing")
    print(json.dumps(given | {"loaded": loaded, "peak": peak()}))


def measured(case: tuple[int, int, int], compiling: bool = False) -> Figures:
    """`run` in a fresh process; ``compiling``: with an empty cache of compiled code. This process must be a small one:
    the peak of a new process counts from what the one that started it has."""
    command = [sys.executable, __file__, "--run", *map(str, case)]
    with tempfile.TemporaryDirectory() as empty:
        environment = os.environ | ({"NUMBA_CACHE_DIR": empty} if compiling else {})
        done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True, env=environment)
    figures: Figures = json.loads(done.stdout)
    return figures | {"compiling": compiling}


def line(figures: Figures) -> str:
    case = "{paths:>9g} paths, {steps:>6g} steps, {threads} threads".format(**figures)
    note = ", all of it compiled there" if figures["compiling"] else ""
    return f"{case}: {figures['peak']:4.0f} MB at the peak, {figures['loaded']:4.0f} MB when loaded{note}"


def failures(figures: list[Figures]) -> list[str]:
    """What does not hold."""
    most = figures[0]["peak"] + GROWTH
    large = [f"{line(each)}: more than {LIMIT:.0f} MB" for each in figures if each["peak"] > LIMIT]
    grown = [each for each in figures if not each["compiling"] and each["peak"] > most]
    return large + [f"{line(each)}: more than {GROWTH:.0f} MB above the first" for each in grown]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, default=Path(__file__).with_name("memory.json"))
    parser.add_argument("--quick", action="store_true", help="few steps, and nothing compiled")
    parser.add_argument("--run", type=int, nargs=3, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.run:
        run(*arguments.run)
        return 0
    measured(WARM_UP)
    figures = [measured(case) for case in (QUICK if arguments.quick else CASES)]
    figures += [] if arguments.quick else [measured(COMPILING, compiling=True)]
    print("\n".join(map(line, figures)))
    about = {"python": platform.python_version(), "machine": platform.machine(), "system": platform.system()}
    about |= {name: version(name) for name in ("adasde", "numba", "numpy")}
    result = {"unit": "1e6 bytes", "limit": LIMIT, "growth": GROWTH, "figures": figures} | about
    arguments.out.write_text(json.dumps(result, indent=1) + "\n")
    problems = failures(figures)
    print("\n".join(problems) or "all within the limits")
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
