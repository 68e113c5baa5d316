"""A scaling rule tried out: the optimizer's own loss on a quadratic, at two batch sizes and the same samples."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np
from scipy import stats

from adasde.ensemble import Array, Ensemble
from adasde.losses.quadratic import Quadratic
from adasde.noise import gaussian
from adasde.scaling import Scaling
from adasde.scaling_problem import COORDINATES, FEWER, POINTS, Problem, alternatives, problem_for
from adasde.simulation import simulate
from adasde.verify.check import FALSE_ALARM

TOLERANCE = 0.05
"""Relative deviation of the mean loss within which the rule holds."""


@dataclass(frozen=True)
class Deviation:
    """Relative deviation of the mean loss from that at the old batch, at `POINTS` equal numbers of samples."""

    name: str
    values: dict[str, float]
    deviation: Array
    standard_error: Array

    def to_dict(self) -> dict[str, Any]:
        deviation, error = self.deviation.tolist(), self.standard_error.tolist()
        return {"name": self.name, "values": self.values, "deviation": deviation, "standard_error": error}


@dataclass(frozen=True)
class Measured:
    """What `measure` returns; rows[0] is the rule itself."""

    problem: Problem
    rows: tuple[Deviation, ...]

    @property
    def verdict(self) -> str:
        """``holds``: the rule's intervals are within `TOLERANCE` at all points together; ``fails``: one is outside."""
        limit = stats.norm.isf(FALSE_ALARM / (2 * POINTS))
        size, half = np.abs(self.rows[0].deviation), limit * self.rows[0].standard_error
        if (size + half).max() <= TOLERANCE:
            return "holds"
        return "fails" if (size - half).max() > TOLERANCE or not np.isfinite(size).all() else "undecided"

    def to_dict(self) -> dict[str, Any]:
        return {
            "problem": asdict(self.problem) | {"coordinates": COORDINATES, "steps": list(self.problem.steps)},
            "tolerance": TOLERANCE,
            "verdict": self.verdict,
            "rows": [row.to_dict() for row in self.rows],
        }


def measure(
    found: Scaling,
    optimizer: str,
    seed: int = 0,
    paths: int | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> Measured:
    """Simulates ``optimizer`` at the old batch, and at the new batch with the rule and with less than the rule.

    paths   of `COORDINATES` coordinates each, at the old batch and for the rule; by default what `WORK` allows

    Raises `InvalidParameter` for a rule whose position is not pulled back by a constant gradient in the way that the
    problem needs, and what `simulate` raises.
    """
    problem = problem_for(found)
    cases = alternatives(found)
    if paths is not None:
        problem = replace(problem, paths=paths)
    base = _run(found, optimizer, problem, found.before, 0, seed)
    rows = []
    for i, (name, values) in enumerate(cases):
        if progress is not None:
            progress(i + 1, len(cases) + 1)
        size = problem if i == 0 else replace(problem, paths=max(2, problem.paths // FEWER))
        other = _run(found, optimizer, size, values, 1, seed + 1 + i)
        ratio = other.loss_mean / base.loss_mean
        error = ratio * np.hypot(other.loss_se / other.loss_mean, base.loss_se / base.loss_mean)
        rows.append(Deviation(name, values, ratio - 1, error))
    return Measured(problem, tuple(rows))


def _run(found: Scaling, optimizer: str, problem: Problem, values: dict[str, float], end: int, seed: int) -> Ensemble:
    """The loss of the optimizer at `POINTS` equal numbers of samples."""
    batch, steps = found.batch[end], problem.steps[end]
    hyperparameters: dict[str, Any] = found.rule_values(values)
    variance = problem.scale**2 / batch
    return simulate(
        optimizer,
        "algorithm",
        loss=Quadratic([problem.curvature] * COORDINATES),
        noise=gaussian(problem.scale, batch=batch),
        steps=steps,
        paths=problem.paths,
        seed=seed,
        save=[round(steps * (i + 1) / POINTS) for i in range(POINTS)],
        x0=[problem.start] * COORDINATES,
        init={"v": variance} if problem.averaged else None,
        **hyperparameters,
    )
