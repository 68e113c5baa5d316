"""Generators in one dimension of the position: what a step does to a test function, as differential operators.

A step moves the state by Delta = O(root), root = sqrt(tau), tau the time of one step. With

    E u(y + Delta) = u + tau D1 u + tau^(3/2) D' u + tau^2 D2 u + ...

L0 = D1 is the generator of the order-1 model and L1 = D2 - D1 D1/2 corrects it. Where L1 is of second order it is the
generator of the order-2 model; what it has of third or higher order is an *obstruction*: no Ito SDE of weak order two
exists. D' is an obstruction of half an order. Recipe: Li, Tai and E 2019, Milstein; see `operators`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import product

import sympy as sp

from adasde.derive.expectation import expectation
from adasde.derive.law import Law, NotDerivable
from adasde.derive.names import Named, derivative
from adasde.derive.notation import Z

root = sp.Symbol("root", positive=True)
"""sqrt(tau)."""
Index = tuple[int, ...]


@dataclass(frozen=True)
class Operator:
    """sum_a c_a(y) d^a over multi-indices a of the states; terms that vanish are left out.

    ``named`` are the sub-expressions that coefficients write as symbols.
    """

    states: tuple[sp.Symbol, ...]
    terms: Mapping[Index, sp.Expr]
    named: Named = ()

    def plus(self, factor: sp.Expr, other: Operator) -> Operator:
        """self + factor other."""
        found = dict(self.terms)
        for index, coefficient in other.terms.items():
            found[index] = found.get(index, sp.S.Zero) + factor * coefficient
        return operator(self.states, found, self.named)

    def after(self, other: Operator) -> Operator:
        """self other: other acts first. Leibniz: c_a d^a (c_b d^b u) = c_a sum_j C(a, j) (d^j c_b) d^(a-j+b) u.

        Its coefficients are left as the sums that they are."""
        found: dict[Index, sp.Expr] = {}
        for a, outer in self.terms.items():
            for b, inner in other.terms.items():
                for j in product(*(range(n + 1) for n in a)):
                    index = tuple(n - i + l for n, i, l in zip(a, j, b, strict=True))
                    ways = sp.prod([sp.binomial(n, i) for n, i in zip(a, j, strict=True)])
                    moved = _differentiated(inner, self.states, j, self.named)
                    found[index] = found.get(index, sp.S.Zero) + ways * outer * moved
        return Operator(self.states, found, self.named)

    def of_order(self, low: int, high: int | None = None) -> Operator:
        """The part of orders low ... high."""
        kept = {a: c for a, c in self.terms.items() if low <= sum(a) and (high is None or sum(a) <= high)}
        return Operator(self.states, kept, self.named)

    @property
    def drift(self) -> sp.Matrix:
        """Coefficients of first order."""
        return sp.Matrix([self.terms.get(_unit(self.states, y), sp.S.Zero) for y in self.states])

    @property
    def covariance(self) -> sp.Matrix:
        """a with a:grad^2/2 the part of second order."""

        def entry(i: int, j: int) -> sp.Expr:
            index = tuple(int(l == i) + int(l == j) for l in range(len(self.states)))
            return self.terms.get(index, sp.S.Zero) * (2 if i == j else 1)

        return sp.Matrix(len(self.states), len(self.states), entry)

    def named_terms(self) -> list[tuple[str, sp.Expr]]:
        """(``d_x^2 d_v``, coefficient) in a fixed order."""
        return [(derivative_name(self.states, a), c) for a, c in sorted(self.terms.items(), reverse=True)]

    def __str__(self) -> str:
        return " + ".join(f"({c}) {name}" for name, c in self.named_terms()) or "0"


def derivative_name(states: tuple[sp.Symbol, ...], index: Index) -> str:
    """``d_x^2 d_v`` for the multi-index (2, 0, 1) of (x, m, v)."""
    powers = [(y, n) for y, n in zip(states, index, strict=True) if n]
    return " ".join(f"d_{y}^{n}" if n > 1 else f"d_{y}" for y, n in powers) or "1"


def operator(states: tuple[sp.Symbol, ...], terms: Mapping[Index, sp.Expr], named: Named = ()) -> Operator:
    """An `Operator` with its coefficients in their shortest form and without those that vanish."""
    tidy = {index: sp.factor(sp.expand(c)) for index, c in terms.items()}
    return Operator(states, {index: c for index, c in tidy.items() if c != 0}, named)


@dataclass(frozen=True)
class Chain:
    """A step in one position: the change of every state as an expression in the states, root and the noise Z.

    states   position first; a time t among them moves by root^2
    changes  one per state, each O(root)
    noises   the independent noise variables, all under the same law
    named    P, gamma1, ...: sub-expressions that stay in place, differentiated by the chain rule
    """

    name: str
    states: tuple[sp.Symbol, ...]
    changes: tuple[sp.Expr, ...]
    noises: tuple[sp.Symbol, ...] = (Z,)
    named: Named = ()


@dataclass(frozen=True)
class Expansion:
    """L0, the half order D', and L1 = D2 - D1 D1/2 of a chain."""

    leading: Operator
    half: Operator
    correction: Operator

    @property
    def obstruction(self) -> Operator:
        """What no Ito SDE of weak order two can have: the part of L1 of order three and above."""
        return self.correction.of_order(3)


def expand(chain: Chain, law: Law) -> Expansion:
    """The operators of ``chain`` under ``law``. Raises `NotDerivable` where the mean step is not O(tau)."""
    first, second, third, fourth = operators(chain, law)
    if first.terms:
        raise NotDerivable(f"{chain.name}: the mean of one step is O(sqrt(tau)), not O(tau), in this scaling: {first}")
    return Expansion(second, third, fourth.plus(sp.Rational(-1, 2), second.after(second)))


def leading(chain: Chain, law: Law) -> Operator:
    """L0 alone, of ``chain`` under ``law``."""
    first, second = operators(chain, law, 2)
    if first.terms:
        raise NotDerivable(f"{chain.name}: the mean of one step is O(sqrt(tau)), not O(tau), in this scaling: {first}")
    return second


def operators(chain: Chain, law: Law, highest: int = 4) -> tuple[Operator, ...]:
    """The coefficients of root ... root^highest in E u(y + Delta) - u = sum_a E[Delta^a]/a! d^a u."""
    found: list[dict[Index, sp.Expr]] = [{} for _ in range(highest)]
    exact = any(change.has(sp.sign, sp.Abs, sp.Min, sp.Max) for change in chain.changes)
    series = [_taylor(change, 1, chain.named, highest) for change in chain.changes] if not exact else []
    lowest = [next((n for n, c in enumerate(row) if c != 0), 5) for row in series] or [1] * len(chain.states)
    for index in product(range(highest + 1), repeat=len(chain.states)):
        if sum(index) < 1 or sum(n * low for n, low in zip(index, lowest, strict=True)) > highest:
            continue
        weight = 1 / sp.prod([sp.factorial(n) for n in index])
        moments = _moments_exactly(chain, index, law, highest) if exact else _moments(chain, series, index, law)
        for n, moment in enumerate(moments):
            if moment != 0:
                found[n][index] = weight * moment
    return tuple(operator(chain.states, terms, chain.named) for terms in found)


def _moments(chain: Chain, series: list[list[sp.Expr]], index: Index, law: Law) -> list[sp.Expr]:
    """E[Delta^index] by powers of root, the noise taken after the expansion in root."""
    powers = [sp.S.One, *[sp.S.Zero] * (len(series[0]) - 1)]
    for change, n in zip(series, index, strict=True):
        for _ in range(n):
            powers = [sum(powers[i] * change[j - i] for i in range(j + 1)) for j in range(len(powers))]
    return [_mean(power, chain, law) for power in powers[1:]]


def _moments_exactly(chain: Chain, index: Index, law: Law, highest: int) -> list[sp.Expr]:
    """The same with the noise taken first: kinks are smooth in the mean only."""
    whole = sp.prod([change**n for change, n in zip(chain.changes, index, strict=True)])
    return _taylor(_mean(whole, chain, law), 0, chain.named, highest)[1:]


def _mean(expression: sp.Expr, chain: Chain, law: Law) -> sp.Expr:
    for noise in chain.noises:
        expression = expectation(expression.subs(noise, Z), law)
    return sp.expand(expression)


def _taylor(expression: sp.Expr, least: int, named: Named, highest: int) -> list[sp.Expr]:
    """Coefficients of root^0 ... root^highest; those below ``least`` must vanish."""
    coefficients = [sp.S.Zero] * (highest + 1)
    # A factor root^n only shifts coefficients; differentiating such a product n times more would multiply its terms.
    for power, part in _by_power(expression).items():
        for n, coefficient in enumerate(_coefficients(part, named, highest - power)):
            coefficients[n + power] += coefficient
    if any(sp.expand(c) != 0 for c in coefficients[:least]):
        raise NotDerivable(f"{expression} does not vanish with tau: a fast state")
    return coefficients


def _coefficients(expression: sp.Expr, named: Named, highest: int) -> list[sp.Expr]:
    """The first coefficients in root, by derivatives at 0; none for a negative ``highest``."""
    found, derivative = [], expression
    for n in range(highest + 1):
        value = derivative.subs(root, 0)
        if value.has(sp.zoo, sp.nan, sp.oo):
            raise NotDerivable(f"{expression} is not smooth in sqrt(tau) at 0")
        found.append(sp.expand(_with_names(value, named) / sp.factorial(n)))
        derivative = sp.diff(derivative, root) if n < highest else derivative
    return found


def _by_power(expression: sp.Expr) -> dict[int, sp.Expr]:
    """{n: h} with expression = sum root^n h, n >= 0 the power of root among the factors of each term."""
    found: dict[int, sp.Expr] = {}
    for term in sp.Add.make_args(expression):
        powers = [factor.as_base_exp() for factor in sp.Mul.make_args(term)]
        n = sp.Add(*(exponent for base, exponent in powers if base == root))
        shift = int(n) if n.is_Integer and n > 0 else 0
        found[shift] = found.get(shift, sp.S.Zero) + term / root**shift
    return found


def _with_names(expression: sp.Expr, named: Named) -> sp.Expr:
    for name, value in named:
        expression = expression.subs(value, name).subs(1 - value, 1 - name)
    return expression


def _differentiated(expression: sp.Expr, states: tuple[sp.Symbol, ...], index: Index, named: Named) -> sp.Expr:
    for state, n in zip(states, index, strict=True):
        for _ in range(n):
            expression = derivative(expression, state, named)
    return expression


def _unit(states: tuple[sp.Symbol, ...], state: sp.Symbol) -> Index:
    return tuple(int(y == state) for y in states)
