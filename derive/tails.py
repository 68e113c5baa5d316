"""Covariances of signs without cancellation: mean signs by the probability of the less likely side.

Where the sign of Z + c is all but certain, its mean mu is close to 1 or -1 and a variance 1 - mu^2 - ... is what
rounding leaves of 1 - 1. With side = +-1 the sign of c, and T the mean of Z^n over the *other* side, the truncated
moment is E[Z^n sign(Z + c)] = side (E Z^n - 2 T), and T is computed accurately relative to its own size. Symbolically,
side^2 = 1 and side_a side_b = 1 - side_a + side_b for a >= b, as for the signs themselves; once that has taken the
constants out, every term that is left is as small as T or as the density:

    1 - mu^2                    = 4 T (1 - T)
    1 - mu^2 - (2/pi) e^(-c^2)  = 4 T (1 - T) - (2/pi) e^(-c^2)      (Lion; the last term is at most 64 % of the first)
    Var min(|g|, c) sign(g)     = s^2 (side_1 - side_2)/2 + terms in T_1, T_2 and the densities at both kinks

Only the noise is written so: in the drift nothing cancels but what is small against 1.

Expectations without a closed form are centred for the same reason: E[f h] - E f E h = E[(f - E f)(h - E h)], summed
over the same nodes.
"""

from __future__ import annotations

import dataclasses
import itertools
from collections import Counter

import sympy as sp

from adasde.derive.functions import Expectation, laplace_sign, vote, vote_error
from adasde.derive.law import Law
from adasde.derive.model import SDE
from adasde.derive.noise import Mixture
from adasde.derive.notation import sign_of


class side(sp.Function):
    """1 for c >= 0 and -1 for c < 0: a sign that is never 0, so that its square is 1."""

    nargs = 1
    is_real = True

    def _eval_evalf(self, prec: int) -> sp.Expr | None:
        c = self.args[0]
        return None if not c.is_number else sp.Float(-1 if c.evalf() < 0 else 1, precision=prec)


class normal_tail(sp.Function):
    """P(Y > y) for Y standard normal, accurate relative to its own size."""

    nargs = 1
    is_real = True

    def _eval_rewrite_as_erfc(self, y: sp.Expr, **_: object) -> sp.Expr:
        return sp.erfc(y / sp.sqrt(2)) / 2

    def _eval_evalf(self, prec: int) -> sp.Expr:
        return self.rewrite(sp.erfc).evalf(int(prec * 0.30103) + 1)


@dataclasses.dataclass(frozen=True)
class MeanSign:
    """E[Z^n sign(Z + c)] = side(c) (moment - 2 tail), even n: the named value, its c, E Z^n, and E[Z^n; other side]."""

    name: sp.Symbol
    c: sp.Expr
    moment: sp.Expr
    tail: sp.Expr

    @property
    def symbols(self) -> tuple[sp.Symbol, sp.Symbol]:
        """Names of side(c) and of the tail."""
        return sp.Symbol(f"{self.name}_side", real=True), sp.Symbol(f"{self.name}_tail", real=True)

    @property
    def split(self) -> sp.Expr:
        sign, tail = self.symbols
        return sign * (self.moment - 2 * tail)


def mean_sign(name: sp.Symbol, value: sp.Expr) -> MeanSign | None:
    """A named value as a `MeanSign`; None for what is none, or has no tail that kernels know relative to its size.

    Student-t has none: its tails are powers, and fall below the rounding of 1 - mu^2 for no usual c and nu.
    """
    if isinstance(value, sp.erf):
        c = sp.sqrt(2) * value.args[0]
        return MeanSign(name, c, sp.S.One, normal_tail(sp.Abs(c)))
    if isinstance(value, laplace_sign) and value.args[1] % 2 == 0:
        return MeanSign(name, value.args[0], *value.parts())
    return None


def tail_form(sde: SDE) -> SDE:
    """The same equations with the diffusion in terms of tails; unchanged where it has no mean sign with a tail."""
    found = {name: sign for name, value in sde.named if (sign := mean_sign(name, value))}
    if not sde.diffusion.free_symbols & set(found) or _variance_of_one_sign(sde, found):
        return sde
    form = _TailForm(tuple(found.values()), standardised(sde.law))
    diffusion = sde.diffusion.applyfunc(lambda entry: form(_votes_by_error(entry, found)))
    named: list[tuple[sp.Symbol, sp.Expr]] = []
    for name, value in sde.named:
        sign = found.get(name)
        if sign is not None:
            named += zip(sign.symbols, (side(sign.c), sign.tail), strict=True)
            value = sign.split
        named.append((name, value))
    return dataclasses.replace(sde, diffusion=sp.ImmutableDenseMatrix(diffusion), named=tuple(named))


def _votes_by_error(entry: sp.Expr, found: dict[sp.Symbol, MeanSign]) -> sp.Expr:
    """1 - vote(mu, n)^2 = 4 V (1 - V), V the probability that the less likely side wins."""
    for node in entry.atoms(vote):
        if node.args[0] in found:
            less = vote_error(found[node.args[0]].symbols[1], node.args[1])
            entry = entry.subs(1 - node**2, 4 * less * (1 - less))
    return entry


def _variance_of_one_sign(sde: SDE, found: dict[sp.Symbol, MeanSign]) -> bool:
    """Whether the diffusion has one mean sign, an error function, as 1 - mu^2 alone. This stays as it is: erf is never
    above 1, and its error, 7e-15, is all that the variance loses, a fraction of 1e-8 of it at five noise scales."""
    if len(found) != 1:
        return False
    (name,) = found
    rest = sde.diffusion.applyfunc(lambda entry: entry.replace(lambda e: e == 1 - name**2, lambda _: sp.S.One))
    return sde.expand_names(name).func is sp.erf and name not in rest.free_symbols


def centred(sde: SDE) -> SDE:
    """The same equations with the diffusion in centred expectations E[(f - E f)(h - E h)]."""
    means = {name: value for name, value in sde.named if isinstance(value, Expectation) and not value.nested}
    products = {}
    covariances: list[tuple[sp.Symbol, sp.Expr]] = []
    for (a, f), (b, h) in itertools.combinations_with_replacement(means.items(), 2):
        name = next((c for c, value in means.items() if value.args[0] == f.args[0] * h.args[0]), None)
        if name is not None and sde.diffusion.has(name):
            covariance = sp.Symbol(f"{name}_centred", nonnegative=True if a == b else None, real=True)
            covariances.append((covariance, Expectation((f.args[0] - a) * (h.args[0] - b), f.args[1])))
            products[name] = covariance + a * b
    if not products:
        return sde
    diffusion = sde.diffusion.subs(products).applyfunc(_expanded_radicands)
    return dataclasses.replace(sde, diffusion=sp.ImmutableDenseMatrix(diffusion), named=(*sde.named, *covariances))


def _expanded_radicands(expression: sp.Expr) -> sp.Expr:
    return expression.replace(lambda e: e.is_Add, sp.expand)


def standardised(law: Law) -> dict[sp.Symbol, sp.Expr]:
    """The last weight and mean of a mixture by the others, sum w = 1 and sum w m = 0: their rounding must not count."""
    if not isinstance(law, Mixture):
        return {}
    n = law.components
    w, m = law.parameters[:n], law.parameters[n : 2 * n]
    last = 1 - sp.Add(*w[:-1])
    return {w[-1]: last, m[-1]: -sp.Add(*(wi * mi for wi, mi in zip(w[:-1], m[:-1], strict=True))) / last}


class _TailForm:
    """Rewrites every part of an expression that is a polynomial in mean signs."""

    def __init__(self, signs: tuple[MeanSign, ...], identities: dict[sp.Symbol, sp.Expr]):
        self._names = tuple(sign.name for sign in signs)
        self._split = {sign.name: sign.split for sign in signs}
        self._identities = identities
        self._c = {sign.symbols[0]: sign.c for sign in signs}
        self._tails = {sign.symbols[1] for sign in signs}

    def __call__(self, expression: sp.Expr) -> sp.Expr:
        if expression.is_Atom or not expression.free_symbols & set(self._names):
            return expression
        if (expression.is_Add or expression.is_Mul) and expression.is_polynomial(*self._names):
            return self.normal(expression)
        return expression.func(*map(self, expression.args))

    def normal(self, expression: sp.Expr) -> sp.Expr:
        """A polynomial in mean signs as one in sides and tails, no product of sides left that is a sum of them."""
        full = sp.expand(expression.subs(self._identities).subs(self._split))
        reduced = sp.expand(sp.Add(*(self._one_side(term) for term in sp.Add.make_args(full))))
        certain, small = sp.S.Zero, sp.S.Zero
        for term in sp.Add.make_args(reduced):
            if term.free_symbols & self._tails or term.has(sp.exp):
                small += term
            else:
                certain += term
        return self._certain(certain) + sp.factor_terms(small)

    def _certain(self, terms: sp.Expr) -> sp.Expr:
        """What is left without tails, with 1 - side_a side_b as a factor wherever it can be: an exact zero then."""
        differ = {}
        for pair in itertools.combinations(sorted(self._c, key=str), 2):
            differ[sp.Dummy()] = 1 - pair[0] * pair[1]
            terms = terms.subs(pair[0] * pair[1], 1 - list(differ)[-1])
        collected = sp.collect(sp.expand(terms), list(differ), evaluate=False)
        return sp.Add(*(sp.factor(coefficient) * d.subs(differ) for d, coefficient in collected.items()))

    def _one_side(self, term: sp.Expr) -> sp.Expr:
        counts: Counter[sp.Symbol] = Counter()
        rest = []
        for factor in sp.Mul.make_args(term):
            base, exponent = factor.as_base_exp()
            if base in self._c:
                counts[base] += int(exponent)
            else:
                rest.append(factor)
        odd = [symbol for symbol, count in counts.items() if count % 2]
        product = self._product(sorted(odd, key=str))
        return sp.Mul(*rest) * product

    def _product(self, sides: list[sp.Symbol]) -> sp.Expr:
        for i, a in enumerate(sides):
            for b in sides[i + 1 :]:
                order = sign_of(sp.factor(self._c[a] - self._c[b]))
                if order:
                    high, low = (a, b) if order > 0 else (b, a)
                    others = [symbol for symbol in sides if symbol not in (a, b)]
                    parts: list[set[sp.Symbol]] = [set(), {high}, {low}]
                    terms = [self._product(sorted(set(others) ^ part, key=str)) for part in parts]
                    return sp.expand(terms[0] - terms[1] + terms[2])
        return sp.Mul(*sides)
