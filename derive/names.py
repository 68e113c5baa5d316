"""Names for the recurring sub-expressions of adaptive methods, and derivatives that go through them."""

from __future__ import annotations

import sympy as sp

from adasde.derive import notation
from adasde.derive.expectation import affine
from adasde.derive.notation import Z, eta, sign_of
from adasde.derive.operations import variables

Named = tuple[tuple[sp.Symbol, sp.Expr], ...]
"""((symbol, value), ...), each value in terms of the earlier ones."""


def derivative(expression: sp.Expr, symbol: sp.Symbol, named: Named) -> sp.Expr:
    """Total derivative by the chain rule through the named sub-expressions, which stay in place."""
    total = sp.diff(expression, symbol)
    for name, value in named:
        if expression.has(name):
            inner = derivative(value, symbol, named).subs(1 - value, 1 - name)
            total += sp.diff(expression, name) * inner
    return total


class Names:
    """Gives the recurring sub-expressions of an adaptive method the names that papers use.

    gamma_i = 1 - e^(-rho_i t), the bias factors; P = sqrt(v [/ gamma2]) + eps, the preconditioner. Names come before
    expectations are taken, so that the equations stay as short as an author would write them.
    """

    def __init__(self, rates: Named, time: sp.Expr) -> None:
        self._rates, self._time = rates, time
        self._named: dict[sp.Symbol, sp.Expr] = {}

    @property
    def named(self) -> Named:
        used = {symbol for value in self._named.values() for symbol in value.free_symbols}
        rates = [(rate, value) for rate, value in self._rates if rate != value and rate in used]
        return (*rates, *sorted(self._named.items(), key=lambda pair: (pair[0].name == "P", str(pair[0]))))

    def apply(self, expression: sp.Expr) -> sp.Expr:
        for rate, _ in self._rates:
            bias = sp.Symbol(f"gamma{rate.name.lstrip('rho')}", positive=True)
            expression = self._replace(expression, 1 - sp.exp(-rate * self._time), bias)
        roots = [e for e in sp.preorder_traversal(expression) if e.is_Add and e.has(notation.eps) and not e.has(Z)]
        for preconditioner in roots[-1:]:
            expression = self._replace(expression, preconditioner, sp.Symbol("P", positive=True))
        return expression

    def apply_to_signs(self, expressions: list[sp.Expr]) -> list[sp.Expr]:
        """sign(a Z + b) as sign(Z + q), q = b/a, where it is the only sign of Z and q does not change with eta."""
        kinks = {e for h in expressions for e in h.atoms(sp.sign, sp.DiracDelta) if e.has(Z)}
        if not kinks or any(not e.args[0].is_polynomial(Z) or variables(e) for e in kinks):
            return expressions
        pieces = {e: affine(e.args[0]) for e in kinks}
        shifts = {sp.factor(shift) for _, shift, _ in pieces.values()}
        if len(shifts) > 1 or sp.count_ops(*shifts) < 2 or next(iter(shifts)).has(eta):
            return expressions
        q = sp.Symbol("q", real=True)
        self._named[q] = _as_written(shifts.pop())
        forms = {
            e: orientation * sp.sign(Z + q) if isinstance(e, sp.sign) else sp.DiracDelta(Z + q) / slope
            for e, (slope, _, orientation) in pieces.items()
        }
        return [h.xreplace(forms) for h in expressions]

    def _replace(self, expression: sp.Expr, value: sp.Expr, name: sp.Symbol) -> sp.Expr:
        replaced = expression.subs(value, name)
        if replaced != expression:
            if self._named.setdefault(name, value) != value:
                return expression
            return replaced
        return expression


def _as_written(ratio: sp.Expr) -> sp.Expr:
    """((1 - b) G + b m)/((1 - b) s): a positive denominator where its sign is known, the numerator by states."""
    above, below = sp.fraction(ratio)
    if sign_of(below) < 0:
        above, below = -above, sp.Mul(*(-f if sign_of(f) < 0 else f for f in sp.Mul.make_args(below)))
    return sp.collect(sp.expand(above), [notation.G, notation.m]) / below
