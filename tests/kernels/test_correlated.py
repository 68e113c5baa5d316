"""Noise with a full covariance: factors, correlated draws, and optimizers and models against exact moments.

One fixed seed, so every check passes or fails for good; FALSE_ALARM is the chance with which each group of
statistical comparisons would fail for perfect draws and a random seed. There are fewer than 30.
"""

from __future__ import annotations

import math

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy import special, stats

from adasde.covariance import checked_covariance, correlation, layer_factors, lower_factor
from adasde.kernels.correlated import correlate, factorise, multiply, sign_correlation
from adasde.kernels.orthant import sign_covariance
from adasde.losses.quadratic import Quadratic
from adasde.noise import gaussian
from adasde.optimizers import kernels
from adasde.simulation import simulate

Array = NDArray[np.float64]

FALSE_ALARM = 1e-5
PATHS = 40_000
SIGMA = np.array([[0.5, 0.3, -0.2], [0.3, 0.4, 0.1], [-0.2, 0.1, 0.6]])
H = np.array([[1.0, 0.3, 0.0], [0.3, 2.0, -0.5], [0.0, -0.5, 1.5]])
SINGULAR = np.outer([1.0, -2.0, 0.0, 3.0], [1.0, -2.0, 0.0, 3.0]) + np.diag([0, 0, 0, 1e-9])


def worst_score(found: Array, exact: Array, error: Array) -> bool:
    """Whether every entry lies within its standard error times the bound for all of them together."""
    return bool((np.abs(found - exact) <= stats.norm.isf(FALSE_ALARM / 2 / found.size) * error + 1e-15).all())


def covariance_fits(found: Array, exact: Array, paths: int = PATHS) -> bool:
    """A sample covariance of normals, whose entries have the variance (C_ii C_jj + C_ij^2)/n."""
    variances = np.diag(exact)
    return worst_score(found, exact, np.sqrt((np.outer(variances, variances) + exact**2) / (paths - 1)))


# Factors


@pytest.mark.parametrize("sigma", [SIGMA, SINGULAR, np.ones((5, 5)), np.diag([0.0, 2.0]), np.array([[3.0]])])
def test_factors(sigma: Array) -> None:
    """L is lower triangular with L L' = R for regular and singular R, and Cholesky's factor where that exists."""
    r = correlation(checked_covariance(sigma))
    for n in (1, 2, 5):
        factor = lower_factor(r**n)
        assert (np.triu(factor, 1) == 0).all() and (np.diag(factor) >= 0).all()
        np.testing.assert_allclose(factor @ factor.T, r**n, rtol=0, atol=1e-14)
    np.testing.assert_array_equal(np.diag(r), 1)
    if np.linalg.eigvalsh(r)[0] > 1e-3:
        np.testing.assert_allclose(lower_factor(r), np.linalg.cholesky(r), rtol=0, atol=1e-14)


def test_a_coordinate_without_noise_is_uncorrelated() -> None:
    """The row of a zero variance is the identity's, also where rounding left a covariance."""
    np.testing.assert_array_equal(correlation(SINGULAR)[2], [0, 0, 1, 0])
    np.testing.assert_array_equal(correlation(checked_covariance([[0, 1e-7], [1e-7, 1]])), np.eye(2))


def test_kernel_cholesky() -> None:
    """The kernel's factor is numpy's for a regular matrix; for one of rank one it reproduces the matrix."""
    found = correlation(SIGMA)
    exact = np.linalg.cholesky(found)
    factorise(found)
    np.testing.assert_allclose(np.tril(found), exact, rtol=0, atol=1e-15)
    sign = np.array([1.0, -1.0, 1.0])
    # The pivots of the second and third row are rounding errors below 0.
    rank_one = np.outer(sign, sign) - np.diag([0, 1e-15, 1e-15])
    factorise(rank_one)
    np.testing.assert_allclose(np.tril(rank_one) @ np.tril(rank_one).T, np.outer(sign, sign), rtol=0, atol=1e-14)


# Draws


def test_layers_have_powers_of_the_correlation() -> None:
    """z -> L z lane by lane, and layer n has the correlation R^n entry by entry; the optimizer's Z is layer 1."""
    noise = gaussian(covariance=SIGMA)
    degrees, factors = layer_factors(noise.correlation, (1, 2, 3))
    raw = np.random.default_rng(1).standard_normal((4, 3, PATHS))
    raw[0] = raw[1]
    z, nothing = raw.copy(), np.empty((3, PATHS))
    correlate(z, degrees, factors, nothing, nothing)
    assert noise.correlation is not None
    for c, n in enumerate((1, 1, 2, 3)):
        np.testing.assert_allclose(z[c], factors[c] @ raw[c], rtol=0, atol=1e-13)
        assert covariance_fits(np.cov(z[c]), noise.correlation**n)
    np.testing.assert_array_equal(z[0], z[1])
    assert layer_factors(None, (1, 2))[1].size == 0


def test_multiplying_needs_no_copy() -> None:
    """In place for five coordinates, where later rows need earlier ones as they were."""
    rng = np.random.default_rng(2)
    factor, z = np.tril(rng.standard_normal((5, 5))), rng.standard_normal((5, 7))
    expected = factor @ z
    multiply(z, factor)
    np.testing.assert_allclose(z, expected, rtol=0, atol=1e-14)


def test_sign_layers_follow_the_state() -> None:
    """Each lane has its own correlation of the signs at a = G/s; certain signs and zero scales are independent."""
    r = correlation(SIGMA)
    a = np.array([0.4, -1.2, 0.1])
    out = np.zeros((3, 3))
    sign_correlation(r, out, a)
    s = np.sqrt(1 - special.erf(a / math.sqrt(2)) ** 2)
    for i in range(3):
        for j in range(i):
            np.testing.assert_allclose(out[i, j], sign_covariance(a[i], a[j], r[i, j]) / s[i] / s[j], rtol=1e-13)
    for certain in (math.inf, -50.0, 9.0, math.nan):
        r_certain = np.array([[1.0, 0.0, 0.0], [0.0, 1.0, 0.5], [0.0, 0.5, 1.0]])
        sign_correlation(r_certain, out, np.array([certain, 0.0, 0.0]))
        np.testing.assert_allclose(out[np.tril_indices(3)], [1, 0, 1, 0, 1 / 3, 1], rtol=0, atol=1e-15)


# Optimizers and models


@pytest.mark.parametrize(("model", "substeps"), [("algorithm", 1), ("sde", 1), ("sde", 3)])
def test_sgd_with_dense_noise(model: str, substeps: int) -> None:
    """x' = (I - h H) x - sqrt(eta h) S z with h = eta/r: mean and covariance after 4 steps, and a batch of 4."""
    eta, steps, start = 0.1, 4, np.array([1.0, -1.0, 0.5])
    noise = gaussian(covariance=SIGMA, batch=4)
    found = simulate(
        "sgd", model, loss=Quadratic(H), noise=noise, lr=eta, steps=steps, paths=PATHS, x0=start, substeps=substeps
    )
    h = eta / substeps
    A = np.eye(3) - h * H
    mean, C = start, np.zeros((3, 3))
    for _ in range(steps * substeps):
        mean, C = A @ mean, A @ C @ A.T + eta * h * SIGMA / 4
    assert worst_score(found.mean[-1], mean, np.sqrt(np.diag(C) / PATHS))
    assert covariance_fits(found.cov[-1], C)
    # The check sees that the correlation matters.
    assert not covariance_fits(np.diag(np.diag(C)), C)


def test_optimizer_and_model_share_correlated_draws() -> None:
    """SGD's SDE at one substep is SGD itself, path by path; and so it is after a handover."""
    options = {"loss": Quadratic(H), "noise": gaussian(covariance=SIGMA), "lr": 0.1, "steps": 7, "paths": 50}
    own = simulate("sgd", "algorithm", **options)  # type: ignore[arg-type]
    for start in (0, 3):
        model = simulate("sgd", "sde", start=start, **options)  # type: ignore[arg-type]
        np.testing.assert_allclose(model.mean, own.mean, rtol=0, atol=1e-13)
        np.testing.assert_allclose(model.cov, own.cov, rtol=0, atol=1e-13)


def test_a_diagonal_covariance_is_no_covariance() -> None:
    """Scales, and the covariance with their squares on its diagonal, give the same numbers to rounding."""
    options = {"loss": "quadratic:1,2,3", "lr": 0.1, "steps": 12, "paths": 50, "beta2": 0.9}
    scales = np.array([0.5, 0.0, 2.0])
    for optimizer, model in (("rmsprop", "algorithm"), ("rmsprop", "sde")):
        plain = simulate(optimizer, model, noise=gaussian(scales), **options)  # type: ignore[arg-type]
        dense = simulate(optimizer, model, noise=gaussian(covariance=np.diag(scales**2)), **options)  # type: ignore[arg-type]
        np.testing.assert_allclose(dense.mean, plain.mean, rtol=1e-12, atol=1e-14)


def test_one_step_of_rmsprop() -> None:
    """Cov(x_i, x_j) after one step against Gauss-Hermite quadrature over (Z_i, Z_j)."""
    eta, beta, eps, v, start = 0.1, 0.9, 0.05, 0.3, np.array([1.0, -1.0, 0.5])
    found = simulate(
        "rmsprop",
        "algorithm",
        loss=Quadratic(H),
        noise=gaussian(covariance=SIGMA),
        lr=eta,
        beta2=beta,
        eps=eps,
        init={"v": v},
        steps=1,
        paths=PATHS,
        x0=start,
    )
    y, w = np.polynomial.hermite_e.hermegauss(60)
    w = w / w.sum()
    G, s, r = H @ start, np.sqrt(np.diag(SIGMA)), correlation(SIGMA)

    def step(i: int, z: Array) -> Array:
        g = G[i] + s[i] * z
        change: Array = -eta * g / (np.sqrt(beta * v + (1 - beta) * g**2) + eps)
        return change

    exact, error = np.empty((3, 3)), np.empty((3, 3))
    for i in range(3):
        for j in range(3):
            first = step(i, y)[:, None]
            second = step(j, r[i, j] * y[:, None] + math.sqrt(max(1 - r[i, j] ** 2, 0)) * y)
            a, b = first - step(i, y) @ w, second - step(j, y) @ w
            exact[i, j] = w @ (a * b) @ w
            error[i, j] = math.sqrt((w @ (a * b) ** 2 @ w - exact[i, j] ** 2) / PATHS)
    assert worst_score(found.cov[-1], exact, error)
    assert not worst_score(np.diag(np.diag(exact)), exact, error)


@pytest.mark.parametrize("substeps", [1, 4])
@pytest.mark.parametrize("start", [[0.0, 0.0, 0.0], [0.3, -0.2, 0.4]])
def test_one_step_of_signsgd(start: list[float], substeps: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Covariance of one step of the optimizer and of its SDE: eta^2 Cov(sign g_i, sign g_j), at G = 0 by the arcsine
    law. eta is so small that G does not move within the step."""
    monkeypatch.setattr(kernels("signsgd").MODELS["sde"]["gaussian"], "degrees", (0,), raising=False)
    options = {"loss": Quadratic(H), "noise": gaussian(covariance=SIGMA), "lr": 1e-5, "steps": 1, "paths": PATHS}
    r, a = correlation(SIGMA), H @ np.array(start) / np.sqrt(np.diag(SIGMA))
    exact = np.array([[sign_covariance(a[i], a[j], r[i, j]) for j in range(3)] for i in range(3)])
    if not any(start):
        np.testing.assert_allclose(exact, 2 / math.pi * np.arcsin(r), rtol=0, atol=1e-14)
    own = simulate("signsgd", "algorithm", x0=start, **options)  # type: ignore[arg-type]
    model = simulate("signsgd", "sde", x0=start, substeps=substeps, **options)  # type: ignore[arg-type]
    # 1e-4 is for what is O(1/paths): where signs have no mean, the product of one with itself has no variance.
    mean = special.erf(a / math.sqrt(2))
    error = np.sqrt(np.maximum(sign_product_variance(mean, exact), 0) / PATHS)
    assert worst_score(own.cov[-1] / 1e-10, exact, error + 1e-4)
    assert covariance_fits(model.cov[-1] / 1e-10, exact)
    assert not covariance_fits(model.cov[-1] / 1e-10, r * np.sqrt(np.outer(np.diag(exact), np.diag(exact))))


def sign_product_variance(mean: Array, covariance: Array) -> Array:
    """Var (X - m)(Y - n) for signs X, Y of means m, n: as X^2 = Y^2 = 1 it is
    (1 + m^2)(1 + n^2) + 4 m n E XY - 2 m^2 (1 + n^2) - 2 n^2 (1 + m^2) - Cov(X, Y)^2."""
    m, n = np.meshgrid(mean, mean, indexing="ij")
    both = covariance + m * n
    second = (1 + m * m) * (1 + n * n) + 4 * m * n * both - 2 * m * m * (1 + n * n) - 2 * n * n * (1 + m * m)
    return np.asarray(second - covariance**2)


def test_lanes_do_not_matter() -> None:
    """The draws of a block are the same whatever lanes share it, for sign layers too."""
    rng = np.random.default_rng(3)
    degrees, factors = layer_factors(correlation(SIGMA), (0, 2))
    raw, g, s = rng.standard_normal((3, 3, 9)), rng.standard_normal((3, 9)), np.ones((3, 9))
    whole, part = raw.copy(), raw[:, :, 4:7].copy()
    correlate(whole, degrees, factors, g, s)
    correlate(part, degrees, factors, g[:, 4:7].copy(), s[:, 4:7].copy())
    np.testing.assert_array_equal(part, whole[:, :, 4:7])
