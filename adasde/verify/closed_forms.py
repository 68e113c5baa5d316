"""Rung 4: ensembles and models against closed forms."""

from __future__ import annotations

import dataclasses
import math
from typing import Any

import numpy as np
from scipy import stats

from adasde.noise import Noise
from adasde.simulation import simulate
from adasde.verify import sign_law
from adasde.verify.check import FALSE_ALARM, Check, check
from adasde.verify.distribution import distribution, excess_kurtosis, variance
from adasde.verify.linear import FROZEN, has_stationary_law, linear, moments, stationary_variance
from adasde.verify.memory import forgets
from adasde.verify.setting import Setting, setting

PATHS = 20_480
SCALE = 0.5
CURVATURES = (0.5, 2.0)
START = (1.0, -0.7)
RATE = 0.05
"""Learning rate (over eps where the preconditioner is frozen)."""
KURTOSIS_FROM = 9.0
"""Degrees of freedom from which a Student-t sample variance counts as normal: its own variance then has one."""


def closed_forms(setting: Setting) -> list[Check]:
    """SignSGD: its exact stationary law. Rules that are linear with a frozen preconditioner: mean and covariance on a
    quadratic. Other rules have no closed form here, and no checks; nor have steps in stages, and models with fewer
    states than the rule."""
    if setting.rule.composite or forgets(setting):
        return []
    if setting.rule.name == "signsgd":
        return [_lattice_law(setting), _sign_stationary_variance(setting)]
    frozen = _frozen(setting, RATE)
    if not linear(frozen, 1.0).closed:
        return []
    checks = [_linear_ensemble(frozen, "algorithm", 1), _linear_ensemble(frozen, setting.sde.model, 1)]
    checks.append(_linear_ensemble(frozen, setting.sde.model, 16))
    return [*checks, _stationary_variance(setting)] if has_stationary_law(linear(frozen, 1.0)) else checks


def _frozen(original: Setting, rate: float) -> Setting:
    """The setting with eps far above sqrt(v), and the learning rate and the decay in units of it."""
    values = original.values | {"lr": rate}
    for h in original.rule.hyperparameters:
        if h.rate is not None and not h.large:
            values[h.name] = 1 - rate * (1 - original.values[h.name]) / original.values["lr"]
    if "eps" in values:
        values |= {"eps": FROZEN, "lr": rate * FROZEN}
    if "weight_decay" in values:
        values |= {"weight_decay": 0.4 / FROZEN}
    noise = dataclasses.replace(original.noise, scale=(SCALE,), batch=1, covariance=None)
    return setting(original.optimizer, original.sde.model, noise, values)


def _linear_ensemble(frozen: Setting, model: str, substeps: int) -> Check:
    """Sample means and variances at two times against the exact recursion, each as a z-score."""
    steps, first = 80, 4
    saves = (20, steps)
    values: dict[str, Any] = frozen.values
    ensemble = simulate(
        frozen.optimizer,
        model,
        loss="quadratic:" + ",".join(map(str, CURVATURES)),
        noise=frozen.noise,
        steps=steps,
        paths=PATHS,
        seed=11,
        substeps=substeps,
        start=None if model == "algorithm" else first,
        save=saves,
        x0=START,
        **values,
    )
    scores = []
    for i, curvature in enumerate(CURVATURES):
        system = linear(frozen, curvature)
        start = [START[i]] + [0.0] * (len(system.states) - 1)
        plan = (steps if model == "algorithm" else first, steps, substeps)
        exact = moments(system, np.array(start), SCALE, variance(frozen.noise), plan, frozen.values["lr"])
        for saved, step in enumerate(saves):
            mean, spread = exact[step][0][0], exact[step][1][0, 0]
            scores.append((ensemble.mean[saved, i] - mean) / math.sqrt(spread / PATHS))
            error = _variance_error(frozen.noise)
            if error is not None:
                scores.append((ensemble.var[saved, i] / spread - 1) / error)
    limit = stats.norm.isf(FALSE_ALARM / (2 * len(scores)))
    what = "optimizer" if model == "algorithm" else f"model at dt = eta/{substeps}"
    statement = f"{what}: mean and variance on a quadratic equal the linear recursion"
    worst = max(map(abs, scores))
    return check(4, statement, worst < limit, f"largest |z| {worst:.2f} of {len(scores)}, limit {limit:.2f}")


def _variance_error(noise: Noise) -> float | None:
    """Relative standard error of a sample variance, sqrt((2 + kurtosis)/paths); the excess kurtosis of a sum of
    independent terms is at most that of one term where that is positive, and not positive otherwise. None where the
    law has no eighth moment, without which a sample variance is not normal enough for a z-score."""
    if noise.law == "student-t" and noise.nu < KURTOSIS_FROM:
        return None
    return math.sqrt((2 + max(excess_kurtosis(noise), 0.0)) / PATHS)


def _stationary_variance(original: Setting) -> Check:
    """Model over optimizer at frozen preconditioner: the gap from one must be O(eta)."""
    rates = (4e-3, 2e-3, 1e-3)
    gaps = []
    for rate in rates:
        frozen = _frozen(original, rate)
        optimizer, model = stationary_variance(linear(frozen, 1.0), variance(frozen.noise))
        gaps.append(model / optimizer - 1)
    holds = abs(gaps[-1]) < 1e-10 or abs(gaps[-1]) < 0.6 * abs(gaps[0])
    measured = f"model/optimizer = {1 + gaps[-1]:.4f} at eta = {rates[-1]:g}"
    if not holds and "beta1" in original.values:
        measured += f"; beta1^2 = {original.values['beta1'] ** 2:.4f}"
    statement = "stationary variance at frozen preconditioner equals the optimizer's up to O(eta)"
    return check(4, statement, holds, measured)


def _lattice_law(original: Setting) -> Check:
    """The optimizer's position after many steps against the exact stationary law: mean and variance as z-scores."""
    curvature, lr, steps = 1.0, 0.1, 800
    noise = dataclasses.replace(original.noise, scale=(SCALE,), batch=1, covariance=None)
    start = sign_law.free_start(noise, SCALE, curvature, lr)
    x, weight = sign_law.lattice_law(noise, SCALE, curvature, lr, first=start)
    ensemble = simulate(
        "signsgd",
        "algorithm",
        loss="quadratic:1",
        noise=noise,
        steps=steps,
        paths=PATHS,
        seed=12,
        save=2,
        x0=[start],
        lr=lr,
    )
    mean = (weight * x).sum()
    central = [(weight * (x - mean) ** n).sum() for n in (2, 4)]
    scores = [
        (ensemble.mean[-1, 0] - mean) / math.sqrt(central[0] / PATHS),
        (ensemble.var[-1, 0] - central[0]) / math.sqrt((central[1] - central[0] ** 2) / PATHS),
    ]
    limit, worst = stats.norm.isf(FALSE_ALARM / 4), max(map(abs, scores))
    statement = "optimizer: stationary law in one dimension equals the exact birth-death law"
    measured = (
        f"variance {ensemble.var[-1, 0]:.5g} against {central[0]:.5g}, largest |z| {worst:.2f}, limit {limit:.2f}"
    )
    return check(4, statement, worst < limit, measured)


def _sign_stationary_variance(original: Setting) -> Check:
    """Model against optimizer, both exact; and the relative gap in units of eta c, c the slope of the drift at 0."""
    statement = "stationary variance in one dimension equals the optimizer's up to O(eta)"
    noise, law = original.noise, distribution(original.noise)
    if law.values.size:
        reason = (
            f"not claimed: under {noise.law} noise the mean sign jumps at atoms, and an SDE has no rate O(eta) there"
        )
        return Check(4, statement, "recorded", reason)
    gaps, rates = [], (0.02, 0.01, 0.005)
    median = -sign_law.centre(noise, 1.0, 1.0)
    slope = 2 * float(law.density(np.array([median]))[0]) / SCALE
    for lr in rates:
        optimizer = sign_law.lattice_variance(noise, SCALE, 1.0, lr)
        gaps.append(sign_law.sde_variance(noise, SCALE, 1.0, lr) / optimizer - 1)
    in_units = gaps[-1] / (rates[-1] * slope)
    measured = f"model/optimizer - 1 = {gaps[-1]:.2e} at eta = {rates[-1]:g}, that is {in_units:.3f} eta c"
    return check(4, statement, abs(gaps[-1]) < 0.6 * abs(gaps[0]), measured)
