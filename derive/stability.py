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


@dataclass(frozen=True)
class Rewrite:
    """``pattern`` becomes ``replacement``; ``name`` says what it avoids."""

    name: str
    pattern: sp.Expr
    replacement: sp.Expr


REWRITES: tuple[Rewrite, ...] = (
    Rewrite("one minus an exponential near one", 1 - sp.exp(a), -expm1(a)),
    Rewrite("logarithm near one", sp.log(1 - rate), log1p(-rate)),
    Rewrite("ratio of large gamma functions", sp.gamma(a) / sp.gamma(b), sp.exp(sp.loggamma(a) - sp.loggamma(b))),
)


def stabilise(expression: sp.Expr) -> sp.Expr:
    """The expression with every rewrite applied wherever its pattern occurs, and closed forms in place of names."""
    expression = expression.replace(lambda e: isinstance(e, laplace_sign), lambda e: e.closed_form())
    for rewrite in REWRITES:
        expression = expression.replace(rewrite.pattern, rewrite.replacement)
    return expression
