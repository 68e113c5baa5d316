"""Rewrites that keep floating-point accuracy, as a table of (name, pattern, replacement); each is an identity.

They run before common sub-expressions are taken out, because that would hide the patterns. There is no automatic
simplification anywhere else.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import sympy as sp
from sympy.printing.precedence import PRECEDENCE

from adasde.derive.functions import laplace_sign

a, b = sp.Wild("a", exclude=[sp.S.Zero]), sp.Wild("b", exclude=[sp.S.Zero])
rate = sp.Wild("rate", properties=[lambda e: e.is_Symbol or e.is_Mul])


class expm1(sp.Function):
    """e^a - 1 without cancellation for small a."""

    nargs = 1

    def _eval_rewrite_as_exp(self, argument: sp.Expr, **_: object) -> sp.Expr:
        return sp.exp(argument) - 1

    def _eval_evalf(self, prec: int) -> sp.Expr:
        return self.rewrite(sp.exp).evalf(int(prec * 0.30103) + 1)


class log1p(sp.Function):
    """log(1 + a) without cancellation for small a."""

    nargs = 1

    def _eval_rewrite_as_log(self, argument: sp.Expr, **_: object) -> sp.Expr:
        return sp.log(1 + argument)

    def _eval_evalf(self, prec: int) -> sp.Expr:
        return self.rewrite(sp.log).evalf(int(prec * 0.30103) + 1)


class gamma_step(sp.Function):
    """Gamma(a + 1/2)/Gamma(a), which exists where both gamma functions are too large for a float."""

    nargs = 1

    def _eval_rewrite_as_gamma(self, argument: sp.Expr, **_: object) -> sp.Expr:
        return sp.gamma(argument + sp.Rational(1, 2)) / sp.gamma(argument)

    def _eval_evalf(self, prec: int) -> sp.Expr:
        return self.rewrite(sp.gamma).evalf(int(prec * 0.30103) + 1)


class departure(sp.Function):
    """``departure(u, u0)``: u - u0 for a function u of the noise and u0 what it is without noise, as one function of
    the noise. Where the noise vanishes it is 0, and so are its moments: each is a sum of zeros, not a difference of
    sums that rounding keeps apart."""

    nargs = 2
    is_real = True

    @classmethod
    def eval(cls, value: sp.Expr, start: sp.Expr) -> sp.Expr | None:
        return value - start if value == start or (value.is_Number and start.is_Number) else None

    def difference(self) -> sp.Expr:
        """The difference that this stands for."""
        return self.args[0] - self.args[1]

    def _eval_derivative(self, symbol: sp.Symbol) -> sp.Expr:
        return sp.diff(self.difference(), symbol)

    def _eval_evalf(self, prec: int) -> sp.Expr:
        return self.difference().evalf(int(prec * 0.30103) + 1)

    def _sympystr(self, printer: Any) -> str:
        return f"({printer._print(self.args[0])} - {printer.parenthesize(self.args[1], PRECEDENCE['Mul'])})"

    _pythoncode = _numpycode = _mpmathcode = _sympystr

    def _latex(self, printer: Any, exp: str | None = None) -> str:
        value, start = map(printer._print, self.args)
        text = rf"\left({value} - {start}\right)"
        return text if exp is None else f"{text}^{{{exp}}}"


@dataclass(frozen=True)
class Rewrite:
    """``pattern`` becomes ``replacement``; ``name`` says what it avoids."""

    name: str
    pattern: sp.Expr
    replacement: sp.Expr


REWRITES: tuple[Rewrite, ...] = (
    Rewrite("one minus an exponential near one", 1 - sp.exp(a), -expm1(a)),
    Rewrite("logarithm near one", sp.log(1 - rate), log1p(-rate)),
)


def stabilise(expression: sp.Expr) -> sp.Expr:
    """The expression with every rewrite applied wherever its pattern occurs, and closed forms in place of names.

    The covariance of signs has a form of its own, see `tails`.
    """
    expression = expression.replace(lambda e: isinstance(e, laplace_sign), lambda e: e.closed_form())
    expression = expression.replace(lambda e: e.is_Mul and len(_exponents(e)) > 1, one_exponential)
    expression = expression.replace(_difference, lambda e: _difference(e))
    expression = expression.replace(lambda e: e.is_Mul and e.has(sp.gamma), gamma_steps)
    expression = expression.replace(_near_one, lambda e: sp.exp(e.exp * log1p(e.base - 1)))
    for rewrite in REWRITES:
        # Matching a pattern everywhere costs seconds where what it is about does not occur.
        if expression.has(*(type(part) for part in rewrite.pattern.atoms(sp.Function))):
            expression = expression.replace(rewrite.pattern, rewrite.replacement)
    return expression


def one_exponential(product: sp.Expr) -> sp.Expr:
    """e^a e^b as e^(a + b), a + b factored: a square of a difference stays one, and no factor over- or underflows."""
    exponents = _exponents(product)
    rest = [factor for factor in product.args if factor.as_base_exp()[0] != sp.E]
    return sp.Mul(*rest) * sp.exp(sp.factor(sp.Add(*exponents)))


def gamma_steps(product: sp.Expr) -> sp.Expr:
    """Gamma(a + 1/2)/Gamma(a) among the factors as `gamma_step`."""
    powers = product.as_powers_dict()
    for upper in [e for e, power in powers.items() if isinstance(e, sp.gamma) and power == 1]:
        lower = sp.gamma(sp.expand(upper.args[0] - sp.Rational(1, 2)))
        if powers.get(lower) == -1:
            return product / upper * lower * gamma_step(lower.args[0])
    return product


def _near_one(expression: sp.Expr) -> bool:
    """Whether it is (1 + u)^p with p a symbol or multiple of one, where rounding 1 + u costs p units."""
    return expression.is_Pow and expression.base.is_Add and 1 in expression.base.args and not expression.exp.is_number


def _exponents(product: sp.Expr) -> list[sp.Expr]:
    pairs = (factor.as_base_exp() for factor in product.args)
    return [exponent for base, exponent in pairs if base == sp.E]


def _difference(expression: sp.Expr) -> sp.Expr | None:
    """c e^a - c e^b = -c e^a (e^(b - a) - 1) for a number a, None for anything else."""
    if not expression.is_Add or len(expression.args) != 2:
        return None
    fixed, moving = sorted(expression.args, key=lambda term: not term.is_number)
    number, power = moving.as_independent(sp.exp, as_Add=False)
    a, b = sp.expand_log(sp.log(-fixed / number)), power.as_base_exp()[1]
    if not isinstance(power, sp.exp) or not fixed.is_number or not a.is_number or a.is_real is not True or a == 0:
        return None
    return fixed * -expm1(sp.expand(b - a)) if a.is_rational else None
