"""Expectations over the noise of one step by quadrature, with the generated step as the integrand."""

from __future__ import annotations

import math

import numpy as np
from scipy import special, stats

from adasde.ensemble import Array

NODES = 240
RELIABLE = 0.25
"""nu - moments from which on the Student-t rule is accurate to about 1e-9."""


def rule(law: str, nu: float, kink: float, moments: int = 0) -> tuple[Array, Array]:
    """Nodes z and weights of E h(Z), for h smooth on both sides of ``kink`` and O(|z|^moments).

    Gaussian: Gauss-Legendre on [-10, kink] and [kink, 10]. Student-t, whose tails are algebraic: exp-sinh quadrature
    on both half-lines, z = kink +- exp(pi/2 sinh u), accurate to about 1e-9 for
    nu - moments >= `RELIABLE`.
    """
    if law == "gaussian":
        x, w = np.polynomial.legendre.leggauss(NODES // 2)
        middle = min(max(kink, -9.0), 9.0)
        pieces = [(-10.0, middle), (middle, 10.0)]
        z = np.concatenate([(b - a) / 2 * x + (a + b) / 2 for a, b in pieces])
        return z, np.concatenate([(b - a) / 2 * w for a, b in pieces]) * stats.norm.pdf(z)
    last = math.asinh(min(max(22.0 / max(nu - moments, RELIABLE), 2.8), 46.0))
    u = np.linspace(-3.6, last, NODES)
    distance = np.exp(math.pi / 2 * np.sinh(u))
    weight = (u[1] - u[0]) * math.pi / 2 * np.cosh(u) * distance
    z = np.concatenate([kink - distance[::-1], kink + distance])
    return z, np.concatenate([weight[::-1], weight]) * _student_t_density(z, nu)


def _student_t_density(z: Array, nu: float) -> Array:
    scale = special.gammaln((nu + 1) / 2) - special.gammaln(nu / 2) - math.log(nu * math.pi) / 2
    density: Array = np.exp(scale - (nu + 1) / 2 * np.log1p(z * z / nu))
    return density
