"""Steps x' = x - eta grad f_gamma(x + rho d): their mean and covariance to first order in rho.

d is the sampled gradient (USAM), over the norm of the full one (DNSAM), or over its own norm (SAM). With
rho = O(sqrt(eta)) the terms of order rho in the drift and the covariance belong to the order-1 model.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import sympy as sp

from adasde.derive.expectation import expectation
from adasde.derive.law import Law
from adasde.derive.notation import eta
from adasde.papers.parts import Parts, coefficients

rho = sp.Symbol("rho", nonnegative=True)
Direction = Callable[["Sampled"], sp.Matrix]


@dataclass(frozen=True)
class Sampled:
    """grad f_gamma at the positions, as a function of the noise Z under ``law``."""

    positions: tuple[sp.Symbol, ...]
    gradient: sp.ImmutableDenseMatrix
    law: Law

    @property
    def hessian(self) -> sp.Matrix:
        """H_gamma, the derivative of the sampled gradient."""
        return self.gradient.jacobian(self.positions)

    @property
    def mean_gradient(self) -> sp.Matrix:
        """grad f."""
        return self.mean(self.gradient)

    def mean(self, matrix: sp.Matrix) -> sp.Matrix:
        """E over the noise, entry by entry."""
        return matrix.applyfunc(lambda entry: expectation(entry, self.law))

    def covariance(self, left: sp.Matrix, right: sp.Matrix) -> sp.Matrix:
        """Cov(left, right)."""
        return self.mean(left * right.T) - self.mean(left) * self.mean(right).T


def usam(sampled: Sampled) -> sp.Matrix:
    """d = grad f_gamma."""
    return sampled.gradient


def dnsam(sampled: Sampled) -> sp.Matrix:
    """d = grad f_gamma/|grad f|."""
    return sampled.gradient / norm(sampled.mean_gradient)


def sam(sampled: Sampled) -> sp.Matrix:
    """d = grad f_gamma/|grad f_gamma|; a sign in one dimension, where exact expectations know it."""
    if len(sampled.positions) == 1:
        return sampled.gradient.applyfunc(sp.sign)
    return sampled.gradient / norm(sampled.gradient)


def norm(vector: sp.Matrix) -> sp.Expr:
    """|vector|."""
    return sp.sqrt(sum(entry**2 for entry in vector))


def derived(sampled: Sampled, direction: Direction) -> Parts:
    """Drift -E h and covariance eta Cov h of h = grad f_gamma(x + rho d) = g + rho H_gamma d + O(rho^2)."""
    g, change = sampled.gradient, sampled.hessian * direction(sampled)
    across = sampled.covariance(g, change)
    drift = -sampled.mean(g) - rho * sampled.mean(change)
    return coefficients(sampled.positions, drift, eta * (sampled.covariance(g, g) + rho * (across + across.T)))
