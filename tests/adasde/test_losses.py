"""Value, gradient and Hessian-vector product of the analytic losses against numpy and differences."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy import optimize

from adasde.losses.base import Loss
from adasde.losses.quadratic import Quadratic
from adasde.losses.rosenbrock import Rosenbrock
from adasde.losses.saddle import EmbeddedSaddle
from adasde.noise import parse_noise
from adasde.simulation import simulate
from adasde.verify import verify

Array = NDArray[np.float64]

DENSE = np.array([[2.0, 0.5, -0.3, 0.0], [0.5, -1.0, 0.4, 1.0], [-0.3, 0.4, 1.5, 2.0], [0.0, 1.0, 2.0, 3.0]])
H = np.array([-1.0, 2.0, 0.5])
QUARTIC, CUBIC = 0.7, -0.3


def saddle_f(x: Array) -> Array:
    return (H[:, None] * x**2 / 2 + QUARTIC / 4 * x**4 - CUBIC / 3 * x**3).sum(axis=0)


def saddle_g(x: Array) -> Array:
    return H[:, None] * x + QUARTIC * x**3 - CUBIC * x**2


def saddle_hv(x: Array, u: Array) -> Array:
    return (H[:, None] + 3 * QUARTIC * x**2 - 2 * CUBIC * x) * u


A, B = -0.5, 3.0


def rosenbrock_f(x: Array) -> Array:
    return (B * (x[1:] - x[:-1] ** 2) ** 2 + (A - x[:-1]) ** 2).sum(axis=0)


def rosenbrock_g(x: Array) -> Array:
    g = np.zeros_like(x)
    g[:-1] = -4 * B * x[:-1] * (x[1:] - x[:-1] ** 2) - 2 * (A - x[:-1])
    g[1:] += 2 * B * (x[1:] - x[:-1] ** 2)
    return g


def rosenbrock_hv(x: Array, u: Array) -> Array:
    """By the three diagonals of the Hessian."""
    diagonal, beside = np.zeros_like(x), -4 * B * x[:-1]
    diagonal[:-1] = 12 * B * x[:-1] ** 2 - 4 * B * x[1:] + 2
    diagonal[1:] += 2 * B
    product = diagonal * u
    product[:-1] += beside * u[1:]
    product[1:] += beside * u[:-1]
    return product


Formulas = tuple[Loss, Callable[[Array], Array], Callable[[Array], Array], Callable[[Array, Array], Array]]
LOSSES: dict[str, Formulas] = {
    "diagonal": (
        Quadratic(H),
        lambda x: 0.5 * (H[:, None] * x**2).sum(axis=0),
        lambda x: H[:, None] * x,
        lambda x, u: H[:, None] * u,
    ),
    "dense": (
        Quadratic(DENSE),
        lambda x: 0.5 * (x * (DENSE @ x)).sum(axis=0),
        lambda x: DENSE @ x,
        lambda x, u: DENSE @ u,
    ),
    "saddle": (EmbeddedSaddle(H, QUARTIC, CUBIC), saddle_f, saddle_g, saddle_hv),
    "rosenbrock": (Rosenbrock(4, A, B), rosenbrock_f, rosenbrock_g, rosenbrock_hv),
    "plane rosenbrock": (Rosenbrock(2, A, B), rosenbrock_f, rosenbrock_g, rosenbrock_hv),
}


def points(loss: Loss, lanes: int = 5, seed: int = 1) -> Array:
    return 2 * np.random.default_rng(seed).standard_normal((loss.dimension, lanes))


def value(loss: Loss, x: Array) -> Array:
    f = np.full(x.shape[1], np.nan)
    loss.value(x, f, loss.data)
    return f


def field(kernel: Any, loss: Loss, *arrays: Array) -> Array:
    out = np.full(arrays[0].shape, np.nan)
    kernel(*arrays, out, loss.data)
    return out


@pytest.mark.parametrize("kind", LOSSES)
def test_kernels_match_numpy(kind: str) -> None:
    """All three kernels overwrite their output with what the formula gives, for every lane."""
    loss, f, g, hv = LOSSES[kind]
    for lanes in (1, 5):
        x, u = points(loss, lanes), points(loss, lanes, seed=2)
        np.testing.assert_allclose(value(loss, x), f(x), rtol=1e-13, atol=1e-13)
        np.testing.assert_allclose(field(loss.gradient, loss, x), g(x), rtol=1e-13, atol=1e-13)
        np.testing.assert_allclose(field(loss.hessian_vector, loss, x, u), hv(x, u), rtol=1e-13, atol=1e-13)


@pytest.mark.parametrize("kind", LOSSES)
def test_gradient_is_the_derivative_of_the_value(kind: str) -> None:
    """Every coordinate is a central difference of the value; all moved points are lanes of one call."""
    loss = LOSSES[kind][0]
    x, step = points(loss, 1), 1e-5
    moves = step * np.eye(loss.dimension)
    quotient = (value(loss, x + moves) - value(loss, x - moves)) / (2 * step)
    np.testing.assert_allclose(field(loss.gradient, loss, x)[:, 0], quotient, rtol=1e-8, atol=1e-8)


@pytest.mark.parametrize("kind", LOSSES)
def test_hessian_vector_is_the_derivative_of_the_gradient(kind: str) -> None:
    """Hess f u is the central difference of the gradient along u, and the Hessian is symmetric."""
    loss = LOSSES[kind][0]
    x, u, w = points(loss), points(loss, seed=2), points(loss, seed=3)
    product, step = field(loss.hessian_vector, loss, x, u), 1e-5
    ahead, behind = (field(loss.gradient, loss, x + sign * step * u) for sign in (1, -1))
    np.testing.assert_allclose(product, (ahead - behind) / (2 * step), rtol=1e-8, atol=1e-8)
    other = field(loss.hessian_vector, loss, x, w)
    np.testing.assert_allclose((w * product).sum(axis=0), (u * other).sum(axis=0), rtol=1e-11, atol=1e-11)


def test_a_diagonal_matrix_is_its_diagonal() -> None:
    """Quadratic(diag(h)) and Quadratic(h) are the same function, to the bit."""
    diagonal, dense = Quadratic(H), Quadratic(np.diag(H))
    x = points(diagonal)
    np.testing.assert_array_equal(value(dense, x), value(diagonal, x))
    np.testing.assert_array_equal(field(dense.gradient, dense, x), field(diagonal.gradient, diagonal, x))


def test_saddle_of_the_paper() -> None:
    """A saddle at 0 with curvatures -1 and 2, and minima (0.1 +- sqrt 4.01)/2 on the first axis."""
    loss = EmbeddedSaddle()
    assert loss.name == "saddle" and loss.dimension == 2
    minima = np.array([[(0.1 + np.sqrt(4.01)) / 2, (0.1 - np.sqrt(4.01)) / 2, 0.0], [0.0, 0.0, 0.0]])
    np.testing.assert_allclose(field(loss.gradient, loss, minima), 0, atol=1e-15)
    for u, signs in ((np.eye(2)[:, :1], [1, 1, -1]), (np.eye(2)[:, 1:], [1, 1, 1])):
        directions = np.repeat(u, 3, axis=1)
        curvature = (directions * field(loss.hessian_vector, loss, minima, directions)).sum(axis=0)
        np.testing.assert_array_equal(np.sign(curvature), signs)


def test_a_named_saddle_tells_its_coefficients() -> None:
    """Two saddles that differ have two names."""
    names = {EmbeddedSaddle(H, quartic, cubic).name for quartic in (1.0, 2.0) for cubic in (0.1, 0.2)}
    assert len(names) == 4


def test_rosenbrock_is_scipys() -> None:
    """With a = 1 and b = 100 it is the function of scipy.optimize, in any dimension; its minimum is exact."""
    for d in (2, 3, 6):
        loss = Rosenbrock(d)
        x, u = points(loss), points(loss, seed=2)
        np.testing.assert_allclose(value(loss, x), optimize.rosen(x), rtol=1e-13)
        expected = np.column_stack([optimize.rosen_der(column) for column in x.T])
        np.testing.assert_allclose(field(loss.gradient, loss, x), expected, rtol=1e-11)
        expected = np.column_stack([optimize.rosen_hess_prod(*columns) for columns in zip(x.T, u.T, strict=True)])
        np.testing.assert_allclose(field(loss.hessian_vector, loss, x, u), expected, rtol=1e-11)
        assert not value(loss, np.ones((d, 1))).any() and not field(loss.gradient, loss, np.ones((d, 1))).any()
    least = np.array([[1.5], [2.25]])
    assert value(Rosenbrock(2, 1.5, 7.0), least) == 0 and not field(loss.gradient, Rosenbrock(2, 1.5, 7.0), least).any()


def test_runs_on_rosenbrock_do_not_depend_on_threads() -> None:
    """Paths descend into the valley, none diverges, and one thread and two give the same bytes."""
    options: dict[str, Any] = {"loss": "rosenbrock:3", "noise": "gaussian:1", "lr": 5e-4, "steps": 200, "paths": 3000}
    one, two = (simulate("sgd", "order2", threads=threads, **options) for threads in (1, 2))
    assert one.moments.mean.tobytes() == two.moments.mean.tobytes() and not one.diverged.any()
    assert one.moments.m2.tobytes() == two.moments.m2.tobytes() and one.loss_mean[-1] < 0.02 * one.loss_mean[0]


@pytest.mark.slow
@pytest.mark.parametrize(("loss", "lr"), [("rosenbrock", 5e-4), ("logistic:breast_cancer:0.01", 0.01)])
def test_the_ladder_holds_on_them(loss: str, lr: float) -> None:
    """Every rung of `verify`, of which the last one is on this loss."""
    if loss.startswith("logistic"):
        pytest.importorskip("sklearn")
    noise = parse_noise("gaussian:0.5")
    checks = list(verify("sgd", "sde", loss=loss, noise=noise, lr=lr, steps=100, paths=400, seed=0))
    assert checks[-1].rung == 6 and loss in checks[-1].statement and all(check.passed for check in checks)


def test_starts() -> None:
    """Defaults: (1, -1, 1, ...) for quadratics, 0.1 in each coordinate for the saddle, Rosenbrock's own for his."""
    assert Rosenbrock(3).start.tolist() == [-1.2, 1, -1.2]
    assert Quadratic(DENSE).start.tolist() == [1, -1, 1, -1]
    assert EmbeddedSaddle().start.tolist() == [0.1, 0.1]


def test_the_loss_keeps_its_own_copy() -> None:
    """Changing the array that H came from changes no loss."""
    h = np.array([1.0, 2.0])
    loss = Quadratic(h)
    h[:] = 9
    assert loss.data.tolist() == [1.0, 2.0]


def test_rounding_asymmetry_of_a_dense_matrix_is_averaged_out() -> None:
    """A product like A A' may be asymmetric in its last bits: that is no error, and what is used is symmetric."""
    H = np.array([[1.0, 0.3], [0.3, 0.5]])
    H[1, 0] = np.nextafter(0.3, 1)
    h = Quadratic(H).data.reshape(2, 2)
    assert H[0, 1] != H[1, 0] and h[0, 1] == h[1, 0]
