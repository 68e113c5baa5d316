"""Final losses of a study with their intervals, and the gaps between them by name."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from scipy import special

from adasde.nets.streams import Array
from adasde.nets.study import Finished
from adasde.nets.trajectory import Curve

LEVEL = 0.95
"""Of each interval by itself: of twenty gaps that are not there, one is expected to be outside."""
ROUNDING = 1e-6


@dataclass(frozen=True)
class Interval:
    """A mean over seeds with its confidence interval mean ± half (Student-t, `LEVEL`)."""

    mean: float
    half: float
    seeds: int

    def holds(self, value: float) -> bool:
        return abs(value - self.mean) <= self.half


@dataclass(frozen=True)
class Gap:
    """A difference of final losses: what it is due to, minuend and subtrahend by the names of their curves; size is the
    larger of the two losses."""

    cause: str
    minuend: str
    subtrahend: str
    difference: Interval
    size: float

    @property
    def seen(self) -> bool:
        """Whether the interval leaves out 0 by more than rounding: where two curves are the same but for rounding, as
        SGD and its SDE at dt = lr are, it says nothing."""
        return abs(self.difference.mean) > self.difference.half + ROUNDING * self.size


CAUSES = (
    ("the whole model", "algorithm-minibatch", "sde-full"),
    ("non-Gaussianity", "algorithm-minibatch", "algorithm-full"),
    ("order", "algorithm-full", "sde-full"),
    ("dt", "sde-full", "sde-full-dt4"),
    ("correlation", "sde-full", "sde-diagonal"),
    ("empirical P(g < 0)", "algorithm-minibatch", "sde-empirical"),
    ("compagnoni2025", "sde-full", "compagnoni2025-full"),
    ("malladi2022", "sde-full", "malladi2022-full"),
)
"""What a gap is due to: curves that differ in that alone."""


def finals(finished: Sequence[Finished]) -> dict[str, dict[int, float]]:
    """Final losses of one optimizer on one network: curve by name, seed, loss."""
    found: dict[str, dict[int, float]] = {}
    for one in finished:
        found.setdefault(one.task.curve.name, {})[one.task.seed] = float(one.losses[-1])
    return found


def interval(values: Sequence[float] | Array) -> Interval:
    """Of the mean of independent values; infinite for fewer than two, nan where a run diverged."""
    given = np.asarray(values, dtype=np.float64)
    if given.size < 2:
        return Interval(float(given.mean()) if given.size else math.nan, math.inf, given.size)
    half = special.stdtrit(given.size - 1, (1 + LEVEL) / 2) * given.std(ddof=1) / math.sqrt(given.size)
    return Interval(float(given.mean()), float(half), given.size)


def gaps(final: Mapping[str, Mapping[int, float]]) -> list[Gap]:
    """The gaps of `CAUSES` whose curves were run, as means over the seeds of both of the difference by seed: the noise
    that two curves share cancels, and where they share none this is the ordinary paired interval."""
    found = []
    for cause, minuend, subtrahend in CAUSES:
        if minuend in final and subtrahend in final:
            seeds = sorted(final[minuend].keys() & final[subtrahend].keys())
            differences = [final[minuend][seed] - final[subtrahend][seed] for seed in seeds]
            size = max(abs(final[name][seed]) for name in (minuend, subtrahend) for seed in seeds)
            found.append(Gap(cause, minuend, subtrahend, interval(differences), size))
    return found


def share_closed(final: Mapping[str, Mapping[int, float]], substeps: int = 1) -> Interval | None:
    """Which share of the gap between real minibatches (a) and the Gaussian model (b) the empirical law (c) closes, both
    at dt = lr / substeps: (c - b)/(a - b) of the mean final losses, with the interval of the delta method over seeds;
    None without these curves."""
    names = ("algorithm-minibatch", Curve("sde", "full", substeps).name, Curve("sde", "empirical", substeps).name)
    if any(name not in final for name in names):
        return None
    seeds = sorted(set.intersection(*(set(final[name]) for name in names)))
    a, b, c = (np.array([final[name][seed] for seed in seeds]) for name in names)
    gap = a.mean() - b.mean()
    share = (c.mean() - b.mean()) / gap
    return Interval(float(share), interval(((c - b) - share * (a - b)) / gap).half, len(seeds))
