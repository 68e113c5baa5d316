"""Stationary variances as numbers: terms in eta, exact ones and printed ones, one coordinate at a time."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from adasde.ensemble import Array
from adasde.noise import Noise
from adasde.stationary_problem import Problem


def predicted_variance(problem: Problem) -> Array:
    """The optimizer's stationary variance (d,), without a simulation: exact where it is known, else its two terms."""
    truth, _ = exact_variances(problem, "algorithm")
    leading, following = two_terms(problem, "algorithm") if truth is None else (truth, np.zeros_like(truth))
    return leading + following


def two_terms(problem: Problem, model: str) -> tuple[Array, Array]:
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


def exact_variances(problem: Problem, model: str) -> tuple[Array | None, Array | None]:
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


def printed_variances(problem: Problem) -> dict[str, Array]:
    """Closed forms as papers print them, under Gaussian noise and for eps = 0."""
    from adasde.derive.notation import eta
    from adasde.papers.compagnoni2025.stationary import CLOSED_FORMS

    formula = CLOSED_FORMS.get(problem.optimizer)
    if formula is None or problem.noise.law != "gaussian":
        return {}

    def value(curvature: float, scale: float) -> float:
        return float(formula.subs(problem.at(curvature, scale)).subs(eta, problem.values["lr"]))

    return {"compagnoni2025": np.array(_coordinates(problem, value))}


def _coordinates(problem: Problem, function: Callable[[float, float], Any]) -> list[Any]:
    """A function of (curvature, scale) for every coordinate, called once for equal ones."""
    pairs = list(zip(np.diag(problem.hessian).tolist(), problem.scales.tolist(), strict=True))
    found = {pair: function(*pair) for pair in dict.fromkeys(pairs)}
    return [found[pair] for pair in pairs]
