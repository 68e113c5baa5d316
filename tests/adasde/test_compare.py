"""Verdicts: what they mean, that they can come out each way, and that common noise is common."""

import math

import numpy as np
import pytest
from scipy import stats

from adasde import InvalidParameter, compare, simulate
from adasde.comparison import _agreement
from adasde.ensemble import Ensemble, Moments

QUADRATIC = {"loss": "quadratic:1,2", "noise": "gaussian:0.5", "steps": 400, "paths": 4096}


def test_sgd_and_its_sde_are_one_at_dt_equal_to_lr():
    """For SGD under Gaussian noise the Euler step of the SDE is the optimizer's step: the difference is rounding."""
    comparison = compare("sgd", ["sde"], substeps=(1,), lr=0.01, **QUADRATIC)
    assert abs(comparison.agreements[0].difference) < 1e-12
    assert comparison.agreements[0].verdict == "agrees"


def test_ensembles_are_those_of_simulate():
    """A comparison runs the same paths as `simulate`: same bytes for optimizer and model."""
    comparison = compare("adam", ["sde"], substeps=(4,), lr=0.01, **QUADRATIC)
    alone = [
        simulate("adam", "algorithm", lr=0.01, **QUADRATIC),
        simulate("adam", "sde", substeps=4, lr=0.01, **QUADRATIC),
    ]
    for found, expected in zip((comparison.algorithm, comparison.ensembles[0]), alone, strict=True):
        assert np.array_equal(found.loss_mean, expected.loss_mean) and np.array_equal(found.mean, expected.mean)


def test_adam_as_printed_differs_by_beta1_squared_and_the_derived_sde_agrees():
    """The verdict tells the two apart: E f is short by 1 - beta1^2 = 19 % with the printed equations."""
    comparison = compare(
        "adam",
        ["sde", "compagnoni2025"],
        lr=0.01,
        loss="quadratic:1,2",
        noise="gaussian:0.5",
        steps=1000,
        paths=16384,
    )
    verdicts = {(a.model, a.substeps): a for a in comparison.agreements}
    assert {verdicts["sde", r].verdict for r in (1, 4)} == {"agrees"}
    assert {verdicts["compagnoni2025", r].verdict for r in (1, 4)} == {"differs"}
    assert verdicts["compagnoni2025", 1].difference == pytest.approx(0.81 - 1, abs=0.02)


def test_common_noise_narrows_the_interval_at_every_time_step():
    """The bridge gives substeps the optimizer's Brownian path: intervals are far narrower than for fresh noise."""
    comparison = compare("sgd", ["sde"], substeps=(4, 16), lr=0.01, **QUADRATIC)
    independent = 2.8 * math.hypot(comparison.algorithm.loss_se[-1], comparison.ensembles[0].loss_se[-1])
    for agreement in comparison.agreements:
        half = (agreement.high - agreement.low) / 2 * comparison.algorithm.loss_mean[-1]
        assert half < 0.1 * independent


def test_published_models_that_do_not_exist_are_refused():
    """A paper without decay has no AdamW: the error lists what there is."""
    with pytest.raises(InvalidParameter, match=r"malladi2022.*compagnoni2025"):
        compare("adamw", ["malladi2022"], lr=0.01, **QUADRATIC)
    with pytest.raises(InvalidParameter, match="margin = 0"):
        compare("sgd", lr=0.01, margin=0, **QUADRATIC)


def ensemble(mean: float, spread: float, n: int, diverged: int = 0) -> Ensemble:
    loss = np.array([[10.0, 0.0], [mean, spread**2 * (n - 1)]])
    zero = np.zeros((2, 1))
    moments = Moments(np.array([n, n]), np.array([0, diverged]), zero, np.zeros((2, 1, 1)), loss)
    return Ensemble("o", "m", "l", "n", {}, 0, n, 1, 0, np.arange(2.0), moments)


@pytest.mark.parametrize(
    "gap, spread, verdict",
    [
        (0.0, 0.5, "agrees"),
        (0.04, 0.1, "agrees"),
        (0.2, 0.5, "differs"),
        (-0.2, 0.5, "differs"),
        (0.05, 0.5, "undecided"),
        (0.0, 5.0, "undecided"),
    ],
)
def test_verdicts(gap, spread, verdict):
    """Interval inside the margin, outside, or across its edge."""
    n = 10_000
    difference = ensemble(gap, spread, n).moments
    found = _agreement(ensemble(1.0, 0.1, n), ensemble(1 + gap, 0.1, n), difference, 0.0, 0.05, 0.995)
    assert found.verdict == verdict


def test_diverged_paths_give_no_number():
    """Where paths blew up there is no difference to report."""
    n = 100
    found = _agreement(ensemble(1.0, 0.1, n, 3), ensemble(1.0, 0.1, n), ensemble(0.0, 0.1, n).moments, 0.0, 0.05, 0.995)
    assert found.verdict == "diverged" and math.isnan(found.difference)


def test_intervals_cover_at_the_stated_rate():
    """95 % intervals of SGD's mean loss hold its exact value in 95 % of 400 seeds; false-alarm rate 1e-4 (binomial)."""
    lr, steps, sigma, curvature = 0.1, 40, 0.5, 1.0
    shrink = (1 - lr * curvature) ** 2
    variance = (lr * sigma) ** 2 * (1 - shrink**steps) / (1 - shrink)
    exact = curvature / 2 * (shrink**steps + variance)
    runs = [
        simulate(
            "sgd",
            "algorithm",
            loss="quadratic:1",
            noise="gaussian:0.5",
            lr=lr,
            steps=steps,
            paths=500,
            seed=seed,
            save=2,
        )
        for seed in range(400)
    ]
    covered = sum(bool(low[-1] <= exact <= high[-1]) for low, high in (run.loss_interval(0.95) for run in runs))
    assert stats.binomtest(covered, len(runs), 0.95).pvalue > 1e-4, covered


def test_intervals_are_simultaneous_over_all_models():
    """Each of k intervals is at level 1 - (1 - level)/k: comparing twice as much widens every one by that quantile."""
    alone = compare("signsgd", ["sde"], substeps=(1,), lr=0.01, **QUADRATIC).agreements[0]
    among_four = compare("signsgd", ["sde", "compagnoni2025"], substeps=(1, 4), lr=0.01, **QUADRATIC).agreements[0]
    ratio = (among_four.high - among_four.low) / (alone.high - alone.low)
    n = QUADRATIC["paths"]
    assert ratio == pytest.approx(stats.t.isf(0.01 / 8, n - 1) / stats.t.isf(0.01 / 2, n - 1), rel=1e-9)
