"""SGLD: its stationary variance by iteration."""

from __future__ import annotations

from adasde.derive.notation import eta, s
from adasde.papers.welling2011 import statements as langevin


def test_langevin_by_iteration() -> None:
    """q' = (1 - eta lamda)^2 q + 2 eta T + eta^2 s^2 comes to rest at the variance that the rule has."""
    step, curvature, temperature, width, q = 0.1, 1.4, 0.6, 0.8, 0.0
    for _ in range(500):
        q = (1 - step * curvature) ** 2 * q + 2 * step * temperature + step**2 * width**2
    at = {langevin.lamda: curvature, langevin.T: temperature, eta: step, s: width}
    assert abs(float(langevin.stationary_variance().subs(at)) - q) < 1e-12
