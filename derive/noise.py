"""Noise laws with a density: Gaussian, Student-t, Laplace, shifted exponential, Gaussian mixture."""

from __future__ import annotations

from dataclasses import dataclass, field

import sympy as sp

from adasde.derive import notation
from adasde.derive.functions import laplace_sign, student_t_density, student_t_sign
from adasde.derive.growth import tamed_by_gaussian
from adasde.derive.law import Law, MomentDoesNotExist, NotDerivable


@dataclass(frozen=True)
class Gaussian(Law):
    """Z standard normal."""

    name: str = "gaussian"

    def moment(self, n: int) -> sp.Expr:
        """E Z^n = (n - 1)!! for even n, 0 for odd n."""
        return sp.S.Zero if n % 2 else sp.factorial2(n - 1) if n else sp.S.One

    def density(self, y: sp.Expr) -> sp.Expr:
        return sp.exp(-(y**2) / 2) / sp.sqrt(2 * sp.pi)

    def tames(self, function: sp.Expr, z: sp.Symbol) -> bool:
        return tamed_by_gaussian(function, z)

    def sign_moment(self, n: int, c: sp.Expr) -> sp.Expr:
        """E[Z^n sign(Z + c)]: erf(c/sqrt 2) for n = 0, and by parts
        E[Z^n sign(Z + c)] = (n - 1) E[Z^(n-2) sign(Z + c)] + 2 (-c)^(n-1) phi(c)."""
        if n == 0:
            return sp.erf(c / sp.sqrt(2))
        earlier = (n - 1) * self.sign_moment(n - 2, c) if n >= 2 else sp.S.Zero
        return earlier + 2 * (-c) ** (n - 1) * self.density(c)

    def mean(self, function: sp.Expr, z: sp.Symbol) -> sp.Expr:
        """Exact also for Z^n erf(a Z + b) (what is left of a sign after another normal draw is integrated out): with
        m = b/sqrt(1 + 2 a^2), E erf = erf(m), and by parts E[Z h] = E h'."""
        factors = sp.Mul.make_args(function)
        smooth = [f for f in factors if isinstance(f, sp.erf)]
        rest = sp.Mul(*(f for f in factors if f not in smooth))
        if len(smooth) != 1 or not rest.is_polynomial(z) or not _affine(smooth[0].args[0], z):
            return super().mean(function, z)
        b, a = sp.Poly(smooth[0].args[0], z).all_coeffs()[::-1]
        return sp.Add(*(c * self._erf_moment(n, a, b) for (n,), c in sp.Poly(rest, z).terms()))

    def _erf_moment(self, n: int, a: sp.Expr, b: sp.Expr) -> sp.Expr:
        """E[Z^n erf(a Z + b)] = (n - 1) E[Z^(n-2) erf] + 2 a/sqrt(pi) E[Z^(n-1) e^-(a Z + b)^2]; under the last weight
        Z is normal with mean -2 a b/w and variance 1/w, w = 1 + 2 a^2."""
        w = sp.factor(1 + 2 * a**2)
        if n == 0:
            return sp.erf(b / sp.sqrt(w))
        earlier = (n - 1) * self._erf_moment(n - 2, a, b) if n >= 2 else sp.S.Zero
        shifted = sum(
            sp.binomial(n - 1, j) * (-2 * a * b / w) ** (n - 1 - j) * self.moment(j) / sp.sqrt(w) ** j for j in range(n)
        )
        return earlier + 2 * a / sp.sqrt(sp.pi) * sp.exp(-(b**2) / w) / sp.sqrt(w) * shifted


def _affine(inner: sp.Expr, z: sp.Symbol) -> bool:
    return bool(inner.is_polynomial(z) and sp.degree(inner, z) == 1)


@dataclass(frozen=True)
class StudentT(Law):
    """Z Student-t with nu degrees of freedom and unit scale; nu a number or the symbol ``nu``."""

    nu: sp.Expr = notation.nu
    name: str = field(default="student-t")

    def __post_init__(self) -> None:
        if self.nu.is_number and not (self.nu > 0) == True:  # noqa: E712 - sympy relational
            raise NotDerivable(f"student-t: nu = {self.nu} is outside (0, inf)")

    @property
    def parameters(self) -> tuple[sp.Symbol, ...]:  # type: ignore[override]
        return (self.nu,) if isinstance(self.nu, sp.Symbol) else ()

    def exists(self, n: int) -> sp.Expr:
        """E |Z|^n is finite iff nu > n."""
        return sp.Gt(self.nu, n)

    def moment(self, n: int) -> sp.Expr:
        """E Z^n = nu^(n/2) prod_{i=1..n/2} (2 i - 1)/(nu - 2 i), for nu > n."""
        if n == 0:
            return sp.S.One
        self._require(n)
        if n % 2:
            return sp.S.Zero
        return sp.prod([self.nu * (2 * i - 1) / (self.nu - 2 * i) for i in range(1, n // 2 + 1)])

    def density(self, y: sp.Expr) -> sp.Expr:
        return student_t_density(y, self.nu)

    def sign_moment(self, n: int, c: sp.Expr) -> sp.Expr:
        """E[Z^n sign(Z + c)] = S_n: S_0 = 2 F(c) - 1, and by parts, for nu > n,
        (nu - n) S_n = (n - 1) nu S_(n-2) + 2 (-c)^(n-1) (nu + c^2) f(c)."""
        if n == 0:
            return student_t_sign(c, self.nu)
        self._require(n)
        earlier = (n - 1) * self.nu * self.sign_moment(n - 2, c) if n >= 2 else sp.S.Zero
        return (earlier + 2 * (-c) ** (n - 1) * (self.nu + c**2) * self.density(c)) / (self.nu - n)

    def _require(self, n: int) -> None:
        if self.exists(n) == False:  # noqa: E712 - sympy relational
            raise MomentDoesNotExist(
                f"student-t noise with nu = {self.nu} has no moment of order {n}: nu > {n} is needed"
            )


@dataclass(frozen=True)
class Laplace(Law):
    """Z with density e^(-sqrt2 |z|)/sqrt2, of variance 1."""

    name: str = "laplace"

    def moment(self, n: int) -> sp.Expr:
        """E Z^n = n! 2^(-n/2) for even n, 0 for odd n."""
        return sp.S.Zero if n % 2 else sp.factorial(n) / sp.Integer(2) ** (n // 2)

    def density(self, y: sp.Expr) -> sp.Expr:
        return sp.exp(-sp.sqrt(2) * sp.Abs(y)) / sp.sqrt(2)

    def sign_moment(self, n: int, c: sp.Expr) -> sp.Expr:
        """Signed areas by parts: `laplace_sign` of order n."""
        return laplace_sign(c, n)


@dataclass(frozen=True)
class Uniform(Law):
    """Z uniform on (-1, 1), of variance 1/3: a law of a rule's own draws, not of gradients."""

    name: str = "uniform"
    smooth: bool = False

    def moment(self, n: int) -> sp.Expr:
        """E Z^n = 1/(n + 1) for even n, 0 for odd n."""
        return sp.S.Zero if n % 2 else sp.Rational(1, n + 1)

    def density(self, y: sp.Expr) -> sp.Expr:
        return sp.Piecewise((sp.S.Half, sp.Abs(y) < 1), (0, True))

    def sign_moment(self, n: int, c: sp.Expr) -> sp.Expr:
        """(1 - (-1)^n - 2 (-y)^(n+1))/(2 (n + 1)) with y = c clipped to [-1, 1]; y itself for n = 0."""
        inside = all(notation.sign_of(gap) > 0 for gap in (1 - c, 1 + c))
        y = c if inside else sp.Max(-1, sp.Min(c, 1))
        return (1 - (-1) ** n - 2 * (-y) ** (n + 1)) / sp.Integer(2 * (n + 1))


@dataclass(frozen=True)
class ShiftedExponential(Law):
    """Z = E - 1 with E exponential of mean 1: skewness 2, kurtosis 9. Its density jumps at -1."""

    name: str = "exponential"
    smooth: bool = False

    def moment(self, n: int) -> sp.Expr:
        """E (E - 1)^n is the number of derangements of n things."""
        return sp.subfactorial(n)

    def density(self, y: sp.Expr) -> sp.Expr:
        return sp.Piecewise((sp.exp(-(y + 1)), y > -1), (0, True))

    def sign_moment(self, n: int, c: sp.Expr) -> sp.Expr:
        """2 E[Z^n; Z > y] - E Z^n at y = -min(c, 1), with E[Z^n; Z > y] = e^-(y+1) sum_j n!/j! y^j."""
        y = -sp.Min(c, 1)
        above = sp.exp(-(y + 1)) * sum(sp.factorial(n) / sp.factorial(j) * y**j for j in range(n + 1))
        return 2 * above - self.moment(n)


@dataclass(frozen=True)
class Mixture(Law):
    """A mixture of ``components`` Gaussians with weights w_i, means m_i and standard deviations d_i, which as a whole
    has mean 0 and variance 1."""

    components: int = 2
    name: str = field(default="mixture")

    @property
    def parameters(self) -> tuple[sp.Symbol, ...]:  # type: ignore[override]
        indices = range(1, self.components + 1)
        positive = [sp.Symbol(f"{letter}{i}", positive=True) for letter in "wd" for i in indices]
        means = [sp.Symbol(f"m{i}", real=True) for i in indices]
        return (*positive[: self.components], *means, *positive[self.components :])

    def moment(self, n: int) -> sp.Expr:
        """1, 0, 1, then sum_i w_i sum_j C(n, j) m_i^(n-j) d_i^j E Y^j with Y standard normal."""
        if n < 3:
            return sp.Integer((1, 0, 1)[n])
        return self._sum(n, lambda j, m, d: Gaussian().moment(j))

    def density(self, y: sp.Expr) -> sp.Expr:
        return sp.Add(*(w / d * Gaussian().density((y - m) / d) for w, m, d in self._triples()))

    def sign_moment(self, n: int, c: sp.Expr) -> sp.Expr:
        return self._sum(n, lambda j, m, d: Gaussian().sign_moment(j, (c + m) / d))

    def _triples(self) -> list[tuple[sp.Symbol, ...]]:
        k = self.components
        return list(zip(self.parameters[:k], self.parameters[k : 2 * k], self.parameters[2 * k :], strict=True))

    def _sum(self, n: int, part) -> sp.Expr:  # type: ignore[no-untyped-def]
        return sp.Add(
            *(
                w * sp.binomial(n, j) * m ** (n - j) * d**j * part(j, m, d)
                for w, m, d in self._triples()
                for j in range(n + 1)
            )
        )
