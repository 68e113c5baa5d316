"""Functions that sympy lacks: mean signs of the noise laws, and the expectation of an arbitrary function."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import mpmath
import sympy as sp

if TYPE_CHECKING:
    from adasde.derive.law import Law

zeta = sp.Symbol("zeta", real=True)
"""The bound variable of an `Expectation`."""
outer = sp.Symbol("zeta_outer", real=True)
"""The bound variable of an `Expectation` of a function in which others stand: an integral in two dimensions."""


class student_t_sign(sp.Function):
    """E sign(y + T) for T Student-t with nu degrees of freedom: 2 F_nu(y) - 1.

    Equals 2 y Gamma((nu+1)/2) / (sqrt(pi nu) Gamma(nu/2)) 2F1(1/2, (nu+1)/2; 3/2; -y^2/nu), valid also where T
    has no variance (nu <= 2) or no mean (nu <= 1). Closed forms are substituted for nu = 1, 2, 3.
    """

    nargs = 2

    @classmethod
    def eval(cls, y: sp.Expr, nu: sp.Expr) -> sp.Expr | None:
        if y.is_zero:
            return sp.S.Zero
        if y.could_extract_minus_sign():
            return -cls(-y, nu)
        if nu == 1:
            return 2 / sp.pi * sp.atan(y)
        if nu == 2:
            return y / sp.sqrt(2 + y**2)
        if nu == 3:
            angle = sp.atan(y / sp.sqrt(3))
            return 2 / sp.pi * (angle + sp.sqrt(3) * y / (3 + y**2))
        return None

    def fdiff(self, argindex: int = 1) -> sp.Expr:
        if argindex != 1:
            raise sp.function.ArgumentIndexError(self, argindex)
        y, nu = self.args
        return 2 * student_t_density(y, nu)

    def _eval_rewrite_as_hyper(self, y: sp.Expr, nu: sp.Expr, **_: Any) -> sp.Expr:
        half = sp.Rational(1, 2)
        scale = sp.gamma((nu + 1) / 2) / (sp.sqrt(sp.pi * nu) * sp.gamma(nu / 2))
        return 2 * y * scale * sp.hyper((half, (nu + 1) / 2), (3 * half,), -(y**2) / nu)

    def _eval_evalf(self, prec: int) -> sp.Float | None:
        if not all(argument.is_number for argument in self.args):
            return None
        with mpmath.workprec(prec + 10):
            y, nu = (argument._to_mpmath(prec + 10) for argument in self.args)
            tail = mpmath.betainc(nu / 2, mpmath.mpf(1) / 2, 0, nu / (nu + y * y), regularized=True)
            return sp.Float._new(mpmath.mpf(mpmath.sign(y) * (1 - tail))._mpf_, prec)

    def _latex(self, printer: Any, exp: str | None = None) -> str:
        y, nu = (printer._print(argument) for argument in self.args)
        name = rf"\left(2 F_{{t_{{{nu}}}}} - 1\right)"
        return rf"{name}\left({y}\right)" if exp is None else rf"{{{name}\left({y}\right)}}^{{{exp}}}"


class laplace_sign(sp.Function):
    """E[Z^n sign(Z + c)] for the Laplace law of variance 1, as ``laplace_sign(c, n)``.

    With Q_n(y) = E[Z^n; Z > y] = e^(-sqrt2 y)/2 sum_{j<=n} n!/j! y^j 2^(-(n-j)/2) for y >= 0 it is 2 Q_n(|c|) for odd
    n and sign(c) (E Z^n - 2 Q_n(|c|)) for even n. A function of its own because its derivative, 2 (-c)^n f(c), has no
    jump although the signs in the closed form seem to have one.
    """

    nargs = 2

    @classmethod
    def eval(cls, c: sp.Expr, n: sp.Expr) -> sp.Expr | None:
        if c.could_extract_minus_sign():
            return -((-1) ** n) * cls(-c, n)
        return sp.S.Zero if c.is_zero and n % 2 == 0 else None

    def fdiff(self, argindex: int = 1) -> sp.Expr:
        if argindex != 1:
            raise sp.function.ArgumentIndexError(self, argindex)
        c, n = self.args
        return sp.sqrt(2) * (-c) ** n * sp.exp(-sp.sqrt(2) * sp.Abs(c))

    def closed_form(self) -> sp.Expr:
        """The formula above; for n = 0 in a form without cancellation."""
        c, n = self.args
        moment, tail = self.parts()
        return 2 * tail if n % 2 else sp.sign(c) * (moment - 2 * tail)

    def parts(self) -> tuple[sp.Expr, sp.Expr]:
        """(n! 2^(-n/2), Q_n(|c|)): the first is E Z^n for even n."""
        n, root, y = int(self.args[1]), sp.sqrt(2), sp.Abs(self.args[0])
        powers = sum(sp.factorial(n) / sp.factorial(j) * y**j / root ** (n - j) for j in range(n + 1))
        return sp.factorial(n) / root**n, sp.exp(-root * y) * powers / 2

    def _eval_evalf(self, prec: int) -> sp.Expr:
        return self.closed_form().evalf(int(prec * 0.30103) + 1)

    def _latex(self, printer: Any, exp: str | None = None) -> str:
        return _mean_sign_latex(printer, self.args[0], self.args[1], exp)


class empirical_sign(sp.Function):
    """E[Z^n sign(Z + c)] for the law of data, as ``empirical_sign(c, n)``: a step function that the data determine."""

    nargs = 2

    def fdiff(self, argindex: int = 1) -> sp.Expr:
        from adasde.derive.law import NotDerivable

        raise NotDerivable("the mean sign under empirical noise is a step function: it has no derivative")

    def _latex(self, printer: Any, exp: str | None = None) -> str:
        return _mean_sign_latex(printer, self.args[0], self.args[1], exp)


def _mean_sign_latex(printer: Any, c: sp.Expr, n: sp.Expr, exp: str | None) -> str:
    power = {0: "", 1: "Z"}.get(int(n), f"Z^{{{n}}}")
    text = rf"\mathrm{{E}}\left[{power}\,\mathrm{{sign}}\left(Z + {printer._print(c)}\right)\right]"
    return text if exp is None else f"{{{text}}}^{{{exp}}}"


class vote(sp.Function):
    """E sign(e_1 + ... + e_n) for independent signs e_i of mean mu, n odd, as ``vote(mu, n)``: the majority of n.

    2 P[Bin(n, (1 + mu)/2) > n/2] - 1 = mu sum_{j <= (n-1)/2} C(2j, j) ((1 - mu^2)/4)^j.
    """

    nargs = 2
    is_real = True

    @classmethod
    def eval(cls, mu: sp.Expr, n: sp.Expr) -> sp.Expr | None:
        if n.is_Integer and n.is_even:
            from adasde.derive.law import NotDerivable

            raise NotDerivable(f"a vote of n = {n} is outside {{1, 3, 5, ...}}: an even number can tie")
        return sp.S.Zero if mu.is_zero else mu if n == 1 else None

    def fdiff(self, argindex: int = 1) -> sp.Expr:
        if argindex != 1:
            raise sp.function.ArgumentIndexError(self, argindex)
        return vote_slope(*self.args)

    def closed_form(self) -> sp.Expr:
        """The sum above, for n a number."""
        mu, n = self.args
        return mu * sum(sp.binomial(2 * j, j) * ((1 - mu**2) / 4) ** j for j in range((int(n) + 1) // 2))

    def _eval_evalf(self, prec: int) -> sp.Expr | None:
        return self.closed_form().evalf(int(prec * 0.30103) + 1) if self.args[1].is_Number else None

    def _latex(self, printer: Any, exp: str | None = None) -> str:
        text = rf"\mathrm{{vote}}_{{{printer._print(self.args[1])}}}\left({printer._print(self.args[0])}\right)"
        return text if exp is None else f"{{{text}}}^{{{exp}}}"


class vote_error(sp.Function):
    """P[Bin(n, q) > n/2], n odd: how probable the less likely outcome of a vote is, accurate relative to its size."""

    nargs = 2
    is_real = True

    def _eval_evalf(self, prec: int) -> sp.Expr | None:
        q, n = self.args
        if not n.is_Number:
            return None
        terms = (sp.binomial(int(n), j) * q**j * (1 - q) ** (int(n) - j) for j in range((int(n) + 1) // 2, int(n) + 1))
        return sp.Add(*terms).evalf(int(prec * 0.30103) + 1)


class vote_slope(sp.Function):
    """d vote(mu, n)/d mu = n C(n - 1, (n - 1)/2) ((1 - mu^2)/4)^((n - 1)/2)."""

    nargs = 2
    is_real = True

    @classmethod
    def eval(cls, mu: sp.Expr, n: sp.Expr) -> sp.Expr | None:
        return sp.S.One if n == 1 else None

    def fdiff(self, argindex: int = 1) -> sp.Expr:
        if argindex != 1:
            raise sp.function.ArgumentIndexError(self, argindex)
        mu, n = self.args
        return -(n - 1) * mu / (1 - mu**2) * self

    def closed_form(self) -> sp.Expr:
        """The product above, for n a number."""
        mu, n = self.args
        half = (int(n) - 1) // 2
        return int(n) * sp.binomial(2 * half, half) * ((1 - mu**2) / 4) ** half

    def _eval_evalf(self, prec: int) -> sp.Expr | None:
        return self.closed_form().evalf(int(prec * 0.30103) + 1) if self.args[1].is_Number else None

    def _latex(self, printer: Any, exp: str | None = None) -> str:
        text = rf"\mathrm{{vote}}'_{{{printer._print(self.args[1])}}}\left({printer._print(self.args[0])}\right)"
        return text if exp is None else f"{{{text}}}^{{{exp}}}"


class Expectation(sp.Function):
    """E h(Z) of a function h without a closed form, as ``Expectation(h(zeta), f(zeta))`` with f the density.

    Kernels sum it over 64 quadrature nodes suited to the law, with the error that `adasde verify` states on rung 3;
    `evalf` is adaptive quadrature. It is differentiated under the expectation. ``zeta`` is bound: it is no free symbol.
    f = 0 stands for a law whose numbers come with the run; such a node has no value of its own.

    h may hold such nodes itself; then `outer` is bound, and f is written in it.
    """

    nargs = 2

    @classmethod
    def of(cls, function: sp.Expr, z: sp.Symbol, law: Law) -> sp.Expr:
        """E of ``function`` of z under ``law``; constants come out."""
        bound = outer if function.has(Expectation) else zeta
        # Expanded, as an expansion of what surrounds the node would leave it: equal nodes must stay equal.
        density = sp.S.Zero if law.name == "empirical" else sp.expand(law.density(bound))
        if not function.has(z):
            return function
        return cls(function.subs(z, bound), density)

    @property
    def nested(self) -> bool:
        """Whether this is an integral in two dimensions."""
        return bool(self.args[0].has(Expectation) or self.args[1].has(outer))

    @property
    def bound(self) -> sp.Symbol:
        """The bound variable."""
        return outer if self.nested else zeta

    @property
    def free_symbols(self) -> set[sp.Symbol]:
        return {symbol for symbol in super().free_symbols if symbol not in (zeta, self.bound)}

    def _eval_derivative(self, symbol: sp.Symbol) -> sp.Expr:
        integrand, density = self.args
        derivative = sp.diff(integrand, symbol)
        if derivative.has(sp.DiracDelta):
            from adasde.derive.law import NotDerivable

            raise NotDerivable(f"{self} has a kink: the derivative of its mean with respect to {symbol} is not known")
        if self.nested and not derivative.has(Expectation):
            derivative, density = derivative.subs(outer, zeta), density.subs(outer, zeta)
        return sp.S.Zero if derivative == 0 else Expectation(derivative, density)

    def _eval_evalf(self, prec: int) -> sp.Float | None:
        integrand, density = self.args
        if self.free_symbols or density == 0:
            return None
        with mpmath.workprec(prec + 10):
            h = self._given if self.nested else sp.lambdify(zeta, integrand * density, "mpmath")
            value = mpmath.quad(h, [-mpmath.inf, -4, -1, 0, 1, 4, mpmath.inf])
            return sp.Float._new(mpmath.mpf(value)._mpf_, prec)

    def _given(self, y: mpmath.mpf) -> mpmath.mpf:
        """Integrand times density at a value of `outer`."""
        value = (self.args[0] * self.args[1]).subs(outer, sp.Float._new(y._mpf_, mpmath.mp.prec))
        return value.evalf(mpmath.mp.dps)._to_mpmath(mpmath.mp.prec)

    def as_integral(self) -> sp.Expr:
        """The integral that this stands for; for a law whose numbers come with the run, an unevaluated function."""
        integrand, density = self.args
        if density == 0:
            return sp.Function("Expectation")(integrand)
        return sp.Integral(integrand * density, (self.bound, -sp.oo, sp.oo))

    def _written(self) -> sp.Expr:
        """The function with its noise as Z, and as Y where it is that of an integral around others."""
        return self.args[0].subs(self.bound, sp.Symbol("Y" if self.nested else "Z"))

    def _sympystr(self, printer: Any) -> str:
        return f"E[{printer._print(self._written())}]"

    def _latex(self, printer: Any, exp: str | None = None) -> str:
        text = rf"\mathrm{{E}}\left[{printer._print(self._written())}\right]"
        return text if exp is None else f"{{{text}}}^{{{exp}}}"


def student_t_density(y: sp.Expr, nu: sp.Expr) -> sp.Expr:
    """Density of the Student-t law with nu degrees of freedom and unit scale."""
    scale = sp.gamma((nu + 1) / 2) / (sp.sqrt(sp.pi * nu) * sp.gamma(nu / 2))
    return scale * (1 + y**2 / nu) ** (-(nu + 1) / 2)
