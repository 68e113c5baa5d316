"""Stochastic differential equations as facts, and derivations as lists of steps."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

import sympy as sp

from adasde.derive.law import Law
from adasde.derive.names import Named
from adasde.derive.notation import t
from adasde.derive.rule import UpdateRule


@dataclass(frozen=True)
class SDE:
    """dY = drift dt + diffusion dW for the states Y of one rule under one noise law, coordinate by coordinate.

    drift        n x 1 matrix, order one in eta except for products eta rho1 that are kept whole
    diffusion    n x r matrix, its factor sqrt(eta) included; column j multiplies an independent Brownian motion
    named        sub-expressions in the author's form, each in terms of the earlier ones: P, gamma1, mu, ...
    inputs       what a loss must supply: the gradient G and the noise scale s
    singular     the coefficients blow up at the optimizer's own initial state, so a path must start from a state
                 after a few real steps
    moments      order of the noise moment that must exist (0: none)
    along        the leading position drift that Hb and sb are derivatives along; None where neither is an input
    degrees      for each Brownian motion the degree of its Hermite polynomial of Z, 0 for a sign: how it is correlated
                 between coordinates under a full covariance; None where that is not known
    provenance   where the equations come from: "derived", or a paper's statement with its tag
    """

    optimizer: str
    model: str
    law: Law
    states: tuple[sp.Symbol, ...]
    nonnegative: tuple[sp.Symbol, ...]
    drift: sp.ImmutableDenseMatrix
    diffusion: sp.ImmutableDenseMatrix
    named: Named
    inputs: tuple[sp.Symbol, ...]
    weak_order: int
    assumptions: tuple[str, ...]
    dropped: tuple[str, ...]
    provenance: str
    singular: bool
    moments: int
    along: sp.Expr | None = None
    degrees: tuple[int, ...] | None = None

    def __post_init__(self) -> None:
        n = len(self.states)
        if self.drift.shape != (n, 1) or self.diffusion.rows != n:
            shapes = f"drift {self.drift.shape}, diffusion {self.diffusion.shape}"
            raise ValueError(f"{self.optimizer} {self.model}: {shapes} do not fit {n} states")

    def expand_names(self, expression: sp.Expr, kept: frozenset[sp.Symbol] = frozenset()) -> sp.Expr:
        """The expression (or matrix) with every named sub-expression written out, but for those in ``kept``."""
        for symbol, value in reversed(self.named):
            if symbol not in kept:
                expression = expression.subs(symbol, value)
        return expression

    @property
    def full_drift(self) -> sp.ImmutableDenseMatrix:
        return sp.ImmutableDenseMatrix(self.drift.applyfunc(self.expand_names))

    @property
    def full_diffusion(self) -> sp.ImmutableDenseMatrix:
        return sp.ImmutableDenseMatrix(self.diffusion.applyfunc(self.expand_names))

    @property
    def covariance(self) -> sp.ImmutableDenseMatrix:
        """diffusion diffusion^T (n x n), with its factor eta and with the names in place."""
        return sp.ImmutableDenseMatrix((self.diffusion * self.diffusion.T).applyfunc(sp.factor_terms))

    @property
    def full_covariance(self) -> sp.ImmutableDenseMatrix:
        return sp.ImmutableDenseMatrix(self.covariance.applyfunc(self.expand_names))

    @property
    def parameters(self) -> tuple[sp.Symbol, ...]:
        """Free symbols that are neither states, time nor inputs."""
        free = self.full_drift.free_symbols | self.full_diffusion.free_symbols
        return tuple(sorted(free - {*self.states, *self.inputs, t}, key=str))

    @property
    def digest(self) -> str:
        """First 12 hex digits of the SHA-256 of the equations' `srepr`; the same in every process."""
        parts = (self.drift, self.diffusion, sp.Tuple(*(sp.Tuple(*pair) for pair in self.named)))
        text = sp.srepr(parts if self.along is None else (*parts, self.along))
        return hashlib.sha256(f"{self.optimizer} {self.model} {self.law.name} {text}".encode()).hexdigest()[:12]


Equation = tuple[sp.Basic | str, sp.Basic]
"""(left, right): ``left`` is text or an expression; ``right`` an expression, or a `sympy.Tuple` of the terms of a sum
in the order in which they are to stand."""


@dataclass(frozen=True)
class Step:
    """One numbered step of a derivation: what was done, the rule that was applied, and the equations that came out."""

    title: str
    reason: str
    equations: tuple[Equation, ...] = ()


@dataclass(frozen=True)
class Derivation:
    """An `SDE` with every step that led to it.

    increment  leading term of each state's one-step increment divided by eta, in Z (with the names of the SDE)
    """

    rule: UpdateRule
    law: Law
    steps: tuple[Step, ...]
    increment: tuple[sp.Expr, ...]
    sde: SDE
