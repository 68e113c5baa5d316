"""Steps x' = x - eta grad f_gamma(x + rho d): their mean and covariance to first order in rho.

d is the sampled gradient (USAM), over the norm of the full one (DNSAM), or over its own norm (SAM); that of USAM and
SAM is the one in their rules. With
rho = O(sqrt(eta)) the terms of order rho in the drift and the covariance belong to the order-1 model.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import sympy as sp

from adasde.derive import operations
from adasde.derive.expectation import expectation
from adasde.derive.law import Law
from adasde.derive.notation import eta, g, x
from adasde.derive.optimizers import elsewhere
from adasde.derive.rule import UpdateRule
from adasde.papers.parts import Parts, coefficients
from adasde.papers.vectors import of_gradient

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


def direction(rule: UpdateRule) -> Direction:
    """d of a rule x' = x - eta gradient(x + rho d), read off its update; 1e-12 beside the norm is left out.

    In one position g/|g| is written as a sign, where exact expectations know it.
    """
    (node,) = rule.update[0].atoms(operations.sampled)
    offset = sp.expand(node.args[0] - x) / rho
    offset = offset.replace(lambda e: e.is_Float and e < 1e-9, lambda e: sp.S.Zero)

    def of(sampled: Sampled) -> sp.Matrix:
        if len(sampled.positions) > 1:
            return of_gradient(offset, list(sampled.gradient))
        single = offset.replace(operations.total, lambda u: u).subs(g / sp.Abs(g), sp.sign(g))
        return sampled.gradient.applyfunc(lambda entry: single.subs(g, entry))

    return of


def dnsam(sampled: Sampled) -> sp.Matrix:
    """d = grad f_gamma/|grad f|."""
    return sampled.gradient / norm(sampled.mean_gradient)


def norm(vector: sp.Matrix) -> sp.Expr:
    """|vector|."""
    return sp.sqrt(sum(entry**2 for entry in vector))


usam, sam = direction(elsewhere.usam), direction(elsewhere.sam)


def derived(sampled: Sampled, direction: Direction) -> Parts:
    """Drift -E h and covariance eta Cov h of h = grad f_gamma(x + rho d) = g + rho H_gamma d + O(rho^2)."""
    g, change = sampled.gradient, sampled.hessian * direction(sampled)
    across = sampled.covariance(g, change)
    drift = -sampled.mean(g) - rho * sampled.mean(change)
    return coefficients(sampled.positions, drift, eta * (sampled.covariance(g, g) + rho * (across + across.T)))
