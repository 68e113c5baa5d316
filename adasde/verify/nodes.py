"""The nodes at which kernels sum expectations without a closed form.

Integrands there, tanh(g) or 1/(1 + g^2), have poles a distance of a few noise scales from the real line. Gauss rules of
a weight on a half-line or line then converge like exp(-c sqrt(n)) only, these like exp(-c n) or n^(2/3): with 64 nodes
and poles at distance one, Gauss-Hermite leaves 1e-7, the trapezoidal rule 1e-11, Gauss-Laguerre 1e-4, three panels of
Gauss-Legendre 1e-8. `gauss` measures the error of every run's own integrands.
"""

from __future__ import annotations

import math

import numpy as np

from adasde.ensemble import Array
from adasde.noise import Noise
from adasde.verify import quadrature
from adasde.verify.quadrature import Nodes

PANELS = (0.0, 2.5, 8.0, 30.0)
"""Panels of the exponential law, each of the same number of nodes; exp(-30) is left out."""


def kernel_nodes(noise: Noise, n: int) -> Nodes:
    """n nodes z and weights w >= 0 of sum one. Gaussian: trapezoidal rule; mixture: the same for each component.
    Exponential: Gauss-Legendre on `PANELS`; Laplace: the same on both halves. Other laws: `quadrature.nodes`."""
    if noise.law == "gaussian":
        return _trapezoid(n)
    if noise.law == "mixture":
        return _padded(_mixture(noise, n), n)
    if noise.law == "exponential":
        z, w = _exponential(n)
        return z - 1, w
    if noise.law == "laplace":
        z, w = _exponential(n // 2)
        return _padded((math.sqrt(0.5) * np.concatenate([-z[::-1], z]), np.concatenate([w[::-1], w]) / 2), n)
    return quadrature.nodes(noise, n)


def _trapezoid(n: int) -> Nodes:
    """Equal steps on [-R, R], R^3 = 2 pi (n - 1): there the tail e^(-R^2/2) is as small as the error of the step
    h = 2 R/(n - 1) for poles at distance one, e^(-2 pi/h)."""
    reach = (2 * math.pi * (n - 1)) ** (1 / 3)
    z = np.linspace(-reach, reach, n)
    weight: Array = np.exp(-z * z / 2)
    return z, weight / weight.sum()


def _exponential(n: int) -> Nodes:
    counts = [n // 3 + (1 if i < n % 3 else 0) for i in range(3)]
    nodes, weights = [], []
    for low, high, count in zip(PANELS, PANELS[1:], counts, strict=False):
        x, w = np.polynomial.legendre.leggauss(count)
        z = (low + high) / 2 + (high - low) / 2 * x
        nodes.append(z)
        weights.append((high - low) / 2 * w * np.exp(-z))
    z, w = np.concatenate(nodes), np.concatenate(weights)
    return z, w / w.sum()


def _mixture(noise: Noise, n: int) -> Nodes:
    components = np.reshape(noise.law_data, (3, -1)).T.tolist()
    z, w = _trapezoid(n // len(components))
    return np.concatenate([m + d * z for _, m, d in components]), np.concatenate([c * w for c, _, _ in components])


def _padded(nodes: Nodes, n: int) -> Nodes:
    missing = n - len(nodes[0])
    return np.concatenate([nodes[0], np.full(missing, nodes[0][0])]), np.concatenate([nodes[1], np.zeros(missing)])
