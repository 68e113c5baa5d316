"""Timing several implementations of one workload side by side."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from workloads import STEPS, Result

STANDARD_ERRORS = 5.0


class Unavailable(RuntimeError):
    """An implementation cannot run here; the message says why."""


class Disagreement(RuntimeError):
    """Two implementations do not compute the same thing, so that comparing their speed means nothing."""


@dataclass(frozen=True)
class Timed:
    """What a run found, and its CPU seconds (of the whole process) and wall seconds."""

    result: Result
    cpu: float
    wall: float


@dataclass(frozen=True)
class Implementation:
    """One way to run a workload: ``run(paths, seed)``, and the paths of a timed run and of the checked one."""

    name: str
    run: Callable[[int, int], Timed]
    paths: int
    sample: int


@dataclass(frozen=True)
class Figure:
    """Median and range of a measured quantity over the rounds, to four digits."""

    median: float
    low: float
    high: float

    @classmethod
    def of(cls, values: Sequence[float]) -> Figure:
        return cls(*(float(f"{value:.4g}") for value in (statistics.median(values), min(values), max(values))))


def here(run: Callable[[int, int], Result]) -> Callable[[int, int], Timed]:
    """``run`` timed in this process."""

    def timed(paths: int, seed: int) -> Timed:
        cpu, wall = time.process_time(), time.perf_counter()
        result = run(paths, seed)
        return Timed(result, time.process_time() - cpu, time.perf_counter() - wall)

    return timed


def agreement(implementation: Implementation, expected: Result) -> float:
    """Largest difference between an implementation's moments and the expected ones, in standard errors.

    Compiles it on the way. Raises `Disagreement` where that is `STANDARD_ERRORS` or more.
    """
    distance = implementation.run(implementation.sample, 1).result.distance(expected)
    if not distance < STANDARD_ERRORS:
        raise Disagreement(f"{distance:.1f} standard errors from adasde")
    return distance


def alternate(implementations: Sequence[Implementation], rounds: int) -> dict[str, list[tuple[float, float]]]:
    """Path-steps per CPU second and per wall second by implementation, measured in turn: A B C A B C ..."""
    rates: dict[str, list[tuple[float, float]]] = {each.name: [] for each in implementations}
    for number in range(rounds):
        for each in implementations:
            timed = each.run(each.paths, number)
            rates[each.name].append((each.paths * STEPS / timed.cpu, each.paths * STEPS / timed.wall))
    return rates


def ratios(first: Sequence[float], second: Sequence[float]) -> Figure:
    """first / second, round by round."""
    return Figure.of([a / b for a, b in zip(first, second, strict=True)])


def fastest(rates: Mapping[str, Sequence[float]], names: Sequence[str]) -> str | None:
    """The name with the largest median rate among those that were measured."""
    measured = [name for name in names if name in rates]
    return max(measured, key=lambda name: statistics.median(rates[name]), default=None)
