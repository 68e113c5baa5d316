"""SGD on f = lambda x^2/2 under Student-t noise: its exact law at any step, from characteristic functions.

x_k = a^k x0 - lr s sum_{j < k} a^j Z_j, a = 1 - lr lambda, and E cos(u Z) = K_{nu/2}(w) w^{nu/2} / (Gamma(nu/2)
2^{nu/2 - 1}) with w = sqrt(nu) |u|. For nu = 1 it is Cauchy's law with the scale lr s (1 - a^k)/(1 - a) at all times.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from scipy import integrate, interpolate, special

from adasde.ensemble import Array

SMALL = 1e-13
"""Size of the characteristic function at which the integral ends."""
POINTS = 20_001
KNOTS = 6_001


def log_characteristic(u: Array, nu: float) -> Array:
    """log E cos(u Z), for u > 0."""
    w, half = np.sqrt(nu) * u, nu / 2
    found: Array = np.log(special.kve(half, w)) - w + half * np.log(w) - special.gammaln(half) - (half - 1) * np.log(2)
    return found


def exceedance(radii: Array, nu: float, scale: float, curvature: float, lr: float, start: float, steps: int) -> Array:
    """P(|x_steps| > r) = 1 - (2/pi) int sin(u r) cos(u mean) phi(u)/u du, r by r, within about 1e-7."""
    kept = 1 - lr * curvature
    weights = lr * scale * kept ** np.arange(steps)
    weights = weights[weights > 1e-8 * weights[0]]
    logs = _spline(nu)

    def phi(u: Array) -> Array:
        total = np.zeros_like(u)
        for b in weights:
            total += logs(np.log(u * b))
        return np.exp(total)

    end = 1.0
    while phi(np.array([end]))[0] > SMALL:
        end *= 2
    # From 1e-6 of the range: below it the integrand is r to all digits that count.
    u = np.linspace(0.0, end, POINTS)
    u[0] = 1e-6 * u[1]
    share = np.cos(u * kept**steps * start) * phi(u) / u
    return np.array([1 - 2 / np.pi * integrate.simpson(np.sin(u * r) * share, x=u) for r in radii])


def _spline(nu: float) -> Callable[[Array], Array]:
    """log E cos(u Z) as a function of log u, from a spline of its logarithm, nearly a line at both ends."""
    y = np.linspace(np.log(1e-22), np.log(1e4), KNOTS)
    small = y < np.log(1e-6)
    exact = -log_characteristic(np.exp(y[~small]), nu)
    # Where 1 - phi is lost in rounding it goes on as the power of u that it is near 0.
    power = min(nu, 2.0)
    first = np.log(exact[0]) + power * (y[small] - y[~small][0])
    spline = interpolate.CubicSpline(y, np.concatenate([first, np.log(exact)]))
    return lambda at: -np.exp(spline(at))
