"""Polynomials of bounded degree, orthonormal under the standard normal law, with their Gauss-Hermite rule."""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from functools import cache

import numpy as np
from numpy.polynomial.hermite_e import hermegauss

from adasde.ensemble import Array


@dataclass(frozen=True, eq=False)
class Basis:
    """psi_a(xi) = prod_i He_{a_i}(xi_i) / sqrt(a_i!) for the multi-indices a of `basis`, B of them.

    degrees      (B, n) the multi-indices a
    nodes        (n, M) tensor Gauss-Hermite nodes; weights (M,) sum to one
    values       (B, M) psi_a at the nodes
    derivatives  (n, B, B): coefficients of d/dxi_i of a polynomial from those of the polynomial
    """

    degrees: Array
    nodes: Array
    weights: Array
    values: Array
    derivatives: Array

    def at(self, xi: Array) -> Array:
        """psi_a at points xi (n, M): (B, M)."""
        return _values(self.degrees, xi)

    def project(self, u: Array) -> Array:
        """Coefficients (B, F) of the L2 projections of F functions from their values (M, F) at the nodes."""
        found: Array = (self.values * self.weights) @ u
        return found


@cache
def basis(highest: tuple[int, ...], nodes: tuple[int, ...]) -> Basis:
    """The basis of sum_i a_i/d_i <= 1 with the highest degree d_i in each variable: the total degree where all are the
    same. ``nodes`` of each variable integrate degree 2 nodes - 1 exactly."""
    indices = itertools.product(*(range(d + 1) for d in highest))
    degrees = np.array([a for a in indices if sum(i / d for i, d in zip(a, highest, strict=True)) <= 1 + 1e-9])
    xi, weights = gauss_hermite(nodes)
    return Basis(degrees, xi, weights, _values(degrees, xi), _derivatives(degrees))


def gauss_hermite(nodes: tuple[int, ...]) -> tuple[Array, Array]:
    """Tensor rule of the standard normal law with so many nodes in each of n variables, M together: nodes (n, M),
    weights (M,)."""
    rules = [hermegauss(count) for count in nodes]
    grid = np.array(list(itertools.product(*(one for one, _ in rules)))).T
    weights = np.array([np.prod(w) for w in itertools.product(*(weight / weight.sum() for _, weight in rules))])
    return grid, weights


def _values(degrees: Array, xi: Array) -> Array:
    values = np.ones((len(degrees), xi.shape[1]))
    for i, points in enumerate(xi):
        values *= _hermite(points, int(degrees[:, i].max()))[degrees[:, i]]
    return values


def _hermite(points: Array, degree: int) -> Array:
    """He_n / sqrt(n!) at the points for n = 0..degree, by the three-term recurrence: (degree + 1, M)."""
    found = np.ones((degree + 1, len(points)))
    previous = np.zeros(len(points))
    for n in range(degree):
        found[n + 1] = (points * found[n] - np.sqrt(n) * previous) / np.sqrt(n + 1)
        previous = found[n]
    return found


def _derivatives(degrees: Array) -> Array:
    """psi_a' = sqrt(a_i) psi_(a - e_i) in direction i."""
    position = {tuple(a): row for row, a in enumerate(degrees)}
    found = np.zeros((degrees.shape[1], len(degrees), len(degrees)))
    for column, a in enumerate(degrees):
        for i in np.flatnonzero(a):
            lower = a.copy()
            lower[i] -= 1
            found[i, position[tuple(lower)], column] = np.sqrt(a[i])
    return found
