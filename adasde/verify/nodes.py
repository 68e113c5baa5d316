"""The nodes at which kernels sum expectations without a closed form.

Integrands there are functions of g = G + s Z such as tanh(g) or 1/(1 + g^2), with poles at a distance of order 1/s from
the real line, anywhere along it. A Gauss rule of a weight on a line or half-line converges like exp(-c sqrt(n)) for
them, because its outer nodes are spent where the weight is negligible (Trefethen, SIAM Review 64, 2022, for Hermite).
The trapezoidal rule for a normal weight converges like exp(-c n^(2/3)), Gauss-Legendre on panels of an exponential
weight like exp(-c n): so the Gauss rule is that of the panel, not of the law. Steps and panels follow from the bounds
for a pole at distance one in z and |h| <= 1; with 64 nodes these are 2e-12 and 1e-8 (Laplace 3e-7, 32 nodes on either
half), where Gauss-Hermite leaves 7e-7 of E|h| and Gauss-Laguerre 4e-4. Nearer poles, so noise larger than the scale on
which an integrand varies, cost digits; `gauss` measures the error of every run's own integrands.
"""

from __future__ import annotations

import math

import numpy as np
from scipy import optimize

from adasde.ensemble import Array
from adasde.noise import Noise
from adasde.verify import quadrature
from adasde.verify.quadrature import Nodes

PANELS = 4
"""Of the exponential law, each with a fourth of the nodes: of 1 to 6 panels the number with the smallest bound."""


def kernel_nodes(noise: Noise, n: int) -> Nodes:
    """n nodes z and weights w >= 0 of sum one. Gaussian: trapezoidal rule; mixture: the same for each component.
    Exponential: Gauss-Legendre on `PANELS` panels; Laplace: the same on both halves. Other laws: `quadrature.nodes`;
    of these Student-t has few nodes far out, where poles lie if G is many s: 1/(1 + g^2) with G = 4, s = 1/2 is off by
    4e-6 of itself at nu = 5, by 2e-2 at nu = 1."""
    if noise.law == "gaussian":
        return _trapezoid(n)
    if noise.law == "mixture":
        return _padded(_mixture(noise, n), n)
    if noise.law == "exponential":
        z, w = _exponential(n, 1.0)
        return z - 1, w
    if noise.law == "laplace":
        z, w = _exponential(n // 2, math.sqrt(2))
        return _padded((math.sqrt(0.5) * np.concatenate([-z[::-1], z]), np.concatenate([w[::-1], w]) / 2), n)
    return quadrature.nodes(noise, n)


def _trapezoid(n: int) -> Nodes:
    """Equal steps on [-R, R], R^3 = 2 pi (n - 1): there the tail e^(-R^2/2) is as small as the error of the step
    h = 2 R/(n - 1) for poles at distance one, e^(-2 pi/h)."""
    reach = (2 * math.pi * (n - 1)) ** (1 / 3)
    z = np.linspace(-reach, reach, n)
    weight: Array = np.exp(-z * z / 2)
    return z, weight / weight.sum()


def _exponential(n: int, pole: float) -> Nodes:
    """Density e^-z on z > 0; ``pole`` is the distance of poles from the real line."""
    ends, count = panels(n // PANELS, pole), n // PANELS
    x, w = np.polynomial.legendre.leggauss(count)
    half, middle = np.diff(ends)[:, None] / 2, (ends[1:] + ends[:-1])[:, None] / 2
    z = (middle + half * x).ravel()
    weight = (half * w).ravel() * np.exp(-z)
    return _padded((z, weight / weight.sum()), n)


def panels(count: int, pole: float) -> Array:
    """Ends of `PANELS` panels of [0, R] on which Gauss-Legendre of ``count`` nodes has the same error bound E; so large
    is also R^2 e^-R, what is left out of an integrand that grows like z^2.

    On [a, a + 2 l] the bound is e^-a rho^(-2 count), rho = p + sqrt(1 + p^2) with p = pole/l: the Bernstein ellipse
    through a pole above the middle. So l = pole/sinh((-a - ln E)/(2 count)).
    """

    def ends(log_bound: float) -> list[float]:
        found = [0.0]
        for _ in range(PANELS):
            left = max(-found[-1] - log_bound, 1e-9)
            found.append(found[-1] + 2 * pole / math.sinh(left / (2 * count)))
        return found

    def surplus(log_bound: float) -> float:
        last = min(ends(log_bound)[-1], 1e3)
        return last - 2 * math.log(last) + log_bound

    return np.array(ends(float(optimize.brentq(surplus, -100.0, -1.0))))


def _mixture(noise: Noise, n: int) -> Nodes:
    components = np.reshape(noise.law_data, (3, -1)).T.tolist()
    z, w = _trapezoid(n // len(components))
    return np.concatenate([m + d * z for _, m, d in components]), np.concatenate([c * w for c, _, _ in components])


def _padded(nodes: Nodes, n: int) -> Nodes:
    missing = n - len(nodes[0])
    return np.concatenate([nodes[0], np.full(missing, nodes[0][0])]), np.concatenate([nodes[1], np.zeros(missing)])
