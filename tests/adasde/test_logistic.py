"""Logistic regression: kernels against mpmath, differences, single samples and scikit-learn, at any margin."""

from __future__ import annotations

import pickle
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import mpmath
import numpy as np
import pytest
from scipy import stats

from adasde.errors import InvalidParameter
from adasde.losses import parse_loss
from adasde.losses.base import Loss
from adasde.losses.logistic import BLOCK, Logistic, breast_cancer
from adasde.noise import gaussian
from adasde.simulation import simulate

SAMPLES, INPUTS, RIDGE = 2 * BLOCK + 5, 5, 0.03
"""Two whole blocks of the kernels and a rest; one group of four inputs and a rest."""
RNG = np.random.default_rng(2)
X = RNG.standard_normal((SAMPLES, INPUTS))
Y = (X[:, 0] + RNG.standard_normal(SAMPLES) > 0).astype(int)
LOSS = Logistic(X, Y, RIDGE)


def point(lanes: int, seed: int = 3, dimension: int = INPUTS) -> np.ndarray:
    return np.random.default_rng(seed).standard_normal((dimension, lanes))


def value(loss: Loss, x: np.ndarray) -> np.ndarray:
    f = np.full(x.shape[1], np.nan)
    loss.value(x, f, loss.data)
    return f


def call(kernel: Any, loss: Loss, *arrays: np.ndarray) -> np.ndarray:
    out = np.full(arrays[0].shape, np.nan)
    kernel(*arrays, out, loss.data)
    return out


def covariance(loss: Loss, x: np.ndarray) -> np.ndarray:
    out = np.full((len(x), *x.shape), np.nan)
    loss.noise_covariance(x, out, loss.data)
    return out


def everything(loss: Loss, x: np.ndarray, u: np.ndarray) -> np.ndarray:
    """Value, gradient, noise scale, Hessian-vector product and covariance, (1 + 3 d + d^2, lanes)."""
    fields = [call(loss.gradient, loss, x), call(loss.noise_scale, loss, x), call(loss.hessian_vector, loss, x, u)]
    return np.vstack([value(loss, x), *fields, *covariance(loss, x)])


def exact(X: Any, y: Any, l2: float, x: np.ndarray, u: np.ndarray) -> tuple[float, np.ndarray, np.ndarray]:
    """f, grad f and Hess f u in 40 digits, for numbers as they stand."""
    with mpmath.workdps(40):
        rows = [[mpmath.mpf(float(a)) for a in row] for row in X]
        at, along, n = [mpmath.mpf(float(a)) for a in x], [mpmath.mpf(float(a)) for a in u], len(rows)
        f, g, h = l2 * mpmath.fdot(at, at) / 2, [l2 * a for a in at], [l2 * a for a in along]
        for row, label in zip(rows, y, strict=True):
            sign = 1 if label == 1 else -1
            other, own = (mpmath.exp(side * sign * mpmath.fdot(row, at)) for side in (-1, 1))
            f += mpmath.log1p(other) / n
            g = [a - sign * b / (1 + own) / n for a, b in zip(g, row, strict=True)]
            pull = mpmath.fdot(row, along) / ((1 + own) * (1 + other)) / n
            h = [a + pull * b for a, b in zip(h, row, strict=True)]
        return float(f), np.array(list(map(float, g))), np.array(list(map(float, h)))


def test_kernels_are_the_formulas() -> None:
    """Against 40 digits, for every lane, with labels 0 and 1 and with -1 and 1, which give the same bytes."""
    x, u = point(3), point(3, seed=4)
    f, g, h = value(LOSS, x), call(LOSS.gradient, LOSS, x), call(LOSS.hessian_vector, LOSS, x, u)
    for lane in range(3):
        expected = exact(X, Y, RIDGE, x[:, lane], u[:, lane])
        np.testing.assert_allclose(f[lane], expected[0], rtol=4e-15)
        np.testing.assert_allclose(g[:, lane], expected[1], rtol=1e-13, atol=1e-16)
        np.testing.assert_allclose(h[:, lane], expected[2], rtol=1e-13, atol=1e-16)
    assert Logistic(X, 2.0 * Y - 1, RIDGE).data.tobytes() == LOSS.data.tobytes()
    assert Logistic(X, Y == 1, RIDGE).data.tobytes() == LOSS.data.tobytes()


def test_derivatives_are_differences() -> None:
    """The gradient is the central difference of the value, and Hess f u that of the gradient; the Hessian is
    symmetric."""
    x, u, w, step = point(1), point(1, seed=4), point(1, seed=5), 1e-5
    moves = step * np.eye(INPUTS)
    quotient = (value(LOSS, x + moves) - value(LOSS, x - moves)) / (2 * step)
    np.testing.assert_allclose(call(LOSS.gradient, LOSS, x)[:, 0], quotient, rtol=1e-8, atol=1e-10)
    product = call(LOSS.hessian_vector, LOSS, x, u)
    ahead, behind = (call(LOSS.gradient, LOSS, x + sign * step * u) for sign in (1, -1))
    np.testing.assert_allclose(product, (ahead - behind) / (2 * step), rtol=1e-8, atol=1e-10)
    np.testing.assert_allclose((w * product).sum(), (u * call(LOSS.hessian_vector, LOSS, x, w)).sum(), rtol=1e-13)


@pytest.mark.parametrize("l2", [0.0, 0.5])
def test_any_margin_is_accurate(l2: float) -> None:
    """Margins from 1e-300 to 800 of either sign, where e^800 overflows: values, gradients and curvatures to a few units
    of the last place, or of the smallest normal number where e^-|m| is no longer one."""
    sizes = [1e-300, 1e-9, 0.1, 1.0, 20.0, 36.7, 37.5, 100.0, 700.0, 708.0, 745.0, 800.0]
    for margin in [*sizes, *(-size for size in sizes)]:
        # The second sample has the margin 0 at every point, and its gradient and curvature are 0.
        data, x, u = [[margin], [0.0]], np.ones((1, 1)), np.full((1, 1), 0.7)
        loss = Logistic(data, [1, 0], l2)
        f, g, h = exact(data, [1, 0], l2, x[:, 0], u[:, 0])
        np.testing.assert_allclose(value(loss, x)[0], f, rtol=1e-15)
        np.testing.assert_allclose(call(loss.gradient, loss, x)[0], g, rtol=3e-15, atol=1e-305)
        np.testing.assert_allclose(call(loss.hessian_vector, loss, x, u)[0], h, rtol=5e-15, atol=1e-302)
    # Alone, a margin keeps all digits of its value too.
    for margin in sizes[2:10]:
        alone = Logistic([[margin]] * 2 + [[-margin]], [1, 1, 0])
        np.testing.assert_allclose(
            value(alone, np.ones((1, 1)))[0], float(mpmath.log1p(mpmath.exp(-margin))), rtol=2e-15
        )


def test_noise_is_that_of_single_gradients() -> None:
    """Population deviation and covariance of stored gradients of single samples, in every lane; symmetric to the bit,
    and the squares of the deviations are its diagonal. A ridge term is the same in every sample."""
    x = point(3)
    scale, sigma = call(LOSS.noise_scale, LOSS, x), covariance(LOSS, x)
    for lane in range(3):
        single = np.array(
            [exact([row], [label], RIDGE, x[:, lane], x[:, lane])[1] for row, label in zip(X, Y, strict=True)]
        )
        np.testing.assert_allclose(single.mean(0), call(LOSS.gradient, LOSS, x)[:, lane], rtol=1e-12)
        np.testing.assert_allclose(scale[:, lane], single.std(0), rtol=1e-13)
        np.testing.assert_allclose(sigma[:, :, lane], np.cov(single.T, bias=True), rtol=1e-11, atol=1e-15)
    np.testing.assert_array_equal(sigma, sigma.transpose(1, 0, 2))
    np.testing.assert_allclose(np.einsum("iij->ij", sigma), scale**2, rtol=1e-14)


def test_gradients_that_hardly_differ_keep_their_deviation() -> None:
    """Two samples whose gradients agree to 1e-10: the difference of means of squares would be rounding."""
    loss = Logistic([[1.0], [-1.0 - 1e-10]], [1, 0])
    g = [exact([[a]], [1], 0.0, np.ones(1), np.ones(1))[1][0] for a in (1.0, 1.0 + 1e-10)]
    np.testing.assert_allclose(call(loss.noise_scale, loss, np.ones((1, 1))), abs(g[0] - g[1]) / 2, rtol=1e-5)


def test_lanes_and_threads_do_not_change_a_byte() -> None:
    """Seven lanes in one call, and single lanes in two threads at once, give the bytes of single calls; and so does a
    run with the loss's own covariance in one thread or two."""
    x, u = point(7), point(7, seed=4)

    def single(lane: int) -> bytes:
        return everything(LOSS, *(np.ascontiguousarray(v[:, lane : lane + 1]) for v in (x, u))).tobytes()

    expected = [everything(LOSS, x, u)[:, lane].tobytes() for lane in range(7)]
    with ThreadPoolExecutor(2) as pool:
        assert list(pool.map(single, list(range(7)) * 4)) == expected * 4
    options: dict[str, Any] = {"loss": LOSS, "noise": gaussian(covariance="data"), "lr": 0.1, "steps": 3, "paths": 900}
    one, two = (simulate("sgd", "sde", threads=threads, **options).moments for threads in (1, 2))
    assert one.mean.tobytes() == two.mean.tobytes() and one.m2.tobytes() == two.m2.tobytes()


def test_a_diverged_lane_stays_alone() -> None:
    """A NaN weight shows in every result of its own lane, and in no other."""
    x = point(2)
    before = everything(LOSS, x, x)
    x[0, 0] = np.nan
    after = everything(LOSS, x, x)
    assert np.isnan(after[:, 0]).all()
    np.testing.assert_array_equal(after[:, 1], before[:, 1])


@pytest.mark.parametrize("noise", [gaussian(None, batch=4), gaussian(batch=4, covariance="data")])
def test_a_step_has_the_noise_of_the_data(noise: Any) -> None:
    """Var u.x_1 = eta^2 u'Sigma u/B after one SGD step, by its chi-square law, false alarm 1e-6 each; Sigma is diagonal
    for scales."""
    eta, paths, sigma = 0.1, 4000, covariance(LOSS, np.full((INPUTS, 1), 0.4))[:, :, 0]
    sigma = sigma if noise.covariance else np.diag(np.diag(sigma))
    start = np.full(INPUTS, 0.4)
    found = simulate("sgd", "algorithm", loss=LOSS, noise=noise, lr=eta, steps=1, paths=paths, x0=start)
    for u in [*np.eye(INPUTS), *np.random.default_rng(4).standard_normal((4, INPUTS))]:
        ratio = (u @ found.cov[-1] @ u) / (eta**2 / 4 * u @ sigma @ u) * (paths - 1)
        assert 1e-6 / 2 < stats.chi2.cdf(ratio, paths - 1) < 1 - 1e-6 / 2


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (([1.0, 2.0], [0, 1]), r"logistic: shape of X = \(2,\) is outside \(N, inputs\)"),
        ((np.ones((0, 3)), []), "logistic: shape of X"),
        (("a", [0, 1]), "logistic: X = 'a' is outside the matrices of numbers"),
        (([[1.0], [np.nan]], [0, 1]), r"logistic: X\[1, 0\] = nan is outside the finite numbers"),
        (([[1.0]] * 2, [0, 1, 1]), r"logistic: len\(y\) = 3 is outside \{2\}"),
        (([[1.0]] * 2, ["no", "yes"]), "logistic: y = <U3 of shape"),
        (([[1.0]] * 2, [[0], [1]]), r"logistic: y = int64 of shape \(2, 1\)"),
        (([[1.0]] * 2, [0, 2]), r"logistic: set of labels = \[0, 2\] is outside \{0, 1\} or \{-1, 1\}: number two"),
        (([[1.0]] * 3, [-1, 0, 1]), r"set of labels = \[-1, 0, 1\]"),
        (([[1.0]] * 2, [1, 1]), r"set of labels = \[1\]"),
        (([[1.0]] * 2, [np.nan, 1.0]), r"set of labels = \[1.0, nan\]"),
        (([[1.0]] * 9, list(range(9))), r"set of labels = \[0, 1, 2, 3, 4\] and more"),
        (([[1.0]] * 2, [0, 1], -0.1), r"logistic: l2 = -0.1 is outside \[0, inf\)"),
        (([[1.0]] * 2, [0, 1], np.inf), r"logistic: l2 = inf is outside \[0, inf\)"),
    ],
)
def test_bad_input_is_refused_by_name(arguments: tuple[Any, ...], message: str) -> None:
    with pytest.raises(InvalidParameter, match=message):
        Logistic(*arguments)


def test_breast_cancer() -> None:
    """Standardised inputs and an intercept; where scikit-learn's own fit with the same ridge term ends, the gradient
    vanishes, and at the start f = ln 2."""
    linear = pytest.importorskip("sklearn.linear_model")
    data = pytest.importorskip("sklearn.datasets").load_breast_cancer()
    loss = breast_cancer(0.01)
    rows = loss.data[2:].reshape(569, 31) * np.where(data.target == 1, 1, -1)[:, None]
    np.testing.assert_allclose(rows[:, :30] * data.data.std(0) + data.data.mean(0), data.data, rtol=1e-9, atol=1e-12)
    assert (loss.name, loss.dimension, loss.data[:2].tolist()) == ("logistic:breast_cancer:0.01", 31, [569, 0.01])
    assert (rows[:, 30] == 1).all() and breast_cancer().name == "logistic:breast_cancer"
    np.testing.assert_allclose(value(loss, loss.start[:, None]), np.log(2), rtol=1e-13)
    fit = linear.LogisticRegression(C=1 / (0.01 * 569), fit_intercept=False, tol=1e-12, max_iter=10_000)
    at = fit.fit(rows, data.target).coef_.T
    assert np.abs(call(loss.gradient, loss, np.ascontiguousarray(at))).max() < 1e-7
    assert np.abs(call(loss.gradient, loss, loss.start[:, None])).max() > 0.1


@pytest.mark.parametrize("spelling", ["rosenbrock:3", "logistic"])
def test_another_process_finds_the_same_functions(spelling: str) -> None:
    """Losses of this package travel by the names of their functions."""
    loss = LOSS if spelling == "logistic" else parse_loss(spelling)
    again = pickle.loads(pickle.dumps(loss))
    names = ("value", "gradient", "hessian_vector", "noise_scale", "noise_covariance")
    assert all(getattr(again, name) is getattr(loss, name) for name in names)
    assert again.data.tobytes() == loss.data.tobytes() and len(pickle.dumps(loss)) < 4000 + loss.data.nbytes
