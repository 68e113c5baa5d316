"""Noise whose full covariance depends on x: lane by lane factors, and optimizers and models against exact moments.

One fixed seed, so every check passes or fails for good; FALSE_ALARM is the chance with which each group of
statistical comparisons would fail for perfect draws and a random seed. There are fewer than 10.
"""

from __future__ import annotations

import math
import pickle
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy import stats
from scipy.linalg import expm

from adasde import flat
from adasde.covariance import correlation
from adasde.errors import InvalidParameter, NoModel
from adasde.fingerprint import run_digest
from adasde.kernels.correlated import correlate_lanes, sign_correlation
from adasde.kernels.driver import standard_deviations
from adasde.kernels.lanes import covariance_kernel, field_kernel
from adasde.kernels.orthant import sign_covariance
from adasde.losses.base import Loss
from adasde.losses.quadratic import Quadratic
from adasde.noise import Noise, gaussian
from adasde.optimizers import kernels
from adasde.plan import plan
from adasde.simulation import simulate

Array = NDArray[np.float64]

FALSE_ALARM = 1e-5
PATHS = 20_000
SIGMA = np.array([[0.5, 0.3, -0.2], [0.3, 0.4, 0.1], [-0.2, 0.1, 0.6]])
H = np.array([[1.0, 0.3, 0.0], [0.3, 2.0, -0.5], [0.0, -0.5, 1.5]])
START = np.array([1.0, -1.0, 0.5])


@covariance_kernel
def moving(x, out, data):  # type: ignore[no-untyped-def]
    """Sigma(x) = a x x' + S; data = (H, a, S), matrices row by row."""
    d = x.shape[0]
    for i in range(d):
        for k in range(d):
            for j in range(x.shape[1]):
                out[i, k, j] = data[d * d] * x[i, j] * x[k, j] + data[d * d + 1 + i * d + k]


@field_kernel
def moving_scale(x, s, data):  # type: ignore[no-untyped-def]
    """The root of Sigma(x) in one dimension."""
    for j in range(x.shape[1]):
        s[0, j] = math.sqrt(data[1] * x[0, j] * x[0, j] + data[2])


def loss_with(a: float, S: Array, hessian: Array = H) -> Loss:
    """x'Hx/2 with the noise covariance a x x' + S."""
    base = Quadratic(hessian)
    d = base.dimension
    data = np.concatenate([np.reshape(hessian, d * d), [a], np.reshape(S, d * d)])
    return replace(base, name="moving noise", data=data, noise_covariance=moving)


def fits(samples: Array, exact: Array, rounding: float = 1e-12) -> bool:
    """The sample mean of x x' over samples (d, n), within normal bounds for all entries together."""
    products = samples[:, None] * samples
    error = products.std(axis=-1) / math.sqrt(samples.shape[-1])
    bound = stats.norm.isf(FALSE_ALARM / exact.size) * error + rounding
    return bool((np.abs(products.mean(axis=-1) - exact) <= bound).all())


# Optimizers and models


@pytest.mark.parametrize(("model", "substeps"), [("algorithm", 1), ("sde", 1), ("sde", 3), ("order2", 1)])
def test_second_moments_of_sgd(model: str, substeps: int) -> None:
    """For Sigma(x) = a x x' + c I the second moments close: with h = eta/r and a batch B they are
    M' = A M A' + (eta h/B)(a M + c I), A = I - h H, for order two A = I - h (H + eta H^2/2)."""
    eta, a, c, batch, steps = 0.2, 3.0, 0.3, 2, 4
    found = simulate(
        "sgd",
        model,
        loss=loss_with(a, c * np.eye(3)),
        noise=gaussian(batch=batch, covariance="data"),
        lr=eta,
        steps=steps,
        paths=PATHS,
        x0=START,
        substeps=substeps,
        keep_paths=PATHS,
    )
    h = eta / substeps
    A = np.eye(3) - h * (H + (eta * H @ H / 2 if model == "order2" else 0))
    exact = diagonal = frozen = np.outer(START, START)
    for _ in range(steps * substeps):
        exact = A @ exact @ A.T + eta * h / batch * (a * exact + c * np.eye(3))
        diagonal = A @ diagonal @ A.T + eta * h / batch * (a * np.diag(np.diag(diagonal)) + c * np.eye(3))
        frozen = A @ frozen @ A.T + eta * h / batch * (a * np.outer(START, START) + c * np.eye(3))
    assert found.samples is not None
    assert fits(found.samples[-1], exact)
    # The check sees that coordinates are correlated, and that Sigma moves.
    assert not fits(found.samples[-1], diagonal) and not fits(found.samples[-1], frozen)


def model_drift(model: str, eta: float) -> Array:
    """The matrix A of a model of SGD on x'Hx/2, whose drift is A x: one step of its kernel from each unit vector."""
    step, state, nothing = kernels("sgd").MODELS[model]["gaussian"], np.eye(3)[None], np.zeros((1, 3, 3))
    curvature, p = np.zeros((2, 3, 3)), np.array([eta])
    if step.along is not None:
        step.along(state, H, nothing[0], curvature, nothing, p, 1, 0.0, 1.0)
        curvature[0] = H @ curvature[0]
    step(state, H, nothing[0], curvature, nothing, p, 1, 0.0, 1.0)
    return np.asarray(state[0] - np.eye(3))


@pytest.mark.parametrize(("model", "order"), [("sde", 1), ("order2", 2)])
def test_weak_orders_of_sgd(model: str, order: int) -> None:
    """Second moments at t = 1 under Sigma(x) = a x x' + c I, those of the model by dM/dt = A M + M A' + eta (a M + c I)
    and its matrix exponential: their distance from the optimizer's falls as eta^order, without sampling."""
    a, c, one, errors = 3.0, 0.3, np.eye(3), []
    for steps in (32, 64, 128):
        eta, exact = 1 / steps, np.outer(START, START)
        A, B = model_drift(model, eta), one - eta * H
        for _ in range(steps):
            exact = B @ exact @ B.T + eta**2 * (a * exact + c * one)
        affine = np.zeros((10, 10))
        affine[:9, :9] = np.kron(A, one) + np.kron(one, A) + eta * a * np.eye(9)
        affine[:9, 9] = eta * c * one.ravel()
        found = (expm(affine) @ np.append(np.outer(START, START), 1.0))[:9].reshape(3, 3)
        errors.append(np.abs(found - exact).max())
    slopes = np.log2(np.array(errors[:-1]) / errors[1:])
    assert (np.abs(slopes - order) < 0.15).all(), slopes


CONSTANT = [("sgd", "algorithm", 1), ("rmsprop", "sde", 2), ("rmsprop", "order2", 1), ("signsgd", "sde", 1)]


@pytest.mark.parametrize(("optimizer", "model", "substeps"), CONSTANT)
def test_a_constant_covariance(optimizer: str, model: str, substeps: int) -> None:
    """From a function that does not look at x: the paths of the same matrix given as such, to rounding."""
    options: dict[str, Any] = {"lr": 0.05, "steps": 12, "paths": 50, "x0": START, "substeps": substeps, "start": 2}
    options |= {"keep_paths": 50, "beta2": 0.9} if optimizer == "rmsprop" else {"keep_paths": 50}
    loss = loss_with(0.0, SIGMA)
    by_function = simulate(optimizer, model, loss=loss, noise=gaussian(batch=3, covariance="data"), **options)
    by_matrix = simulate(optimizer, model, loss=loss, noise=gaussian(batch=3, covariance=SIGMA), **options)
    assert by_function.samples is not None and by_matrix.samples is not None
    np.testing.assert_allclose(by_function.samples, by_matrix.samples, rtol=0, atol=1e-12)


@pytest.mark.parametrize("optimizer", ["signsgd", "rmsprop"])
def test_in_one_dimension_a_covariance_is_a_scale(optimizer: str) -> None:
    """Models of order two take the slope of s = sqrt(Sigma) from the covariance as they do from a noise scale."""
    loss = replace(loss_with(0.5, np.array([[0.2]]), np.array([[1.0]])), noise_scale=moving_scale)
    options: dict[str, Any] = {"lr": 0.1, "steps": 10, "paths": 20, "keep_paths": 20, "start": 2, "x0": [1.5]}
    full = simulate(optimizer, "order2", loss=loss, noise="gaussian:@data", **options)
    scale = simulate(optimizer, "order2", loss=loss, noise="gaussian:data", **options)
    still = simulate(optimizer, "order2", loss=loss_with(0.0, [[1.0]], np.eye(1)), noise="gaussian:@data", **options)
    assert full.samples is not None and scale.samples is not None and still.samples is not None
    np.testing.assert_allclose(full.samples, scale.samples, rtol=0, atol=1e-9)
    assert np.abs(full.samples - still.samples).max() > 1e-3


@pytest.mark.parametrize("noise", [gaussian(batch=4), gaussian(batch=4, covariance="data")])
def test_the_slope_of_the_scale(noise: Noise) -> None:
    """SignSGD's model of order two adds eta (Hb - G sb/s) phi(G/s)/s to the drift, Hb = f'' b, sb = s' b, b = -mu."""
    a, c, h, x, eta = 0.5, 0.2, 1.3, 1.5, 0.1
    loss = replace(loss_with(a, np.array([[c]]), np.array([[h]])), noise_scale=moving_scale)
    options: dict[str, Any] = {"lr": eta, "steps": 1, "paths": 20, "keep_paths": 20, "x0": [x]}
    two, one = (simulate("signsgd", model, loss=loss, noise=noise, **options) for model in ("order2", "sde"))
    G, s = h * x, math.sqrt((a * x**2 + c) / 4)
    b = -math.erf(G / s / math.sqrt(2))
    Hb, sb = h * b, a * x / 4 / s * b
    added = eta**2 * (Hb - G * sb / s) * stats.norm.pdf(G / s) / s
    assert two.samples is not None and one.samples is not None
    np.testing.assert_allclose((two.samples - one.samples)[-1], added, rtol=1e-8)


@pytest.mark.parametrize(("model", "substeps"), [("algorithm", 1), ("sde", 1), ("sde", 4)])
def test_one_step_of_signsgd(model: str, substeps: int) -> None:
    """Its covariance at x is eta^2 Cov(sign g_i, sign g_j) under Sigma(x). eta is so small that x does not move."""
    x, a, eta = np.array([0.3, -0.2, 0.4]), 4.0, 1e-5
    loss, options = loss_with(a, SIGMA), {"lr": eta, "steps": 1, "paths": PATHS, "keep_paths": PATHS, "x0": x}
    found = simulate("signsgd", model, loss=loss, noise="gaussian:@data", substeps=substeps, **options)  # type: ignore[arg-type]
    expected = []
    for sigma in (a * np.outer(x, x) + SIGMA, SIGMA):
        r, y = correlation(sigma), H @ x / np.sqrt(np.diag(sigma))
        mean = -np.vectorize(math.erf)(y / math.sqrt(2))
        covariance = [[sign_covariance(y[i], y[j], r[i, j]) for j in range(3)] for i in range(3)]
        expected.append(np.array(covariance) + np.outer(mean, mean))
    assert found.samples is not None
    moved = (found.samples[-1] - x[:, None]) / eta
    # x has moved by up to eta within the step, which shows where the square of a sign has no variance.
    assert fits(moved, expected[0], 1e-4) and not fits(moved, expected[1], 1e-4)


# Factors


def test_each_lane_has_its_own_factors() -> None:
    """Layers of degree n by Cholesky's factor of the lane's R^n, sign layers by that of its signs at G/s."""
    rng = np.random.default_rng(1)
    roots = rng.standard_normal((7, 3, 3))
    sigma = np.ascontiguousarray(np.moveaxis(roots @ roots.transpose(0, 2, 1), 0, 2))
    raw, g, s = rng.standard_normal((6, 3, 7)), rng.standard_normal((3, 7)), np.empty((3, 7))
    standard_deviations(sigma, s)
    np.testing.assert_allclose(s, np.sqrt([sigma[i, i] for i in range(3)]), rtol=1e-15)
    degrees, draws = np.array([1, 0, 2, 2, 1, 3]), raw.copy()
    correlate_lanes(draws, degrees, sigma, g, s)
    for j in range(7):
        r, signs = correlation(sigma[:, :, j]), np.empty((3, 3))
        sign_correlation(r, signs, g[:, j] / s[:, j])
        for c, n in enumerate(degrees):
            factor = np.linalg.cholesky(r**n if n else signs)
            np.testing.assert_allclose(draws[c, :, j], factor @ raw[c, :, j], rtol=0, atol=1e-11)
    one = np.ascontiguousarray(raw[:, :, 4:5])
    correlate_lanes(one, degrees, *(np.ascontiguousarray(array[..., 4:5]) for array in (sigma, g, s)))
    np.testing.assert_array_equal(one[:, :, 0], draws[:, :, 4])


@pytest.mark.parametrize("optimizer", ["sgd", "signsgd"])
def test_a_singular_covariance(optimizer: str) -> None:
    """Sigma(x) = x x' moves x along itself, by one number per step; a coordinate at 0 has no noise and stays there.
    SignSGD moves all coordinates alike in one step."""
    x0, d = np.array([1.0, -2.0, 0.0 if optimizer == "sgd" else 3.0, 0.5]), 4
    loss = loss_with(1.0, np.zeros((d, d)), 0.7 * np.eye(d) + np.zeros((d, d)))
    options: dict[str, Any] = {"lr": 0.1, "steps": 5 if optimizer == "sgd" else 1, "paths": 40, "keep_paths": 40}
    for model in ("algorithm", "sde"):
        found = simulate(optimizer, model, loss=loss, noise="gaussian:@data", x0=x0, **options)
        assert found.samples is not None and not found.diverged.any()
        x = found.samples[-1]
        moved = x - x0[:, None] if optimizer == "signsgd" else x
        along = np.sign(x0) if optimizer == "signsgd" else x0
        np.testing.assert_allclose(moved, along[:, None] * moved[0], rtol=0, atol=1e-12)
        assert (x[2] == x0[2]).all() == (optimizer == "sgd") and moved[0].std() > 0.05


def test_no_noise() -> None:
    """Sigma = 0 is SGD without noise."""
    found = simulate("sgd", loss=loss_with(0.0, np.zeros((3, 3))), noise="gaussian:@data", lr=0.1, steps=3, paths=9)
    x = np.linalg.matrix_power(np.eye(3) - 0.1 * H, 3) @ Quadratic(H).start
    np.testing.assert_allclose(found.mean[-1], x, rtol=1e-14)
    assert (found.var[-1] < 1e-30).all()


# What is no covariance


def test_lanes_without_a_covariance_are_no_numbers() -> None:
    """Indefinite matrices and NaN spoil their own lanes, those that are singular or indefinite by rounding do not."""
    hidden = np.array([[1, 1, 0], [1, 1, 0.5], [0, 0.5, 1.0]])
    nan = np.where(np.eye(3), 1.0, np.nan)
    bad = [np.ones((3, 3)) + 0.1 - 0.1 * np.eye(3), np.where(np.eye(3), 1, -0.6), hidden, nan]
    good = [SIGMA, np.ones((3, 3)), np.ones((3, 3)) + 1e-13 - 1e-13 * np.eye(3), np.diag([0.0, 1.0, -1e-14])]
    sigma, s = np.ascontiguousarray(np.stack(bad + good, axis=2), np.float64), np.empty((3, 8))
    standard_deviations(sigma, s)
    for degree in (0, 1, 2):
        draws = np.ones((1, 3, 8))
        correlate_lanes(draws, np.array([degree]), sigma, np.zeros((3, 8)), s)
        np.testing.assert_array_equal(np.isnan(draws).all(axis=(0, 1)), [True] * 4 + [False] * 4)
        assert not np.isnan(draws[:, :, 4:]).any()
    np.testing.assert_array_equal(s[:, 7], [0, 1, 0])
    bad_variances, roots = np.array([[[-0.5, np.nan, -1e-300]]]), np.empty((1, 3))
    standard_deviations(bad_variances, roots)
    assert np.isnan(roots).all()


@pytest.mark.parametrize(("optimizer", "model"), [("sgd", "algorithm"), ("signsgd", "sde"), ("signsgd", "algorithm")])
def test_a_path_that_leaves_the_covariances_diverges(optimizer: str, model: str) -> None:
    """S - x x' ends on the way up a hill: the paths count as diverged, and no number comes of them."""
    loss = loss_with(-1.0, np.eye(2), -np.eye(2) + np.zeros((2, 2)))
    found = simulate(
        optimizer, model, loss=loss, noise="gaussian:@data", lr=0.5, steps=20, paths=30, x0=[0.7, 0.7], save=[0, 20]
    )
    assert found.diverged.tolist() == [0, 30]
    assert np.isnan(found.mean[-1]).all()


# Where it runs


def test_threads_do_not_matter() -> None:
    options: dict[str, Any] = {"loss": loss_with(1.0, SIGMA), "noise": "gaussian:@data", "lr": 0.1, "steps": 3}
    one, two = (simulate("signsgd", paths=3000, threads=threads, chunk=1, **options) for threads in (1, 2))
    assert one.moments.mean.tobytes() == two.moments.mean.tobytes()
    assert one.moments.m2.tobytes() == two.moments.m2.tobytes()


def planned(loss: Loss | str, noise: Noise | str, paths: int = 10) -> Any:
    return plan("sgd", "sde", loss, noise, 1000, paths, 0, 1, None, 2, None, None, {})


def test_flat_kernels_are_not_for_it(monkeypatch: pytest.MonkeyPatch) -> None:
    loss = replace(loss_with(0.0, SIGMA[:2, :2], H[:2, :2]), noise_scale=moving_scale)
    monkeypatch.setattr(flat, "flat_kernel", lambda *_: "flat")
    assert planned(loss, "gaussian:1", 10**6).flat == "flat"
    assert planned(loss, gaussian(covariance="data"), 10**6).flat is None


def test_it_travels() -> None:
    """A pickled run has the digest of the run, which tells it from one by scales."""
    loss = replace(loss_with(0.0, SIGMA), noise_scale=moving_scale)
    run = planned(loss, "gaussian:@data")
    assert run_digest(pickle.loads(pickle.dumps(run))) == run_digest(run) != run_digest(planned(loss, "gaussian:data"))


@pytest.mark.parametrize(
    ("loss", "message"),
    [
        ("quadratic:1,2", "noise covariance = data is outside {a matrix}: quadratic:1,2 has no noise_covariance"),
        (loss_with(0.0, -np.eye(3)), "covariance Sigma: least eigenvalue = -1"),
        (loss_with(0.0, np.triu(SIGMA)), "covariance Sigma: max |Sigma - Sigma'| = 0.3"),
        (loss_with(math.nan, SIGMA), "covariance Sigma: entry (0, 0) = nan"),
        (replace(Quadratic(np.ones(257)), noise_covariance=moving), "dimension = 257 is outside [1, 256]"),
    ],
)
def test_refusals(loss: Loss | str, message: str) -> None:
    """Before anything runs: no covariance, none at the starting point, or one that is too large."""
    with pytest.raises(InvalidParameter) as caught:
        planned(loss, "gaussian:@data")
    assert message in str(caught.value) and caught.value.remedy


def test_a_model_whose_motions_are_not_known(monkeypatch: pytest.MonkeyPatch) -> None:
    """It has no correlation between coordinates, whether Sigma depends on x or not."""
    monkeypatch.setattr(kernels("sgd").MODELS["sde"]["gaussian"], "degrees", None)
    for noise in (gaussian(covariance=SIGMA), gaussian(covariance="data")):
        with pytest.raises(NoModel, match="how its motions are correlated is not known"):
            planned(loss_with(0.0, SIGMA), noise)
