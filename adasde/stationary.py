"""Stationary covariances on a quadratic: printed, derived and simulated, side by side. Loads sympy when called."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
from scipy import stats

from adasde import optimizers
from adasde.domain import counted
from adasde.ensemble import Array, Ensemble
from adasde.errors import InvalidParameter, NoModel
from adasde.losses import parse_loss
from adasde.losses.base import Loss
from adasde.noise import Noise, parse_noise
from adasde.simulation import simulate
from adasde.verify.check import FALSE_ALARM

if TYPE_CHECKING:
    from adasde.derive.law import Law
    from adasde.derive.model import SDE
    from adasde.derive.rule import UpdateRule

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

    @property
    def predicted(self) -> Array | None:
        """The exact variance, or the sum of the terms."""
        if self.exact is not None or self.leading is None:
            return self.exact
        return self.leading if self.next_order is None else self.leading + self.next_order

    def to_dict(self) -> dict[str, Any]:
        arrays = ("leading", "next_order", "exact", "v_at_rest", "simulated", "standard_error", "covariance")
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


@dataclass(frozen=True)
class Problem:
    """An optimizer on a quadratic, as numbers and as symbols.

    hessian  (d, d); scales (d,), standard scale of each coordinate's noise at this batch
    """

    optimizer: str
    rule: UpdateRule
    law: Law
    noise: Noise
    values: dict[str, float]
    hessian: Array
    scales: Array
    models: Mapping[str, SDE] = field(repr=False)

    @property
    def separable(self) -> bool:
        """Whether the coordinates are independent: H diagonal and uncorrelated noise."""
        return self.noise.correlation is None and not np.any(self.hessian - np.diag(np.diag(self.hessian)))

    @cached_property
    def symbols(self) -> dict[Any, Any]:
        """Numbers for the rule's symbols, exact rationals, without those of one coordinate."""
        import sympy as sp

        lr = self.values["lr"]
        numbers = () if self.noise.law == "student-t" else self.noise.law_data.tolist()
        found = {y: sp.Rational(repr(value)) for y, value in zip(self.law.parameters, numbers, strict=False)}
        for h in self.rule.hyperparameters[1:]:
            value = self.values[h.name]
            found[h.symbol] = sp.Rational(repr(float(value)))
            if h.rate is not None:
                found[h.rate] = (1 - found[h.symbol]) / sp.Rational(repr(lr))
        return found

    def at(self, curvature: float, scale: float) -> dict[Any, Any]:
        import sympy as sp

        from adasde.derive.notation import s
        from adasde.derive.stationary import lamda

        return self.symbols | {lamda: sp.Rational(repr(float(curvature))), s: sp.Rational(repr(float(scale)))}


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
    printed = _printed(problem) if problem.separable else {}
    facts = (np.diag(problem.hessian), problem.separable)
    return StationaryResult(
        optimizer, name, problem.noise.name, problem.values, steps, seed, tuple(rows), printed, *facts
    )


def variance_of(problem: Problem, paths: int, seed: int) -> tuple[StationaryRow, dict[str, Array]]:
    """The row of the optimizer alone, and the closed forms as printed."""
    from adasde.stationary_linear import rates

    slowest, fastest = rates(problem)
    run = _simulated(problem, "algorithm", _steps(slowest, problem), paths, seed, 1, None)
    return _row(problem, "algorithm", run, fastest, 1), _printed(problem)


def problem_of(optimizer: str, loss: Loss | str, noise: Noise | str, hyperparameters: Mapping[str, float]) -> Problem:
    """The problem by its spelling, checked. Raises `InvalidParameter` and its kin."""
    from adasde.rules import rule_of

    loss = parse_loss(loss) if isinstance(loss, str) else loss
    noise = parse_noise(noise) if isinstance(noise, str) else noise
    d = loss.dimension
    if not loss.name.startswith("quadratic") or noise.scale is None:
        what, domain = (loss.name, "the quadratics") if noise.scale is not None else ("data", "the numbers")
        remedy = "a minimum is linearised as quadratic:@H.npy with its Hessian, and a number for the noise scale"
        raise InvalidParameter("stationary: loss and noise", what, domain, remedy)
    hessian = np.diag(loss.data) if loss.data.size == d else loss.data.reshape(d, d)
    least = float(np.linalg.eigvalsh(hessian).min())
    if least <= 0:
        raise InvalidParameter("stationary: least eigenvalue of H", f"{least:.3g}", "(0, inf)", "give a minimum")
    module = optimizers.kernels(optimizer, noise.law_key)
    rule, law = rule_of(optimizer), _law(noise)
    values = optimizers.hyperparameters(optimizer, hyperparameters)
    models = {model: _sde(rule, law, model) for model in module.MODELS if model != "algorithm"}
    _require_expandable(optimizer, models)
    return Problem(optimizer, rule, law, noise, values, hessian, noise.scales(d), models)


def _require_expandable(optimizer: str, models: dict[str, SDE]) -> None:
    """Refuses models whose variance at rest is not O(eta), or whose drift is no function of one gradient."""
    from adasde.derive.notation import H, Ht, eta
    from adasde.derive.operations import Operation

    for model, sde in models.items():
        entries = [*sde.full_drift, *sde.full_covariance]
        if any(entry.has(H, Ht) or entry.atoms(Operation) for entry in entries):
            remedy = "it has the Hessian as an operator, or sums over coordinates; use `adasde simulate`"
            raise NoModel(
                f"{optimizer}: stationary, model", model, "the models of one gradient in one coordinate", remedy
            )
        if any(entry.subs(eta, 0) != 0 for entry in sde.full_covariance):
            remedy = "the rule's own noise keeps it of order one as eta vanishes; use `adasde simulate`"
            raise NoModel(f"{optimizer}: stationary, model", model, "the models with a covariance O(eta)", remedy)


def _law(noise: Noise) -> Law:
    """The law with its numbers in place of its symbols where a number decides which moments exist."""
    import sympy as sp

    from adasde.derive.laws import law_named
    from adasde.derive.noise import StudentT

    if noise.law == "student-t":
        return StudentT(sp.Rational(repr(float(noise.nu))))
    if noise.law == "empirical":
        remedy = "its moments are sums over data; `adasde simulate` has its variance"
        raise InvalidParameter("stationary: noise law", noise.law, "the laws with a formula", remedy)
    return law_named(noise.law_key)


def _sde(rule: UpdateRule, law: Law, model: str) -> SDE:
    from adasde.derive.expansion import MODELS, derive
    from adasde.papers import papers

    orders = {name: order for order, name in MODELS.items()}
    return derive(rule, law, orders[model]).sde if model in orders else papers()[model][rule.name].equations(law)


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
    leading = following = truth = frozen = None
    note = ""
    try:
        if problem.separable:
            leading, following = _two_terms(problem, model)
        else:
            leading = np.diag(covariance(problem, model))
            note = "linearised, v at rest"
    except NotDerivable as reason:
        note = str(reason)
    if problem.separable:
        truth, frozen = _exact(problem, model)
    cov = None if run.cov is None else run.cov[-1]
    row = StationaryRow(model, leading, following, truth, frozen, measured, error, cov, int(run.n[-1]), "", note)
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


def _coordinates(problem: Problem, function: Callable[[float, float], Any]) -> list[Any]:
    """A function of (curvature, scale) for every coordinate, called once for equal ones."""
    pairs = list(zip(np.diag(problem.hessian).tolist(), problem.scales.tolist(), strict=True))
    found = {pair: function(*pair) for pair in dict.fromkeys(pairs)}
    return [found[pair] for pair in pairs]


def _two_terms(problem: Problem, model: str) -> tuple[Array, Array]:
    from adasde.derive.notation import eta
    from adasde.derive.stationary import stationary_algorithm, stationary_sde

    def terms(curvature: float, scale: float) -> list[float]:
        at = problem.at(curvature, scale)
        if model == "algorithm":
            found = stationary_algorithm(problem.rule, problem.law, at)
        else:
            found = stationary_sde(problem.models[model], at)
        return [float(term.subs(eta, problem.values["lr"])) for term in found.variance]

    leading, following = np.transpose(_coordinates(problem, terms))
    return leading, following


def _exact(problem: Problem, model: str) -> tuple[Array | None, Array | None]:
    """(exact variances, those of the optimizer with v frozen), where there are such."""
    from adasde.derive.law import NotDerivable
    from adasde.derive.notation import eta
    from adasde.derive.stationary import exact
    from adasde.verify import sign_law

    lr = problem.values["lr"]
    if problem.rule.name == "signsgd" and model in ("algorithm", "sde"):
        of_law = _lattice if model == "algorithm" else sign_law.sde_variance
        return np.array(_coordinates(problem, lambda a, s: of_law(problem.noise, s, a, lr))), None
    if model != "algorithm":
        return None, None
    try:
        formula = exact(problem.rule, problem.law)
    except NotDerivable:
        return None, None

    def value(curvature: float, scale: float) -> float:
        return float(formula.subs(problem.at(curvature, scale)).subs(eta, lr))

    found = np.array(_coordinates(problem, value))
    return (None, found) if problem.rule.nonnegative else (found, None)


def _lattice(noise: Noise, scale: float, curvature: float, lr: float) -> float:
    """SignSGD's variance on the sublattice on which the simulation ends."""
    from adasde.verify import sign_law

    x, p = sign_law.lattice_law(noise, scale, curvature, lr, sign_law.free_start(noise, scale, curvature, lr))
    return float((p * x**2).sum() - (p * x).sum() ** 2)


def _printed(problem: Problem) -> dict[str, Array]:
    """Closed forms as papers print them, under Gaussian noise and for eps = 0."""
    from adasde.derive.notation import eta
    from adasde.papers.compagnoni2025.stationary import CLOSED_FORMS

    formula = CLOSED_FORMS.get(problem.optimizer)
    if formula is None or problem.noise.law != "gaussian":
        return {}

    def value(curvature: float, scale: float) -> float:
        return float(formula.subs(problem.at(curvature, scale)).subs(eta, problem.values["lr"]))

    return {"compagnoni2025": np.array(_coordinates(problem, value))}
