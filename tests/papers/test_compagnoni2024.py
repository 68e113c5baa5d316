"""Games: exact moments of one step by linear algebra, and exact iteration of E |z|^2/2."""

from __future__ import annotations

import numpy as np
import pytest
import sympy as sp

from adasde.derive.notation import eta, s, t
from adasde.papers.compagnoni2024 import closed_forms
from adasde.papers.compagnoni2024.closed_forms import C, b, k, rho
from adasde.papers.compagnoni2024.plane import PLANE, SCALES, a, c, lambda_
from adasde.papers.compagnoni2024.statements import hamiltonian, seg, sgda
from adasde.papers.parts import Parts

J = np.array([[0.7, 1.3], [-1.3, 0.4]])
WIDTHS, RATE, POINT = np.array([0.5, 0.9]), 0.1, np.array([0.3, -1.1])
AT = dict(zip((a, c, lambda_, *SCALES, eta, *PLANE), (0.7, 0.4, 1.3, *WIDTHS, RATE, *POINT), strict=True))
S = np.diag(WIDTHS)


def maps(name: str, radius: float) -> tuple[np.ndarray, np.ndarray]:
    """h = A z + B Z of z' = z - eta h, Z the standard noise of one minibatch, or of two one after the other."""
    if name == "sgda":
        return J, S
    if name == "shgd":
        return J.T @ J, np.hstack([J.T @ S, J.T @ S]) / 2
    back = J - radius * J @ J
    return back, (S - radius * J @ S if name == "same" else np.hstack([S, -radius * J @ S]))


def numbers(parts: Parts, radius: float) -> np.ndarray:
    names = ("drift of x", "drift of y", "variance of x", "covariance of x and y", "variance of y")
    return np.array([float(parts[part].subs({**AT, rho: radius})) for part in names])


def exact(name: str, radius: float) -> np.ndarray:
    A, B = maps(name, radius)
    drift, covariance = -A @ POINT, RATE * B @ B.T
    return np.array([*drift, covariance[0, 0], covariance[0, 1], covariance[1, 1]])


@pytest.mark.parametrize(("name", "printed"), [("sgda", sgda()), ("shgd", hamiltonian())])
def test_one_step(name: str, printed: Parts) -> None:
    np.testing.assert_allclose(numbers(printed, 0.0), exact(name, 0.0), rtol=1e-12)


@pytest.mark.parametrize(("name", "printed"), [("same", seg(same=True)), ("fresh", seg())])
def test_extragradient_to_first_order(name: str, printed: Parts) -> None:
    """Halving rho divides what the printed covariance misses by four; the drift is exact."""
    errors = [exact(name, radius) - numbers(printed, radius) for radius in (2e-2, 1e-2)]
    np.testing.assert_allclose(errors[0][:2], 0.0, atol=1e-12)
    np.testing.assert_allclose(errors[0][2:], 4 * errors[1][2:], rtol=1e-6)
    assert np.all(np.abs(errors[0][2:]) > 1e-7)


@pytest.mark.parametrize("alpha", closed_forms.EXPONENTS)
def test_closed_forms_by_iteration(alpha: sp.Expr) -> None:
    """q' = q - dt (k u q - C u^2) by the midpoint rule from b ends at the closed form."""
    rate, level, start, dt, end = 1.7, 0.4, 2.0, 1e-3, 3.0
    q, power = start, float(alpha)

    def change(q: float, time: float) -> float:
        u = (1 + time) ** -power
        return level * u**2 - rate * u * q

    for n in range(round(end / dt)):
        half = q + dt / 2 * change(q, n * dt)
        q += dt * change(half, (n + 0.5) * dt)
    printed = float(closed_forms.printed(alpha).subs({k: rate, C: level, b: start, t: end}))
    assert abs(q - printed) < 1e-6


def test_noise_on_lambda_by_exact_recursion() -> None:
    """E r of SEG falls by a factor a step that the rate k gives to the order of eta: the error falls like eta^2."""
    printed = closed_forms.rate(closed_forms.of_rule(closed_forms_rule()))
    errors = []
    for step in (0.01, 0.005):
        size, width, radius = 2.0, 0.8, 0.5
        rotation = np.array([[0.0, 1.0], [-1.0, 0.0]])
        nodes, weights = np.polynomial.hermite_e.hermegauss(12)
        weights = weights / weights.sum()
        factor = 0.0
        for z1, w1 in zip(nodes, weights, strict=True):
            for z2, w2 in zip(nodes, weights, strict=True):
                f1, f2 = ((size + width * z) * rotation for z in (z1, z2))
                step_map = np.eye(2) - step * f1 @ (np.eye(2) - radius * f2)
                factor += w1 * w2 * (step_map[:, 0] @ step_map[:, 0])
        rate = float(printed.subs({lambda_: size, s: width, rho: radius, eta: step}))
        errors.append(abs(factor - 1 + step * rate))
    assert 3.5 < errors[0] / errors[1] < 4.5


def closed_forms_rule():
    from adasde.derive.optimizers.elsewhere import extragradient

    return extragradient
