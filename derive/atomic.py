"""Noise laws with atoms: Rademacher, two-point, and the empirical law of data.

A mean sign is then a step function of the signal, so that a rule with signs has a model of weak order one at most,
and that only away from the steps.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import sympy as sp

from adasde.derive import notation
from adasde.derive.functions import empirical_sign
from adasde.derive.law import Law, NotDerivable

HIGHEST_MOMENT = 6
"""Moments of an empirical law that kernels are given."""
HIGHEST_SIGN_MOMENT = 2
"""Powers of Z whose products with a sign kernels know for an empirical law."""


class _FiniteLaw(Law):
    """A law on finitely many values."""

    smooth = False

    def moment(self, n: int) -> sp.Expr:
        return sp.simplify(sp.Add(*(probability * value**n for value, probability in self.atoms())))

    def sign_moment(self, n: int, c: sp.Expr) -> sp.Expr:
        return sp.Add(*(probability * value**n * sp.sign(value + c) for value, probability in self.atoms()))


@dataclass(frozen=True)
class Rademacher(_FiniteLaw):
    """Z = 1 or -1 with probability 1/2 each."""

    name: str = "rademacher"

    def atoms(self) -> tuple[tuple[sp.Expr, sp.Expr], ...]:
        return ((sp.S.One, sp.S.Half), (-sp.S.One, sp.S.Half))


@dataclass(frozen=True)
class TwoPoint(_FiniteLaw):
    """Z = sqrt((1 - p)/p) with probability p, else -sqrt(p/(1 - p)): skewness (1 - 2 p)/sqrt(p (1 - p))."""

    p: sp.Expr = notation.p
    name: str = field(default="two-point")

    @property
    def parameters(self) -> tuple[sp.Symbol, ...]:  # type: ignore[override]
        return (self.p,) if isinstance(self.p, sp.Symbol) else ()

    def atoms(self) -> tuple[tuple[sp.Expr, sp.Expr], ...]:
        p = self.p
        return ((sp.sqrt(1 - p) / sp.sqrt(p), p), (-sp.sqrt(p) / sp.sqrt(1 - p), 1 - p))

    def moment(self, n: int) -> sp.Expr:
        """1, 0, 1, then the sum over both values."""
        return sp.Integer((1, 0, 1)[n]) if n < 3 else super().moment(n)


@dataclass(frozen=True)
class Empirical(Law):
    """The law of given values with given weights, shifted and scaled to mean 0 and variance 1.

    The derivation knows its moments M3 ... M6 as symbols and E[Z^n sign(Z + c)] as `empirical_sign`; the numbers
    come with the run.
    """

    name: str = "empirical"
    smooth: bool = False
    parameters: tuple[sp.Symbol, ...] = tuple(notation.moment_symbol(n) for n in range(3, HIGHEST_MOMENT + 1))

    def moment(self, n: int) -> sp.Expr:
        if n > HIGHEST_MOMENT:
            raise NotDerivable(f"empirical noise: moments above the order {HIGHEST_MOMENT} are not kept, not {n}")
        return sp.Integer((1, 0, 1)[n]) if n < 3 else notation.moment_symbol(n)

    def sign_moment(self, n: int, c: sp.Expr) -> sp.Expr:
        if n > HIGHEST_SIGN_MOMENT:
            raise NotDerivable(f"empirical noise: E[Z^{n} sign(Z + c)] is kept up to n = {HIGHEST_SIGN_MOMENT} only")
        return empirical_sign(c, sp.Integer(n))
