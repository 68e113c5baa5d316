"""The SDE of signs against simulated agents, and the loss bound against exact iteration of the algorithm."""

from __future__ import annotations

import numpy as np
import pytest
import sympy as sp

from adasde.derive.noise import Gaussian, StudentT
from adasde.derive.notation import G, eta, s, x
from adasde.papers.compagnoni2025distributed import from_rules, loss
from adasde.papers.compagnoni2025distributed.agents import scale
from adasde.papers.compagnoni2025distributed.loss import L, omega
from adasde.papers.compagnoni2025distributed.statements import dsignsgd, ell, signs, xi

AT = {G: 0.6, scale(1): 0.5, scale(2): 1.0, scale(3): 2.0, eta: 1}


def test_signs_of_three_different_agents() -> None:
    """Mean and variance of the averaged signs of Cauchy, t_2 and Gaussian agents, within 5 standard errors."""
    rng, draws = np.random.default_rng(7), 400_000
    noises = (rng.standard_t(1, draws), rng.standard_t(2, draws), rng.standard_normal(draws))
    scales = (float(AT[scale(i)]) for i in (1, 2, 3))
    average = np.mean([np.sign(AT[G] + width * z) for width, z in zip(scales, noises, strict=True)], axis=0)
    parts = signs((StudentT(sp.S.One), StudentT(sp.Integer(2)), Gaussian()))
    mean, variance = (float(parts[part].subs(AT)) for part in ("drift of x", "variance of x"))
    assert abs(average.mean() + mean) < 5 * np.sqrt(variance / draws)
    assert abs(average.var() - variance) < 5 * np.sqrt(2 / draws)


@pytest.mark.parametrize("nu", [1, 2, 3])
def test_xi_is_half_a_mean_sign(nu: int) -> None:
    """The hypergeometric form has the closed forms of the mean signs, and 2 Xi'(0) = ell."""
    law = StudentT(sp.Integer(nu))
    for point in (0.3, 1.7):
        assert abs(float(2 * xi(sp.Float(point), law.nu)) - float(law.sign_moment(0, sp.Float(point)))) < 1e-12
    assert abs(float(2e6 * xi(sp.Float(1e-6), law.nu)) - float(ell(law.nu))) < 1e-9


def test_a_majority_vote_is_another_algorithm() -> None:
    """The printed variance is that of the average of signs: the sign of their sum has a larger one."""
    halves = [sp.erf(G / (sp.sqrt(2) * scale(i))) / 2 for i in (1, 2, 3)]
    mu = [float(2 * half.subs(AT)) for half in halves]
    majority = sum(mu) / 2 - mu[0] * mu[1] * mu[2] / 2
    assert 1 - majority**2 > float(dsignsgd(halves)["variance of x"].subs(AT))


def test_level_by_iteration() -> None:
    """Second moments iterated to their fixed point with exact averages over the errors of the compressors."""
    numbers = {L: 2.0, s: 0.7, omega: 1.5, eta: 0.05}
    printed = {part: float(value.subs(numbers)) for part, value in loss.of_algorithm().items()}
    q, (curvature, width, error, rate), n = 1.0, (numbers[y] for y in (L, s, omega, eta)), loss.AGENTS
    for _ in range(2000):
        noise = error / n * curvature**2 * q + (1 + error) / n * width**2
        q = (1 - rate * curvature) ** 2 * q + rate**2 * noise
    assert abs(curvature * q / 2 - printed["level of E f"]) < 1e-12
    assert loss.of_sde()["level of E f"].has(eta) and not loss.of_sde()["level of E f"].has(x)


def test_majority_of_three_by_simulation() -> None:
    """Mean and variance of the voted sign against the model of the rule, within 5 standard errors."""
    rng, draws, gradient = np.random.default_rng(8), 200_000, 0.4
    votes = np.sign(np.sign(gradient + rng.standard_normal((draws, 3))).sum(axis=1))
    at = {G: gradient, s: 1, eta: 1}
    mean, variance = (float(from_rules.voted()[part].subs(at)) for part in ("drift of x", "variance of x"))
    assert abs(votes.mean() + mean) < 5 * np.sqrt(variance / draws)
    assert abs(votes.var() - variance) < 5 * np.sqrt(2 / draws)


def test_compressors_by_simulation() -> None:
    """Means and errors of QSGD's rounding and of rand-k on one vector, within 5 standard errors."""
    rng, draws, levels = np.random.default_rng(9), 100_000, 4
    vector = np.array([0.3, -1.1, 0.7])
    size = np.linalg.norm(vector)
    place = np.abs(vector) * levels / size
    up = rng.random((draws, 3)) < place - np.floor(place)
    sent = size * np.sign(vector) * (np.floor(place) + up) / levels
    rest = place - np.floor(place)
    printed = {str(y): y for part in from_rules.printed_qsgd().values() for y in part.free_symbols}
    for i in range(3):
        at = {printed["r"]: rest[i], printed["n"]: size, printed["levels"]: levels}
        error = float(from_rules.printed_qsgd()["error"].subs(at))
        assert abs(sent[:, i].mean() - vector[i]) < 5 * np.sqrt(error / draws)
        squares = (sent[:, i] - vector[i]) ** 2
        assert abs(squares.mean() - error) < 5 * squares.std() / np.sqrt(draws)
    keep = rng.random((draws, 3)).argsort(axis=1) < from_rules.KEPT
    errors = ((np.where(keep, vector * 3 / from_rules.KEPT, 0.0) - vector) ** 2).sum(axis=1) / size**2
    assert abs(errors.mean() - float(from_rules.omega_of_rand_k())) < 5 * errors.std() / np.sqrt(draws)
