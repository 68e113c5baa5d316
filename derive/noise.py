"""Laws of the standard noise variable Z in g = G + s Z.

A law knows its moments, its distribution function and the mean signs E[Z^n sign(Z + c)], or says which of them do
not exist. ``s`` is the *scale*: the standard deviation of the noise for a Gaussian, s sqrt(nu/(nu - 2)) for a
Student-t, and no standard deviation at all for nu <= 2.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import sympy as sp

from adasde.derive import notation
from adasde.derive.functions import student_t_density, student_t_sign


class NotDerivable(ValueError):
    """A derivation that the theory or this tool does not support; the message says which step and why."""


class MomentDoesNotExist(NotDerivable):
    """A moment that the noise law does not have was needed."""


@dataclass(frozen=True)
class Gaussian:
    """Z standard normal."""

    name: str = "gaussian"
    parameters: tuple[sp.Symbol, ...] = ()

    def moment(self, n: int) -> sp.Expr:
        """E Z^n = (n - 1)!! for even n, 0 for odd n."""
        return sp.S.Zero if n % 2 else sp.factorial2(n - 1) if n else sp.S.One

    def exists(self, n: int) -> sp.Expr:
        """All moments exist."""
        return sp.true

    def density(self, y: sp.Expr) -> sp.Expr:
        return sp.exp(-(y**2) / 2) / sp.sqrt(2 * sp.pi)

    def cdf(self, y: sp.Expr) -> sp.Expr:
        return (1 + sp.erf(y / sp.sqrt(2))) / 2

    def sign_moment(self, n: int, c: sp.Expr) -> sp.Expr:
        """E[Z^n sign(Z + c)]: erf(c/sqrt 2) for n = 0, and by parts
        E[Z^n sign(Z + c)] = (n - 1) E[Z^(n-2) sign(Z + c)] + 2 (-c)^(n-1) phi(c)."""
        if n == 0:
            return sp.erf(c / sp.sqrt(2))
        earlier = (n - 1) * self.sign_moment(n - 2, c) if n >= 2 else sp.S.Zero
        return earlier + 2 * (-c) ** (n - 1) * self.density(c)


@dataclass(frozen=True)
class StudentT:
    """Z Student-t with nu degrees of freedom and unit scale; nu a number or the symbol ``nu``."""

    nu: sp.Expr = notation.nu
    name: str = field(default="student-t")

    def __post_init__(self) -> None:
        if self.nu.is_number and not (self.nu > 0) == True:  # noqa: E712 - sympy relational
            raise NotDerivable(f"student-t: nu = {self.nu} is outside (0, inf)")

    @property
    def parameters(self) -> tuple[sp.Symbol, ...]:
        return (self.nu,) if isinstance(self.nu, sp.Symbol) else ()

    def exists(self, n: int) -> sp.Expr:
        """E |Z|^n is finite iff nu > n."""
        return sp.Gt(self.nu, n)

    def moment(self, n: int) -> sp.Expr:
        """E Z^n = nu^(n/2) prod_{i=1..n/2} (2 i - 1)/(nu - 2 i), for nu > n."""
        if n == 0:
            return sp.S.One
        if self.exists(n) == False:  # noqa: E712 - sympy relational
            raise MomentDoesNotExist(
                f"student-t noise with nu = {self.nu} has no moment of order {n}: nu > {n} is needed"
            )
        if n % 2:
            return sp.S.Zero
        return sp.prod([self.nu * (2 * i - 1) / (self.nu - 2 * i) for i in range(1, n // 2 + 1)])

    def density(self, y: sp.Expr) -> sp.Expr:
        return student_t_density(y, self.nu)

    def cdf(self, y: sp.Expr) -> sp.Expr:
        return (1 + student_t_sign(y, self.nu)) / 2

    def sign_moment(self, n: int, c: sp.Expr) -> sp.Expr:
        """E sign(Z + c) = 2 F(c) - 1; products of Z with its sign are not supported for this law."""
        if n == 0:
            return student_t_sign(c, self.nu)
        raise NotDerivable(f"student-t: E[Z^{n} sign(Z + c)] is not implemented")


Law = Gaussian | StudentT

LAWS: dict[str, type[Gaussian] | type[StudentT]] = {"gaussian": Gaussian, "student-t": StudentT}
