"""Rewrites that keep floating-point accuracy, as a table of (name, pattern, replacement); each is an identity.

They run before common sub-expressions are taken out, because that would hide the patterns. There is no automatic
simplification anywhere else.
"""

from __future__ import annotations

from dataclasses import dataclass

import sympy as sp

a = sp.Wild("a", exclude=[sp.S.Zero])


class expm1(sp.Function):
    """e^a - 1 without cancellation for small a."""

    nargs = 1

    def _eval_rewrite_as_exp(self, argument: sp.Expr, **_: object) -> sp.Expr:
        return sp.exp(argument) - 1

    def _eval_evalf(self, prec: int) -> sp.Expr:
        return self.rewrite(sp.exp).evalf(int(prec * 0.30103) + 1)


@dataclass(frozen=True)
class Rewrite:
    """``pattern`` becomes ``replacement``; ``name`` says what it avoids."""

    name: str
    pattern: sp.Expr
    replacement: sp.Expr


REWRITES: tuple[Rewrite, ...] = (Rewrite("one minus an exponential near one", 1 - sp.exp(a), -expm1(a)),)


def stabilise(expression: sp.Expr) -> sp.Expr:
    """The expression with every rewrite applied wherever its pattern occurs."""
    for rewrite in REWRITES:
        expression = expression.replace(rewrite.pattern, rewrite.replacement)
    return expression
