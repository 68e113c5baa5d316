"""The SDEs of SAM hold for the algorithm itself: exact means over batches of a quartic loss, without any expansion."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import sympy as sp

from adasde.derive.generator import Chain, expand, root
from adasde.derive.laws import ANY
from adasde.derive.notation import Z, eta, s, x
from adasde.derive.scalings import slope
from adasde.papers.compagnoni2023 import from_rules, printed
from adasde.papers.compagnoni2023.perturbed import derived, rho, usam
from adasde.papers.compagnoni2023.printed import CURVATURE, PLANE
from adasde.papers.compagnoni2023.statements import one_position
from adasde.papers.parts import Parts

POINT = np.array([0.7, -0.4])
X, Y = PLANE
BATCHES = (
    X**2 + Y**2 / 2 + X**4 / 4 + X * Y,
    X**2 / 2 - Y**2 + Y**4 / 3 + X,
    2 * X**2 + Y**2 + X**2 * Y**2 / 2 - Y,
)
"""Three quadratic plus quartic losses of a minibatch, equally likely."""
ALGORITHMS: dict[str, tuple[Callable[..., Parts], Callable[[np.ndarray, np.ndarray], np.ndarray]]] = {
    "usam": (printed.usam_of_batches, lambda g, full: g),
    "dnsam": (printed.dnsam_of_batches, lambda g, full: g / np.linalg.norm(full)),
    "sam": (printed.sam_of_batches, lambda g, full: g / np.linalg.norm(g)),
}


def exact_step(name: str, radius: float) -> np.ndarray:
    """(drift of x, drift of y, variance of x, covariance, variance of y) of -grad f_gamma(x + rho d), eta = 1."""
    gradients = [sp.lambdify(PLANE, [sp.diff(loss, y) for y in PLANE]) for loss in BATCHES]
    sampled = np.array([g(*POINT) for g in gradients], float)
    full = sampled.mean(axis=0)
    direction = ALGORITHMS[name][1]
    points = [POINT + radius * direction(g, full) for g in sampled]
    steps = -np.array([g(*point) for g, point in zip(gradients, points, strict=True)], float)
    covariance = np.cov(steps.T, bias=True)
    return np.array([*steps.mean(axis=0), covariance[0, 0], covariance[0, 1], covariance[1, 1]])


def printed_step(name: str, radius: float) -> np.ndarray:
    """The same five numbers from the printed SDE."""
    parts = ALGORITHMS[name][0](BATCHES)
    names = ("drift of x", "drift of y", "variance of x", "covariance of x and y", "variance of y")
    at = {X: POINT[0], Y: POINT[1], rho: radius, sp.Symbol("eta", positive=True): 1}
    return np.array([float(parts[part].subs(at)) for part in names])


@pytest.mark.parametrize("name", ALGORITHMS)
def test_error_is_of_second_order_in_the_radius(name: str) -> None:
    """Halving rho divides what the SDE misses of the exact moments by four, in all five numbers."""
    errors = [np.abs(exact_step(name, radius) - printed_step(name, radius)) for radius in (2e-3, 1e-3)]
    assert np.all(errors[0] > 1e-9)
    np.testing.assert_allclose(errors[0] / errors[1], 4.0, rtol=0.05)


def test_the_radius_is_half_an_order() -> None:
    """With rho = rho0 sqrt(eta) the drift of order rho is what the generator of the chain has at half an order."""
    rho0 = sp.Symbol("rho0", positive=True)
    gradient = slope + s * Z
    chain = Chain("USAM", (x,), (-(root**2) * (gradient + rho0 * root * CURVATURE * gradient),))
    expansion = expand(chain, ANY)
    drift = derived(one_position(s, ANY), usam)["drift of x"]
    assert sp.expand(expansion.leading.drift[0] - drift.subs(rho, 0)) == 0
    assert sp.expand(rho0 * sp.diff(drift, rho) - expansion.half.drift[0]) == 0


def test_radius_of_escape_by_iteration() -> None:
    """Full-batch USAM on lamda x^2/2, lamda < 0, falls back to 0 beyond rho = -1/lamda and leaves it below."""
    curvature = -0.8
    limit = float(from_rules.radius_of_escape().subs(from_rules.downward, curvature))
    for radius, attracted in ((1.1 * limit, True), (0.9 * limit, False)):
        position = 1.0
        for _ in range(200):
            gradient = curvature * position
            position -= 0.1 * curvature * (position + radius * gradient)
        assert (abs(position) < 1) == attracted


def test_sde_of_usam_is_exact_on_a_quadratic() -> None:
    """Drift and covariance of the rule's SDE are those of one step with a constant Hessian, by linear algebra."""
    hessian, scales, slope = np.array([[1.2, 0.4], [0.4, -0.7]]), np.array([0.5, 0.8]), np.array([0.3, -0.9])
    at = dict(zip(from_rules.HESSIAN, hessian.ravel(), strict=True)) | {rho: 0.2, eta: 1}
    at |= dict(zip((*from_rules.GRADIENT, *from_rules.SCALES), (*slope, *scales), strict=True))
    parts = {part: float(value.subs(at)) for part, value in from_rules.usam_in_two_positions().items()}
    step = np.eye(2) + 0.2 * hessian
    covariance = step @ np.diag(scales**2) @ step.T
    expected = [*(-step @ slope), covariance[0, 0], covariance[0, 1], covariance[1, 1]]
    names = ("drift of x", "drift of y", "variance of x", "covariance of x and y", "variance of y")
    np.testing.assert_allclose([parts[name] for name in names], expected, rtol=1e-12)
