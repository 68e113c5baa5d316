"""Timing several implementations of one workload side by side."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from workloads import STEPS, Result

STANDARD_ERRORS = 5.0


class Disagreement(RuntimeError):
    """Two implementations do not compute the same thing, so that comparing their speed means nothing."""


@dataclass(frozen=True)
class Implementation:
    """One way to run a workload: ``run(paths, seed)``, and the number of paths of a timed run."""

    name: str
    run: Callable[[int, int], Result]
    paths: int


@dataclass(frozen=True)
class Figure:
    """Median and range of a measured quantity over the rounds."""

    median: float
    low: float
    high: float

    @classmethod
    def of(cls, values: Sequence[float]) -> Figure:
        return cls(statistics.median(values), min(values), max(values))


def agreement(implementations: Sequence[Implementation], paths: int) -> dict[str, float]:
    """Largest difference of each pair's moments over the saved times, in standard errors.

    Compiles all of them on the way. Raises `Disagreement` for a pair that is `STANDARD_ERRORS` or more apart.
    """
    results = [(each.name, each.run(paths, 1 + number)) for number, each in enumerate(implementations)]
    found = {}
    for i, (name, result) in enumerate(results):
        for other_name, other in results[:i]:
            distance = found[f"{other_name}, {name}"] = result.distance(other)
            if not distance < STANDARD_ERRORS:
                raise Disagreement(f"{other_name} and {name} are {distance:.1f} standard errors apart")
    return found


def path_steps_per_second(run: Callable[[int, int], Result], paths: int, seed: int) -> tuple[float, float]:
    """Path-steps per second of CPU time of the whole process, and per second of wall time."""
    cpu, wall = time.process_time(), time.perf_counter()
    run(paths, seed)
    cpu, wall = time.process_time() - cpu, time.perf_counter() - wall
    return paths * STEPS / cpu, paths * STEPS / wall


def alternate(implementations: Sequence[Implementation], rounds: int) -> dict[str, list[tuple[float, float]]]:
    """The rates of `path_steps_per_second` by implementation, measured in turn: A B C A B C ..."""
    rates: dict[str, list[tuple[float, float]]] = {each.name: [] for each in implementations}
    for number in range(rounds):
        for each in implementations:
            rates[each.name].append(path_steps_per_second(each.run, each.paths, number))
    return rates


def ratios(first: Sequence[float], second: Sequence[float]) -> Figure:
    """first / second, round by round."""
    return Figure.of([a / b for a, b in zip(first, second, strict=True)])
