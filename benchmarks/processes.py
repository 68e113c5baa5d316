"""What a user waits for around the kernels: start-up, command line and compilation, in child processes."""

from __future__ import annotations

import json
import os
import resource
import subprocess
import sys
import sysconfig
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path

from measure import Figure
from threads import ONE_THREAD

COMMANDS = ("adasde --help", "adasde simulate sgd --paths 10000 --steps 1000")
STAGES = ("import numba", "import driver", "compile sgd sde")
STAGES_SCRIPT = """
import json, time
ticks = [time.perf_counter()]
import numba
ticks.append(time.perf_counter())
from adasde.kernels import driver
ticks.append(time.perf_counter())
from adasde.kernels.cpu import sgd
sgd.sde_gaussian.compiled
ticks.append(time.perf_counter())
print(json.dumps([b - a for a, b in zip(ticks, ticks[1:])]))
"""


def child(command: Sequence[str], environment: Mapping[str, str]) -> tuple[float, str]:
    """CPU seconds (user and system) of a child process, free to use all cores, and what it printed."""
    inherited = {name: value for name, value in os.environ.items() if name not in ONE_THREAD}
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    done = subprocess.run(command, env=inherited | environment, check=True, capture_output=True, text=True)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime - before.ru_utime + after.ru_stime - before.ru_stime, done.stdout


def command_line(command: str, repetitions: int) -> Figure:
    """CPU seconds of an `adasde` command whose compiled code is in the disk cache."""
    program, *arguments = command.split()
    words = [str(Path(sysconfig.get_path("scripts")) / program), *arguments]
    with tempfile.TemporaryDirectory() as cache:
        environment = {"NUMBA_CACHE_DIR": cache}
        child(words, environment)
        return Figure.of([child(words, environment)[0] for _ in range(repetitions)])


def compilation(cold: int, warm: int) -> dict[str, dict[str, Figure]]:
    """Seconds of each of `STAGES` and CPU seconds of the process.

    ``cold`` times with an empty disk cache, each followed by ``warm`` times with the cache that it left.
    """
    runs: dict[str, list[list[float]]] = {"cold": [], "warm": []}
    for _ in range(cold):
        with tempfile.TemporaryDirectory() as cache:
            runs["cold"].append(_stages(cache))
            runs["warm"] += [_stages(cache) for _ in range(warm)]
    names = (*STAGES, "CPU of the process")
    return {
        kind: {name: Figure.of(values) for name, values in zip(names, zip(*found, strict=True), strict=True)}
        for kind, found in runs.items()
    }


def _stages(cache: str) -> list[float]:
    cpu, output = child([sys.executable, "-c", STAGES_SCRIPT], {"NUMBA_CACHE_DIR": cache})
    return [*json.loads(output), cpu]
