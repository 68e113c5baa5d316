"""Rung 5: the weak order of a model in eta, measured in one dimension by deterministic transfer operators.

A model has weak order alpha if |E phi(model at T) - E phi(optimizer at T)| <= C eta^alpha for smooth phi at fixed
rates and fixed T. The slope of the largest of these errors over the last halving of eta must be within `TOLERANCE` of
alpha, with what numerical error leaves open in it: the change of both errors when everything is coarser (`transfer`),
or, where they are sampled, a confidence interval (`coupled`).
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from adasde.derive.model import SDE
from adasde.derive.rule import UpdateRule
from adasde.ensemble import Array
from adasde.errors import UnknownName
from adasde.files import write_whole
from adasde.verify import coupled, transfer
from adasde.verify.chain import NoiseRule, optimizer
from adasde.verify.check import Check
from adasde.verify.problem import Problem, coefficients, default_problem, evaluation, starts
from adasde.verify.transfer import Resolution, gaussian

ETAS = (1 / 32, 1 / 64, 1 / 128)
TOLERANCE = 0.15
RESOLVED = 0.02
"""Slopes whose numerical uncertainty is larger than this decide nothing."""
REPRODUCED = 0.01
TABLE = Path(__file__).with_name("orders.json")


@dataclass(frozen=True)
class WeakOrder:
    """One model of one case.

    errors  E phi(model) - E phi(optimizer) per test function and eta
    floors  numerical error of each, as its change when everything is coarser and the frame wider
    """

    case: str
    model: str
    expected: int
    functions: tuple[str, ...]
    etas: tuple[float, ...]
    errors: tuple[tuple[float, ...], ...]
    floors: tuple[tuple[float, ...], ...]

    @property
    def slopes(self) -> tuple[float, ...]:
        """log2 |error(2 eta) / error(eta)| over the last pair, per test function."""
        return tuple(float(np.log2(abs(row[-2] / row[-1]))) for row in self.errors)

    @property
    def uncertainties(self) -> tuple[float, ...]:
        """What the floors of the last pair leave open in each slope, to first order."""
        pairs = zip(self.errors, self.floors, strict=True)
        return tuple(sum(abs(low[i] / row[i]) for i in (-2, -1)) / float(np.log(2)) for row, low in pairs)

    @property
    def order(self) -> float:
        """The slope of the largest error among the test functions, over the last pair. The error of one function may
        change its sign near these eta, and then has any slope; the largest does not."""
        first, second = self.largest_errors
        return float(np.log2(first / second))

    @property
    def largest_errors(self) -> tuple[float, float]:
        """The largest error among the test functions at either eta of the last pair."""
        first, second = (max(abs(row[at]) for row in self.errors) for at in (-2, -1))
        return first, second

    @property
    def uncertainty(self) -> float:
        """What the floors leave open in `order`, to first order."""
        floors = (max(row[at] for row in self.floors) for at in (-2, -1))
        return sum(low / error for error, low in zip(self.largest_errors, floors, strict=True)) / float(np.log(2))

    @property
    def floor(self) -> float:
        """The largest numerical error over test functions and the last pair."""
        return max(max(row[-2:]) for row in self.floors)

    @property
    def verdict(self) -> str:
        """``holds`` or ``fails`` where all of order +- uncertainty is within the tolerance of the expected order, or
        none of it; else ``undecided``."""
        return verdict(self.order, self.uncertainty, self.expected)

    @property
    def holds(self) -> bool:
        """Whether the order is the expected one."""
        return self.verdict == "holds"

    @property
    def loses(self) -> bool:
        """Whether some resolved slope falls short of the expected order by more than the tolerance, with its
        uncertainty: what a wrong model must show. (A slope that is too steep shows an error that changes sign.)"""
        pairs = zip(self.slopes, self.uncertainties, strict=True)
        return any(slope + open_ < self.expected - TOLERANCE for slope, open_ in pairs if open_ <= RESOLVED)

    def to_dict(self) -> dict[str, object]:
        return {
            "model": self.model,
            "expected": self.expected,
            "functions": self.functions,
            "etas": self.etas,
            "errors": [[float(f"{e:.6e}") for e in row] for row in self.errors],
            "floors": [[float(f"{e:.1e}") for e in row] for row in self.floors],
            "slopes": [round(slope, 4) for slope in self.slopes],
            "order": round(self.order, 4),
            "uncertainty": round(self.uncertainty, 4),
            "holds": self.holds,
        }


def verdict(order: float, uncertainty: float, expected: int) -> str:
    """``holds``, ``fails`` or ``undecided`` of an interval of slopes."""
    gap = abs(order - expected)
    return "holds" if gap + uncertainty <= TOLERANCE else "fails" if gap - uncertainty > TOLERANCE else "undecided"


def weak_orders(
    rule: UpdateRule,
    sdes: Sequence[tuple[str, SDE]],
    problem: Problem | None = None,
    *,
    etas: Sequence[float] | None = None,
    noise: NoiseRule = gaussian,
) -> list[WeakOrder]:
    """Errors and slopes of each named model of ``rule`` on a one-dimensional problem, by default `default_problem`.

    ``etas`` fall by halves, by default those of `step_sizes`; ``noise`` is the quadrature rule of the law that the
    models were derived for. Errors are deterministic, but for models with a kink in a slow state: see `coupled`.
    """
    etas = step_sizes(rule) if etas is None else etas
    if len(etas) < 2 or not np.allclose(np.divide(etas[:-1], etas[1:]), 2):
        raise ValueError(f"etas = {tuple(etas)} do not halve")
    if problem is None and coupled.has_slow_kink(rule):
        problem = coupled.across(rule, default_problem(rule))
        measured = coupled.errors_of(rule, sdes, problem, etas)
    else:
        problem = problem or default_problem(rule)
        measured = np.array([_measure(rule, sdes, problem, step_size, noise) for step_size in etas])
    names = tuple(str(f) for f in problem.functions)
    found = []
    for i, (name, sde) in enumerate(sdes):
        errors, floors = (tuple(map(tuple, part.T.tolist())) for part in (measured[:, 0, i], measured[:, 1, i]))
        found.append(WeakOrder(rule.name, name, sde.weak_order, names, tuple(etas), errors, floors))
    return found


def step_sizes(rule: UpdateRule) -> tuple[float, ...]:
    """`ETAS`; up to 1/64 where an error is sampled or there are three states or more, for what the last would cost."""
    return ETAS[:2] if len(rule.states) > 2 or coupled.has_slow_kink(rule) else ETAS


def _measure(
    rule: UpdateRule, sdes: Sequence[tuple[str, SDE]], problem: Problem, step_size: float, noise: NoiseRule
) -> Array:
    """(2, models, functions): errors, and their changes at the coarse resolution."""
    at = (transfer.fine(len(rule.states)), transfer.coarse(len(rule.states)))
    errors, coarser = (weak_errors(rule, sdes, problem, step_size, noise, resolution) for resolution in at)
    return np.array([errors, np.abs(coarser - errors)])


def weak_errors(
    rule: UpdateRule,
    sdes: Sequence[tuple[str, SDE]],
    problem: Problem,
    step_size: float,
    noise: NoiseRule,
    at: Resolution,
) -> Array:
    """E phi(model) - E phi(optimizer) at one eta and resolution: (models, functions)."""
    chain, functions = optimizer(rule, problem), evaluation(problem, rule.states)
    start = starts(problem, rule.states)
    moving = transfer.frame(chain, start, problem.steps(step_size), noise, at.width)
    exact = transfer.optimizer_means(chain, functions, start, moving, noise, at)
    slow = [i for i, y in enumerate(rule.states) if i not in chain.memories and str(y) not in rule.average_out]
    functions, moving = evaluation(problem, tuple(rule.states[i] for i in slow)), moving.of(slow)
    begin = np.array([[problem.start[rule.states[i]]] for i in slow]), np.ones(1)
    means = [transfer.model_means(coefficients(sde, problem), functions, begin, moving, at) for _, sde in sdes]
    return np.array(means) - exact


def checks(orders: Sequence[WeakOrder]) -> list[Check]:
    """One `Check` of rung 5 for each model; a slope that is not resolved leaves it undecided."""
    found = []
    for order in orders:
        pairs = zip(order.functions, order.slopes, strict=True)
        slopes = ", ".join(f"{slope:.2f} ({function})" for function, slope in pairs)
        largest = f"slope {order.order:.2f} +- {order.uncertainty:.2f} of the largest error"
        measured = f"{largest} at eta = 1/{round(1 / order.etas[-1])}, numerical error {order.floor:.0e}; {slopes}"
        found.append(Check(5, f"{order.model}: weak order {order.expected} in eta", order.verdict, measured))
    return found


def table() -> dict[str, tuple[WeakOrder, ...]]:
    """The committed measurements by case."""
    return {name: tuple(_read(name, row) for row in rows["models"]) for name, rows in _stored().items()}


def remarks() -> dict[str, str]:
    """The committed remark on each case."""
    return {name: rows["remark"] for name, rows in _stored().items()}


def _stored() -> dict[str, Any]:
    stored: dict[str, Any] = json.loads(TABLE.read_text(encoding="utf-8"))
    return stored


def _read(case: str, row: dict[str, Any]) -> WeakOrder:
    errors, floors = (tuple(map(tuple, row[name])) for name in ("errors", "floors"))
    return WeakOrder(case, row["model"], row["expected"], tuple(row["functions"]), tuple(row["etas"]), errors, floors)


@dataclass(frozen=True)
class Reproduction:
    """A slope measured afresh against the committed one; both are deterministic."""

    model: str
    function: str
    committed: float
    measured: float

    @property
    def agrees(self) -> bool:
        return abs(self.measured - self.committed) <= REPRODUCED


def compare(committed: Sequence[WeakOrder], fresh: Sequence[WeakOrder]) -> list[Reproduction]:
    """Slope by slope; raises `UnknownName` where the table lacks a model that was measured."""
    known = {order.model: order for order in committed}
    found = []
    for order in fresh:
        if order.model not in known:
            raise UnknownName("orders.json: model", order.model, known)
        rows = zip(order.functions, known[order.model].slopes, order.slopes, strict=True)
        found += [Reproduction(order.model, *row) for row in rows]
    return found


def write(measured: Iterable[tuple[str, str, Sequence[WeakOrder]]], path: Path = TABLE) -> None:
    """Replaces the table by (case, remark, orders) as they come."""
    cases = {
        case: {"remark": remark, "models": [order.to_dict() for order in orders]} for case, remark, orders in measured
    }
    write_whole(path, json.dumps(cases, indent=1) + "\n")
