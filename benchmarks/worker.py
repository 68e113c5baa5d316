"""Runs one competitor in a process of its own: requests as lines of JSON on standard input, answers on standard output.

    python benchmarks/worker.py MODULE

The first answer names the implementations of ``competitors.MODULE`` and their versions, or says why there are none.
"""

from __future__ import annotations

import os
import sys

from threads import ONE_THREAD

os.environ |= ONE_THREAD

import importlib
import json
import time
from importlib.metadata import version
from pathlib import Path
from typing import Any


def greeting(module: str) -> tuple[dict[str, Any], dict[str, Any]]:
    """What the competitor offers, and its first answer."""
    try:
        found = importlib.import_module(f"competitors.{module}")
    except ImportError as error:
        return {}, {"unavailable": str(error)}
    offered = {
        name: {"paths": each.paths, "sample": each.sample or each.paths, "workloads": each.workloads}
        for name, each in found.IMPLEMENTATIONS.items()
    }
    versions = {package: version(package) for package in found.PACKAGES}
    return found.IMPLEMENTATIONS, {"implementations": offered, "versions": versions}


def answer(implementations: dict[str, Any], request: dict[str, Any]) -> dict[str, Any]:
    """Moments and times of one run; ``{"failed": ...}`` if it raised."""
    run = implementations[request["implementation"]].moments
    cpu, wall = time.process_time(), time.perf_counter()
    try:
        result = run(request["workload"], request["paths"], request["seed"])
    except Exception as error:
        return {"failed": f"{type(error).__name__}: {error}"}
    cpu, wall = time.process_time() - cpu, time.perf_counter() - wall
    return {"n": result.n, "mean": result.mean.tolist(), "cov": result.cov.tolist(), "cpu": cpu, "wall": wall}


def main() -> None:
    """Answers until standard input ends."""
    # Libraries print as they like; only answers go to the pipe.
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    sys.path.insert(0, str(Path(__file__).parent))
    implementations, first = greeting(sys.argv[1])
    print(json.dumps(first), file=answers, flush=True)
    for line in sys.stdin:
        print(json.dumps(answer(implementations, json.loads(line))), file=answers, flush=True)


if __name__ == "__main__":
    main()
