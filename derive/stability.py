"""Rewrites that keep floating-point accuracy, as a table of (name, pattern, replacement); each is an identity.

They run before common sub-expressions are taken out, because that would hide the patterns. There is no automatic
simplification anywhere else.
"""

from __future__ import annotations

from dataclasses import dataclass

import sympy as sp

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


class gamma_ratio(sp.Function):
    """Gamma((nu + 1)/2)/(sqrt(pi) Gamma(nu/2)), which does not overflow, as its functions do from nu = 343 on."""

    nargs = 1

    def _eval_rewrite_as_gamma(self, nu: sp.Expr, **_: object) -> sp.Expr:
        return sp.gamma((nu + 1) / 2) / (sp.sqrt(sp.pi) * sp.gamma(nu / 2))

    def _eval_evalf(self, prec: int) -> sp.Expr:
        return self.rewrite(sp.gamma).evalf(int(prec * 0.30103) + 1)


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
    expression = expression.replace(lambda e: _half_apart(e) is not None, _without_gamma)
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


def _exponents(product: sp.Expr) -> list[sp.Expr]:
    pairs = (factor.as_base_exp() for factor in product.args)
    return [exponent for base, exponent in pairs if base == sp.E]


def _half_apart(product: sp.Expr) -> tuple[sp.Expr, sp.Expr] | None:
    """(gamma(b + 1/2), gamma(b)) where a product has the first as a factor and divides by the second."""
    if not product.is_Mul:
        return None
    factors = [factor.as_base_exp() for factor in product.args]
    above = [base for base, power in factors if isinstance(base, sp.gamma) and power == 1]
    below = [base for base, power in factors if isinstance(base, sp.gamma) and power == -1]
    pairs = [(u, v) for u in above for v in below if sp.expand(u.args[0] - v.args[0]) == sp.S.Half]
    return pairs[0] if pairs else None


def _without_gamma(product: sp.Expr) -> sp.Expr:
    above, below = _half_apart(product)  # type: ignore[misc]
    return product / above * below * sp.sqrt(sp.pi) * gamma_ratio(2 * below.args[0])


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
