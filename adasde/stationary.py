"""Stationary covariances on a quadratic: printed, derived and simulated, side by side. Loads sympy when called."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from scipy import stats

from adasde.domain import counted
from adasde.ensemble import Array, Ensemble
from adasde.errors import InvalidParameter
from adasde.losses.base import Loss
from adasde.noise import Noise
from adasde.simulation import simulate
from adasde.stationary_problem import Problem, problem_of
from adasde.stationary_terms import exact_variances, printed_variances, two_terms
from adasde.verify.check import FALSE_ALARM

RELAXED = 7.0
"""Relaxation times of the slowest state that a run takes: the variance is within e^-14 of its limit."""
MOST_STEPS = 400_000
WORK = 4e8
"""Steps of one coordinate that each simulation may take by default, an SDE's substeps included."""
PATHS = (4_096, 131_072)


@dataclass(frozen=True)
class StationaryRow:
    """One model on the quadratic; arrays (d,), variances of the coordinates.

    leading, next_order   the terms in eta and eta^2; None where there are none, for the reason in ``note``
    exact                 the closed or numerically exact variance, where the moments close or the law is known
    v_at_rest             for the optimizer, all orders in eta with the second moment frozen
    covariance            (d, d), simulated; None beyond 64 dimensions
    linearised            (d, d), derived, where the coordinates are not independent; else None
    paths                 simulated paths that count
    verdict               ``holds`` or ``fails``: simulated against exact, else against the two terms; for an SDE
                          ``beyond two terms`` where these are not enough; "" where nothing is predicted
    """

    model: str
    leading: Array | None
    next_order: Array | None
    exact: Array | None
    v_at_rest: Array | None
    simulated: Array
    standard_error: Array
    covariance: Array | None
    paths: int
    verdict: str
    note: str = ""
    linearised: Array | None = None

    @property
    def predicted(self) -> Array | None:
        """The exact variance, or the sum of the terms."""
        if self.exact is not None or self.leading is None:
            return self.exact
        return self.leading if self.next_order is None else self.leading + self.next_order

    def to_dict(self) -> dict[str, Any]:
        arrays = (
            "leading",
            "next_order",
            "exact",
            "v_at_rest",
            "simulated",
            "standard_error",
            "covariance",
            "linearised",
        )
        found = {name: None if getattr(self, name) is None else getattr(self, name).tolist() for name in arrays}
        return found | {"paths": self.paths, "verdict": self.verdict, "note": self.note}


@dataclass(frozen=True)
class StationaryResult:
    """What `stationary` returns: a row a model, and closed forms as papers print them."""

    optimizer: str
    loss: str
    noise: str
    parameters: dict[str, float]
    steps: int
    seed: int
    rows: tuple[StationaryRow, ...]
    printed: dict[str, Array]
    curvatures: Array
    separable: bool

    def row(self, model: str) -> StationaryRow:
        return next(row for row in self.rows if row.model == model)

    @property
    def holds(self) -> bool:
        return all(row.verdict != "fails" for row in self.rows)

    def to_dict(self) -> dict[str, Any]:
        """The contract of ``adasde stationary --json``."""
        return {
            "optimizer": self.optimizer,
            "loss": self.loss,
            "noise": self.noise,
            "parameters": self.parameters,
            "steps": self.steps,
            "seed": self.seed,
            "models": {row.model: row.to_dict() for row in self.rows},
            "printed": {paper: values.tolist() for paper, values in self.printed.items()},
        }


def stationary(
    optimizer: str,
    *,
    loss: Loss | str,
    noise: Noise | str,
    steps: int | None = None,
    paths: int | None = None,
    seed: int = 0,
    substeps: int = 8,
    threads: int | None = None,
    progress: Callable[[int, int], None] | None = None,
    **hyperparameters: float,
) -> StationaryResult:
    """The stationary covariance of an optimizer and of all its models on a quadratic.

    steps, paths   of each simulation, by default seven relaxation times of the slowest state, and what `WORK` allows
    substeps       dt = lr/substeps for the SDEs
    Raises `InvalidParameter` for a loss that is no quadratic with a positive definite Hessian, and
    `adasde.derive.law.NotDerivable` where the optimizer has no SDE.
    """
    from adasde.stationary_linear import rates

    problem = problem_of(optimizer, loss, noise, hyperparameters)
    slowest, fastest = rates(problem)
    steps = counted("steps", _steps(slowest, problem) if steps is None else steps)
    rows = []
    models = ["algorithm", *problem.models]
    for i, model in enumerate(models):
        parts = substeps if model != "algorithm" else 1
        most = WORK / (steps * len(problem.scales) * parts)
        number = int(min(max(most, PATHS[0]), PATHS[1])) if paths is None else counted("paths", paths)
        run = _simulated(problem, model, steps, number, seed, parts, threads)
        rows.append(_row(problem, model, run, fastest, parts))
        if progress is not None:
            progress(i + 1, len(models))
    name = loss if isinstance(loss, str) else loss.name
    printed = printed_variances(problem) if problem.separable else {}
    facts = (np.diag(problem.hessian), problem.separable)
    return StationaryResult(
        optimizer, name, problem.noise.name, problem.values, steps, seed, tuple(rows), printed, *facts
    )


def variance_of(problem: Problem, paths: int, seed: int) -> tuple[StationaryRow, dict[str, Array]]:
    """The row of the optimizer alone, and the closed forms as printed."""
    from adasde.stationary_linear import rates

    slowest, fastest = rates(problem)
    run = _simulated(problem, "algorithm", _steps(slowest, problem), paths, seed, 1, None)
    return _row(problem, "algorithm", run, fastest, 1), printed_variances(problem)


def _steps(slowest: float, problem: Problem) -> int:
    """An even number, as SignSGD is on every second point of its lattice only."""
    if not slowest > 0:
        remedy = "the linearised model does not relax at the minimum: give --steps"
        raise InvalidParameter("stationary: slowest rate per step", f"{slowest:.3g}", "(0, inf)", remedy)
    steps = 2 * math.ceil(RELAXED / slowest / 2)
    if steps > MOST_STEPS:
        remedy = "a larger lr or curvature relaxes sooner; or give --steps"
        raise InvalidParameter("stationary: steps that the slowest state needs", steps, f"[1, {MOST_STEPS}]", remedy)
    return steps


def _simulated(
    problem: Problem, model: str, steps: int, paths: int, seed: int, substeps: int, threads: int | None
) -> Ensemble:
    """From the minimum, with v at rest where the rule does not correct its bias."""
    from adasde.verify import sign_law

    d = len(problem.scales)
    start = np.zeros(d)
    if problem.rule.name == "signsgd":
        # On the optimizer's own lattice, off the atoms of the noise.
        pairs = zip(problem.scales, np.diag(problem.hessian), strict=True)
        start = np.array([sign_law.free_start(problem.noise, s, a, problem.values["lr"]) for s, a in pairs])
    corrected = any(str(y) == "k" for u in problem.rule.update for y in u.free_symbols)
    at_rest = {"v": float(np.mean(problem.scales**2))} if problem.rule.nonnegative and not corrected else None
    values: dict[str, Any] = problem.values
    return simulate(
        problem.optimizer,
        model,
        loss=_loss(problem),
        noise=problem.noise,
        steps=steps,
        paths=paths,
        seed=seed,
        substeps=substeps,
        save=[steps],
        x0=start,
        init=at_rest,
        threads=threads,
        **values,
    )


def _loss(problem: Problem) -> Loss:
    from adasde.losses.quadratic import Quadratic

    h = problem.hessian
    return Quadratic(np.diag(h) if not np.any(h - np.diag(np.diag(h))) else h)


def _row(problem: Problem, model: str, run: Ensemble, fastest: float, substeps: int) -> StationaryRow:
    from adasde.derive.law import NotDerivable
    from adasde.stationary_linear import covariance

    measured = run.var[-1]
    # As for a Gaussian: a sample variance has the relative standard error sqrt(2/n).
    error = measured * math.sqrt(2 / max(int(run.n[-1]), 1))
    leading = following = truth = frozen = linearised = None
    note = ""
    try:
        if problem.separable:
            leading, following = two_terms(problem, model)
        else:
            linearised = covariance(problem, model)
            leading = np.diag(linearised)
            note = "linearised, v at rest"
    except NotDerivable as reason:
        note = str(reason)
    if problem.separable:
        truth, frozen = exact_variances(problem, model)
    cov = None if run.cov is None else run.cov[-1]
    row = StationaryRow(
        model, leading, following, truth, frozen, measured, error, cov, int(run.n[-1]), "", note, linearised
    )
    return replace(row, verdict=_verdict(row, run, fastest, substeps))


def _verdict(row: StationaryRow, run: Ensemble, fastest: float, substeps: int) -> str:
    """Against the exact variance up to noise; against the terms with the next one allowed, the square of the fastest
    rate per step (the rate itself where only the linearised model is known), and for an SDE half of a substep."""
    if row.predicted is None:
        return ""
    if run.diverged[-1]:
        return "fails"
    limit = stats.norm.isf(FALSE_ALARM / (2 * len(row.simulated)))
    order = 0 if row.exact is not None else 1 if row.next_order is None else 2
    allowed = (fastest**order if order else 0.0) + (fastest / substeps if row.model != "algorithm" else 0.0)
    off = np.abs(row.simulated - row.predicted)
    if np.all(off <= limit * row.standard_error + allowed * row.predicted):
        return "holds"
    return "fails" if row.model == "algorithm" or row.exact is not None else "beyond two terms"
