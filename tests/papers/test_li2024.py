"""HA-SME: one step of SGD on a quadratic, by small steps of the SDE."""

from __future__ import annotations

from adasde.derive.notation import G, eta, s
from adasde.papers.li2024 import statements as hessian_aware


def test_one_step_of_the_hessian_aware_sde() -> None:
    """Euler-Maruyama moments of HA-SME over the time eta, in 4000 steps, come to those of one SGD step."""
    step, curvature, width, start, parts = 0.2, 1.5, 0.7, 1.1, hessian_aware.printed()
    at = {eta: step, hessian_aware.lamda: curvature, s: width}
    rate = float((parts["drift of x"] / G).subs(at)) * curvature
    spread = float(parts["variance of x"].subs(at))
    mean, variance, dt = start, 0.0, step / 4000
    for _ in range(4000):
        mean, variance = mean * (1 + rate * dt), variance * (1 + rate * dt) ** 2 + spread * dt
    assert abs(mean - (1 - step * curvature) * start) < 1e-4
    assert abs(variance - step**2 * width**2) < 1e-4
