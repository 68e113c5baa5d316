"""The multilayer perceptron's kernels against plain numpy, difference quotients and each other."""

from __future__ import annotations

import sys
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from scipy import stats
from scipy.special import expit

from adasde.errors import InvalidParameter, MissingData
from adasde.losses.base import Loss
from adasde.losses.mlp import MLP, breast_cancer, initial_parameters
from adasde.noise import gaussian
from adasde.simulation import simulate

NETWORKS = [
    pytest.param(hidden, activation, id=f"{','.join(map(str, hidden)) or 'none'}-{activation}")
    for activation in ("tanh", "relu")
    for hidden in ((), (4,), (5, 4), (3, 6, 2))
]
# 70 samples are one full block of the kernels and a rest; 7 inputs are one group of four rows and a rest.
SAMPLES, INPUTS, CLASSES = 70, 7, 3


def problem(hidden: tuple[int, ...], activation: str) -> tuple[Loss, np.ndarray, np.ndarray]:
    rng = np.random.default_rng(7)
    X = rng.standard_normal((SAMPLES, INPUTS))
    y = np.arange(SAMPLES) % CLASSES
    return MLP(X, y, hidden, activation), X, y


def point(loss: Loss, lanes: int = 1, seed: int = 11) -> np.ndarray:
    """Parameters of order one, (d, lanes), with non-zero biases."""
    return 0.7 * np.random.default_rng(seed).standard_normal((loss.dimension, lanes))


def call(kernel: Any, loss: Loss, *arrays: np.ndarray) -> np.ndarray:
    out = np.full(arrays[0].shape, np.nan)
    kernel(*arrays, out, loss.data)
    return out


def value(loss: Loss, x: np.ndarray) -> np.ndarray:
    f = np.full(x.shape[1], np.nan)
    loss.value(x, f, loss.data)
    return f


def everything(loss: Loss, x: np.ndarray, u: np.ndarray) -> np.ndarray:
    """Value, gradient, noise scale and covariance, and Hessian-vector product of every lane, (1 + 3 d + d^2, lanes)."""
    fields, sigma = [call(loss.gradient, loss, x), call(loss.noise_scale, loss, x)], np.empty((len(x), *x.shape))
    loss.noise_covariance(x, sigma, loss.data)
    return np.vstack([value(loss, x), *fields, *sigma, call(loss.hessian_vector, loss, x, u)])


def numpy_network(
    theta: np.ndarray, X: np.ndarray, y: np.ndarray, hidden: tuple[int, ...], activation: str
) -> tuple[np.ndarray, np.ndarray]:
    """Losses (N,) and gradients (N, d) of the single samples; theta may be complex."""
    sizes, layers, first = [X.shape[1], *hidden, y.max() + 1], [], 0
    for n_in, n_out in pairwise(sizes):
        W = theta[first : first + n_in * n_out].reshape(n_in, n_out)
        first += n_in * n_out + n_out
        layers.append((W, theta[first - n_out : first]))
    h, slopes = [X], []
    for W, b in layers[:-1]:
        z = h[-1] @ W + b
        h.append(np.tanh(z) if activation == "tanh" else z * (z.real > 0))
        slopes.append(1 / np.cosh(z) ** 2 if activation == "tanh" else 1.0 * (z.real > 0))
    logits = h[-1] @ layers[-1][0] + layers[-1][1]
    partition = np.exp(logits).sum(axis=1)
    delta = np.exp(logits) / partition[:, None] - np.eye(sizes[-1])[y]
    parts: list[np.ndarray] = []
    for l in reversed(range(len(layers))):
        parts[:0] = [np.einsum("ni,no->nio", h[l], delta).reshape(len(y), -1), delta]
        if l:
            delta = (delta @ layers[l][0].T) * slopes[l - 1]
    return np.log(partition) - logits[np.arange(len(y)), y], np.concatenate(parts, axis=1)


@pytest.mark.parametrize(("hidden", "activation"), NETWORKS)
def test_value_and_gradient_match_numpy(hidden: tuple[int, ...], activation: str) -> None:
    """Value and gradient are those of an implementation that shares no code, layout of theta included."""
    loss, X, y = problem(hidden, activation)
    x = point(loss)
    losses, gradients = numpy_network(x[:, 0], X, y, hidden, activation)
    np.testing.assert_allclose(value(loss, x), losses.mean(), rtol=1e-9)
    np.testing.assert_allclose(call(loss.gradient, loss, x)[:, 0], gradients.mean(0), rtol=1e-9, atol=1e-14)


@pytest.mark.parametrize(("hidden", "activation"), NETWORKS)
def test_gradient_is_the_derivative_of_the_value(hidden: tuple[int, ...], activation: str) -> None:
    """Every coordinate of the gradient is the central difference of the loss; all moved points are lanes."""
    loss, _, _ = problem(hidden, activation)
    x, step = point(loss), 1e-5
    moves = step * np.eye(loss.dimension)
    quotient = (value(loss, x + moves) - value(loss, x - moves)) / (2 * step)
    np.testing.assert_allclose(call(loss.gradient, loss, x)[:, 0], quotient, rtol=1e-6, atol=1e-9)


@pytest.mark.parametrize(("hidden", "activation"), NETWORKS)
def test_hessian_vector_is_the_derivative_of_the_gradient(hidden: tuple[int, ...], activation: str) -> None:
    """Hess f u is the difference of gradients and, to 1e-9, the complex step derivative of numpy's."""
    loss, X, y = problem(hidden, activation)
    x, u = point(loss), point(loss, seed=12)
    product = call(loss.hessian_vector, loss, x, u)
    ahead, behind = (call(loss.gradient, loss, x + step * u) for step in (1e-5, -1e-5))
    np.testing.assert_allclose(product, (ahead - behind) / 2e-5, rtol=1e-6, atol=1e-8)
    moved = numpy_network(x[:, 0] + 1e-30j * u[:, 0], X, y, hidden, activation)[1].mean(0)
    np.testing.assert_allclose(product[:, 0], moved.imag / 1e-30, rtol=1e-9, atol=1e-13)


@pytest.mark.parametrize(("hidden", "activation"), NETWORKS)
def test_noise_scale_is_the_deviation_of_single_gradients(hidden: tuple[int, ...], activation: str) -> None:
    """The noise scale is the population deviation over explicitly stored per-sample gradients."""
    loss, X, y = problem(hidden, activation)
    x = point(loss)
    _, gradients = numpy_network(x[:, 0], X, y, hidden, activation)
    np.testing.assert_allclose(call(loss.noise_scale, loss, x)[:, 0], gradients.std(0), rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize(("hidden", "activation"), NETWORKS)
def test_noise_covariance_is_that_of_single_gradients(hidden: tuple[int, ...], activation: str) -> None:
    """The population covariance over explicitly stored per-sample gradients, in every lane; symmetric to the bit, and
    with the squares of the noise scale on its diagonal."""
    loss, X, y = problem(hidden, activation)
    x, d = point(loss, 3), loss.dimension
    out = np.full((d, d, 3), np.nan)
    loss.noise_covariance(x, out, loss.data)
    for lane in range(3):
        _, gradients = numpy_network(x[:, lane], X, y, hidden, activation)
        np.testing.assert_allclose(out[:, :, lane], np.cov(gradients.T, bias=True), rtol=1e-9, atol=1e-12)
    np.testing.assert_array_equal(out, out.transpose(1, 0, 2))
    np.testing.assert_allclose(np.einsum("iij->ij", out), call(loss.noise_scale, loss, x) ** 2, rtol=1e-9, atol=1e-12)


def test_noise_of_a_network_with_a_full_covariance() -> None:
    """One SGD step on logistic regression, whose covariance has half its rank: Var u.x_1 = eta^2 u'Sigma u/B along
    random directions u by its chi-square law, 0 where softmax leaves a direction free; and the models run."""
    X = np.random.default_rng(3).standard_normal((SAMPLES, 3))
    loss, eta, paths = MLP(X, (X[:, 0] > 0).astype(int), ()), 0.1, 4000
    noise = gaussian(batch=5, covariance="data")
    found = simulate("sgd", "algorithm", loss=loss, noise=noise, lr=eta, steps=1, paths=paths)
    sigma = np.empty((8, 8, 1))
    loss.noise_covariance(loss.start[:, None], sigma, loss.data)
    assert np.linalg.matrix_rank(sigma[:, :, 0]) == 4
    for u in np.random.default_rng(4).standard_normal((10, 8)):
        ratio = (u @ found.cov[-1] @ u) / (eta**2 / 5 * u @ sigma[:, :, 0] @ u) * (paths - 1)
        assert 1e-6 / 2 < stats.chi2.cdf(ratio, paths - 1) < 1 - 1e-6 / 2
        assert abs(np.repeat(u[::2], 2) @ found.cov[-1] @ np.repeat(u[::2], 2)) < 1e-12
    for optimizer, model in (("signsgd", "sde"), ("adam", "order2")):
        assert not simulate(optimizer, model, loss=loss, noise=noise, lr=0.01, steps=20, paths=8).diverged.any()


@pytest.mark.parametrize("activation", ["tanh", "relu"])
def test_lanes_and_threads_do_not_change_a_byte(activation: str) -> None:
    """Five lanes in one call, and single lanes in four threads at once, give the bytes of single calls."""
    loss, _, _ = problem((5, 4), activation)
    x, u = point(loss, 5), point(loss, 5, seed=12)

    def single(lane: int) -> bytes:
        return everything(loss, *(np.ascontiguousarray(v[:, lane : lane + 1]) for v in (x, u))).tobytes()

    expected = [everything(loss, x, u)[:, lane].tobytes() for lane in range(5)]
    assert [single(lane) for lane in range(5)] == expected
    with ThreadPoolExecutor(4) as pool:
        assert list(pool.map(single, list(range(5)) * 8)) == expected * 8


def test_large_logits_neither_overflow_nor_cancel() -> None:
    """With logits of 0 and z, f is z or e^-z to full accuracy and the gradient is finite and as accurate."""
    loss = MLP([[1.0], [1.0]], [0, 1], hidden=())
    single = MLP([[1.0]] * 3, [0, 1, 1], hidden=())
    x = np.array([[0.0, 0.0], [40.0, 1e4], [0.0, 0.0], [0.0, 0.0]])
    np.testing.assert_allclose(value(loss, x), [20.0, 5e3], rtol=1e-15)
    np.testing.assert_allclose(value(single, x)[1], 1e4 / 3, rtol=1e-15)
    assert np.isfinite(call(loss.gradient, loss, x)).all()
    fit = MLP([[1.0], [-1.0]], [1, 0], hidden=())
    np.testing.assert_allclose(value(fit, x), [np.exp(-40.0), 0.0], rtol=1e-14)
    np.testing.assert_allclose(call(fit.gradient, fit, x)[1, 0], -np.exp(-40.0), rtol=1e-14)


def test_relu_has_slope_zero_at_zero() -> None:
    """With every hidden unit on the kink, and weights above it, only the last biases see a gradient."""
    loss, _, y = problem((4,), "relu")
    x = np.zeros((loss.dimension, 1))
    x[-15:-3, 0] = np.arange(12)
    g = call(loss.gradient, loss, x)[:, 0]
    assert not g[:-CLASSES].any()
    np.testing.assert_allclose(g[-CLASSES:], 1 / CLASSES - np.bincount(y) / SAMPLES, rtol=1e-12)


def test_activations_and_entropies_are_accurate() -> None:
    """One hidden unit and two classes, from 1e-9 to where tanh is 1 and beyond: scipy's to a few units."""
    loss = MLP([[1.0], [1.0]], [0, 1], hidden=(1,))
    z = np.concatenate([10.0 ** np.arange(-9.0, 3.0), np.linspace(0.1, 25, 200)])
    x = np.zeros((loss.dimension, 2 * z.size))
    x[0], x[3] = np.concatenate([z, -z]), 3.0  # logits (0, 3 tanh z)
    logit = 3 * np.tanh(x[0])
    expected = (np.logaddexp(0, logit) + np.logaddexp(0, -logit)) / 2
    np.testing.assert_allclose(value(loss, x), expected, rtol=4e-15)
    # p - 1/2 is what is left of two samples whose residuals cancel: an absolute error.
    slope = (expit(logit) - 0.5) * np.tanh(x[0])
    np.testing.assert_allclose(call(loss.gradient, loss, x)[3], slope, rtol=4e-15, atol=4e-16)


@pytest.mark.parametrize("activation", ["tanh", "relu"])
def test_a_diverged_lane_stays_alone(activation: str) -> None:
    """A NaN parameter shows in its own lane's results, ReLU and clipping included, and in no other lane."""
    loss, _, _ = problem((5, 4), activation)
    x = point(loss, 2)
    before = everything(loss, x, x)
    x[0, 0] = np.nan
    after = everything(loss, x, x)
    assert np.isnan(after[[0, loss.dimension, 2 * loss.dimension, 3 * loss.dimension], 0]).all()
    np.testing.assert_array_equal(after[:, 1], before[:, 1])


def test_start_is_deterministic_and_scaled() -> None:
    """The start depends on the seed only; weights have the Glorot or He deviation and biases are zero."""
    loss, X, y = problem((5, 4), "relu")
    np.testing.assert_array_equal(loss.start, problem((5, 4), "relu")[0].start)
    assert not np.array_equal(loss.start, MLP(X, y, (5, 4), "relu", seed=1).start)
    assert loss.start.shape == (loss.dimension,) == (8 * 5 + 6 * 4 + 5 * 3,)
    for activation, variance in (("tanh", 2 / 400), ("relu", 2 / 300)):
        first = initial_parameters([300, 100, 3], activation, 0)[:30100]
        assert not first[30000:].any()
        # 30000 normals: the relative standard error of the variance is 0.8 %.
        assert first[:30000].var() == pytest.approx(variance, rel=0.04)


X_GOOD = np.eye(4)
Y_GOOD = [0, 1, 2, 1]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((np.ones(4), Y_GOOD), r"shape of X = \(4,\) is outside \(N, inputs\)"),
        ((np.ones((0, 3)), []), "shape of X"),
        ((np.where(X_GOOD == 1, np.inf, 0.0), Y_GOOD), r"X\[0, 0\] = inf is outside the finite numbers"),
        ((X_GOOD, [0, 1, 2]), r"len\(y\) = 3 is outside \{4\}"),
        ((X_GOOD, [0.0, 1.0, 2.0, 1.0]), "y = float64 of shape"),
        ((X_GOOD, [[0], [1], [2], [1]]), "y = int64 of shape"),
        ((X_GOOD, [0, 2, 2, 0]), r"set of labels = \[0, 2\] .*return_inverse"),
        ((X_GOOD, [-1, 0, 1, 0]), r"set of labels = \[-1, 0, 1\]"),
        ((X_GOOD, [0, 0, 0, 0]), r"set of labels = \[0\]"),
        ((X_GOOD, Y_GOOD, (3, 0)), r"hidden = \(3, 0\) .*\(20,\)"),
        ((X_GOOD, Y_GOOD, (2.5,)), r"hidden = \(2.5,\)"),
        ((X_GOOD, Y_GOOD, 20), "hidden = 20"),
        ((X_GOOD, Y_GOOD, (3,), "gelu"), r"activation = 'gelu' is outside \{tanh, relu\}"),
    ],
)
def test_bad_input_is_refused_by_name(arguments: tuple[Any, ...], message: str) -> None:
    """Each argument outside its domain raises an error that names it and its value."""
    with pytest.raises(InvalidParameter, match=message):
        MLP(*arguments)


def test_breast_cancer() -> None:
    """Names follow the command line, the features are standardised, and the labels are scikit-learn's."""
    data = pytest.importorskip("sklearn.datasets").load_breast_cancer()
    loss = breast_cancer()
    assert (loss.name, loss.dimension) == ("mlp:breast_cancer", 662)
    assert breast_cancer((16, 16), "relu").name == "mlp:breast_cancer:16,16:relu"
    header, X, y = np.split(loss.data, [6, 6 + 569 * 30])
    assert header.tolist() == [569, 0, 2, 30, 20, 2]
    X = X.reshape(569, 30)
    np.testing.assert_allclose(X.mean(0), 0, atol=1e-12)
    np.testing.assert_allclose(X.std(0), 1, rtol=1e-12)
    np.testing.assert_allclose(X * data.data.std(0) + data.data.mean(0), data.data, rtol=1e-9, atol=1e-12)
    np.testing.assert_array_equal(y, data.target)
    expected = numpy_network(loss.start, X, data.target, (20,), "tanh")[1].mean(0)
    np.testing.assert_allclose(call(loss.gradient, loss, loss.start[:, None])[:, 0], expected, atol=1e-14)


def test_breast_cancer_without_scikit_learn(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without scikit-learn the error names the command that installs it."""
    monkeypatch.setitem(sys.modules, "sklearn.datasets", None)
    with pytest.raises(MissingData, match="pip install scikit-learn"):
        breast_cancer()
