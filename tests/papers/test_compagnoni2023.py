"""The SDEs of SAM hold for the algorithm itself: exact means over batches of a quartic loss, without any expansion."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import sympy as sp

from adasde.derive.generator import Chain, expand, root
from adasde.derive.laws import ANY
from adasde.derive.notation import Z, s, x
from adasde.derive.scalings import slope
from adasde.papers.compagnoni2023 import printed
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
