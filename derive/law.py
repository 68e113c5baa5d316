"""What a law of the standard noise variable Z in g = G + s Z must know.

``s`` is the scale of the noise. Every law but Student-t has mean 0 and variance 1, so that s is the standard
deviation; Student-t has unit scale, standard deviation s sqrt(nu/(nu - 2)), and none at all for nu <= 2.
"""

from __future__ import annotations

from abc import ABC, abstractmethod

import sympy as sp

from adasde.derive.growth import growth
from adasde.derive.notation import moment_symbol


class NotDerivable(ValueError):
    """A derivation that the theory or this tool does not support; the message says which step and why."""


class MomentDoesNotExist(NotDerivable):
    """A moment that the noise law does not have was needed."""


class Law(ABC):
    """A law of Z.

    name        how the command line spells it
    parameters  symbols of its own numbers, in the order in which kernels find them behind the hyperparameters
    smooth      whether it has a continuous density, so that mean signs have a derivative
    """

    name: str
    parameters: tuple[sp.Symbol, ...] = ()
    smooth: bool = True

    @abstractmethod
    def moment(self, n: int) -> sp.Expr:
        """E Z^n; raises `MomentDoesNotExist`."""

    @abstractmethod
    def sign_moment(self, n: int, c: sp.Expr) -> sp.Expr:
        """E[Z^n sign(Z + c)], sign(0) = 0, exactly; truncated moments are combinations of these."""

    def exists(self, n: int) -> sp.Expr:
        """Whether E |Z|^n is finite: true, false, or a condition on the parameters."""
        return sp.true

    def density(self, y: sp.Expr) -> sp.Expr:
        """Density at y. Raises `NotDerivable` for a law with atoms."""
        raise NotDerivable(f"{self.name} noise has no density: its law has atoms")

    def cdf(self, y: sp.Expr) -> sp.Expr:
        """P(Z < y) + P(Z = y)/2."""
        return (1 - self.sign_moment(0, -y)) / 2

    def atoms(self) -> tuple[tuple[sp.Expr, sp.Expr], ...]:
        """((value, probability), ...) for a law on finitely many values that are known symbolically, else ()."""
        return ()

    def mean(self, function: sp.Expr, z: sp.Symbol) -> sp.Expr:
        """E of an arbitrary function of z: a finite sum, or an `Expectation` that quadrature evaluates.

        Raises `NotDerivable` where the function grows too fast for the mean to exist.
        """
        from adasde.derive.functions import Expectation

        if self.atoms():
            return sp.Add(*(probability * function.subs(z, value) for value, probability in self.atoms()))
        if not self.tames(function, z):
            raise NotDerivable(f"{function} grows too fast: it has no mean under {self.name} noise")
        return Expectation.of(function, z, self)

    def tames(self, function: sp.Expr, z: sp.Symbol) -> bool:
        """Whether |function| has a mean: by default, whether it grows like a power that has one."""
        power = growth(function, z)
        return power is not None and self.exists(power) != False  # noqa: E712 - sympy relational


class AnyLaw(Law):
    """Any law with mean 0, variance 1 and the moments M3, M4, ... as symbols: what polynomials of g need."""

    name = "any"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, AnyLaw)

    def __hash__(self) -> int:
        return hash(self.name)

    def moment(self, n: int) -> sp.Expr:
        """1, 0, 1, then the symbol M_n."""
        return sp.Integer((1, 0, 1)[n]) if n < 3 else moment_symbol(n)

    def sign_moment(self, n: int, c: sp.Expr) -> sp.Expr:
        raise NotDerivable(f"the mean of a sign of g, sign(Z + {c}), needs a noise law; moments do not determine it")

    def mean(self, function: sp.Expr, z: sp.Symbol) -> sp.Expr:
        raise NotDerivable(f"{function} is no polynomial of g: its mean needs a noise law, moments are not enough")
