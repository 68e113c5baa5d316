"""Stationary covariances near a minimum, to two orders in eta, of an optimizer and of its SDEs.

The loss is f = lambda x^2/2 in one coordinate, the noise scale s constant, and w = y - y* the distance of the states y
from their point of rest. In equilibrium E[u(w')] = E[u(w)] for every u. For u of degree one, two and three, with

    E w = eta a,  E w w' = eta C0 + eta^2 C1,  E w w w = eta^2 T,  E w w w w = eta^2 (that of a Gaussian with C0),

the terms of the lowest order in eta are linear equations for C0 (Lyapunov), a, T and C1 one after the other. C0 is what
a linearised SDE has; C1 is where optimizer and SDE differ, and where the fluctuations of second moments enter.

Where the moments close, because a rule is linear in x, m and Z once v is at rest, `exact` solves the whole recursion.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations, combinations_with_replacement

import sympy as sp

from adasde.derive.expectation import expectation
from adasde.derive.law import Law, NotDerivable
from adasde.derive.model import SDE
from adasde.derive.noise import Gaussian
from adasde.derive.notation import G, Hb, Z, eta, g, k, s, sb, t, v
from adasde.derive.rule import UpdateRule

lamda = sp.Symbol("lamda", positive=True)
"""Curvature of the loss in this coordinate."""
Numbers = Mapping[sp.Symbol, sp.Expr]
Powers = dict[int, sp.Expr]
"""{n: coefficient of eta^n}."""
Moments = Callable[[tuple[int, ...]], Powers]
"""The mean of a product of increments of the states with these indices, per step, as a function of the states."""


@dataclass(frozen=True)
class Stationary:
    """Stationary covariance of the states, eta leading + eta^2 following + O(eta^3).

    leading, following  C0 and C1, matrices (n, n) in the order of ``states``
    """

    states: tuple[sp.Symbol, ...]
    leading: sp.Matrix
    following: sp.Matrix

    @property
    def variance(self) -> tuple[sp.Expr, sp.Expr]:
        """(eta C0, eta^2 C1) of the position."""
        return eta * self.leading[0, 0], eta**2 * self.following[0, 0]


def stationary_algorithm(rule: UpdateRule, law: Law | None = None, at: Numbers | None = None) -> Stationary:
    """The stationary covariance of the optimizer itself, long after the start.

    at   numbers for rates rho, lamda, s and other symbols, rational so that equations stay exact; eta remains
    Raises `NotDerivable` where the minimum is no point of rest, or the step is not smooth there.
    """
    law, at = law or Gaussian(), at or {}
    first, second = ([h.subs(at) for h in part] for part in _increment(rule))

    def mean(product: sp.Expr) -> sp.Expr:
        return expectation(sp.expand(product), law).subs(at)

    def moments(indices: tuple[int, ...]) -> Powers:
        n = len(indices)
        found = {n: mean(sp.prod([first[i] for i in indices]))}
        if n < 3:
            factors = [[second[i] if l == j else first[i] for l, i in enumerate(indices)] for j in range(n)]
            found[n + 1] = sp.Add(*(mean(sp.prod(f)) for f in factors))
        return found

    return _expanded(rule.states, moments, _zero(rule.states, [mean(h) for h in first]))


def stationary_sde(sde: SDE, at: Numbers | None = None) -> Stationary:
    """The stationary covariance of an SDE, with its drift and diffusion as they are and not linearised."""
    inputs = {G: lamda * sde.states[0], sb: sp.S.Zero}
    if sde.along is not None:
        inputs[Hb] = lamda * _long_after(sde.expand_names(sde.along)).subs(inputs)
    parts = (sde.full_drift, sde.full_covariance)
    drift, covariance = (part.applyfunc(_long_after).subs(inputs).subs(at or {}) for part in parts)

    def moments(indices: tuple[int, ...]) -> Powers:
        if len(indices) > 2:
            return {}
        term = eta * (drift[indices[0]] if len(indices) == 1 else covariance[indices])
        n = len(indices)
        return {n + p: sp.diff(term, eta, n + p).subs(eta, 0) / sp.factorial(n + p) for p in range(2)}

    return _expanded(sde.states, moments, _zero(sde.states, [sp.limit(b, eta, 0) for b in drift]))


def _long_after(expression: sp.Expr) -> sp.Expr:
    """e^(-rate t) = 0."""
    return expression.replace(lambda e: isinstance(e, sp.exp) and e.has(t), lambda _: sp.S.Zero)


def exact(rule: UpdateRule, law: Law | None = None) -> sp.Expr:
    """The stationary variance of the position with v, where there is one, frozen at its rest: all orders in eta.

    Raises `NotDerivable` where the rule is not linear then, so that its second moments do not close.
    """
    law = law or Gaussian()
    own, through = linear_step(rule, law)
    slope = own + through * sp.Matrix([[lamda] + [0] * (own.cols - 1)])
    source = law.moment(2) * s**2 * through * through.T
    return sp.factor(discrete_lyapunov(slope, source)[0, 0])


def linear_step(rule: UpdateRule, law: Law) -> tuple[sp.Matrix, sp.Matrix]:
    """(A, b) of one step y' = A y + b g of the states other than v, long after the start and with v at rest.

    Raises `NotDerivable` where the step is not linear then.
    """
    rest = _rest(rule.states, [h.subs(lamda, 0) for h in _increment(rule, fast=True)[0]], law)
    rows = [i for i, y in enumerate(rule.states) if y not in rule.nonnegative]
    frozen = [(u, y) for y, u in zip(rule.states, rule.update, strict=True) if y in rule.nonnegative]
    still = {y: rest[y] for y in rule.nonnegative}
    updates = sp.Matrix([_late(rule, rule.update[i].subs(frozen)).subs(still) for i in rows])
    states = [rule.states[i] for i in rows]
    own, through = updates.jacobian(states), updates.jacobian([g])
    if any(entry.has(g, *states) for entry in (*own, *through)) or any(u.has(sp.sign, sp.Abs) for u in updates):
        raise NotDerivable(f"{rule.name}: its step is not linear, so that its second moments do not close")
    return own, through


def lyapunov(slope: sp.Matrix, covariance: sp.Matrix) -> sp.Matrix:
    """The stationary covariance C of dY = slope Y dt + noise: slope C + C slope^T + covariance = 0."""
    return _solved(slope.rows, lambda c: slope * c + c * slope.T + covariance)


def discrete_lyapunov(slope: sp.Matrix, covariance: sp.Matrix) -> sp.Matrix:
    """The stationary covariance C of y' = slope y + noise: C = slope C slope^T + covariance."""
    return _solved(slope.rows, lambda c: slope * c * slope.T + covariance - c)


def _solved(n: int, equation: Callable[[sp.Matrix], sp.Matrix]) -> sp.Matrix:
    unknown = sp.Matrix(n, n, lambda i, j: sp.Symbol(f"c{min(i, j)}{max(i, j)}"))
    found = sp.solve(list(equation(unknown)), list(unknown.free_symbols), dict=True)[0]
    return unknown.subs(found).applyfunc(sp.factor)


def _late(rule: UpdateRule, expression: sp.Expr) -> sp.Expr:
    """Long after the start: beta^k = 0."""
    late = expression.subs({h.symbol**k: sp.S.Zero for h in rule.hyperparameters if h.rate is not None})
    if late.has(k):
        raise NotDerivable(f"{rule.name}: the step number enters other than through beta^k: there is no stationary law")
    return late


def require_settled(rule: UpdateRule) -> None:
    """Raises `NotDerivable` for a rule whose step goes on changing with time, such as by a schedule."""
    for update in rule.update:
        _late(rule, update)


def _increment(rule: UpdateRule, fast: bool = False) -> tuple[list[sp.Expr], list[sp.Expr]]:
    """h0 and h1 of the increments eta h0 + eta^2 h1 of the states at fixed rates rho; a part that stays when eta goes
    to 0 is refused unless ``fast``."""
    parts: tuple[list[sp.Expr], list[sp.Expr]] = ([], [])
    rates = {h.symbol: h.scaled for h in rule.hyperparameters if h.rate is not None}
    for state, update in zip(rule.states, rule.update, strict=True):
        change = _late(rule, update - state).subs(rates).subs(g, lamda * rule.states[0] + s * Z)
        terms = [(sp.diff(change, eta, n) if n else change).subs(eta, 0) / sp.factorial(n) for n in range(3)]
        if not fast and sp.expand(terms[0]) != 0:
            raise NotDerivable(f"{rule.name}: the increment of {state} does not vanish with eta")
        parts[0].append(terms[1])
        parts[1].append(terms[2])
    return parts


def _rest(states: Sequence[sp.Symbol], increments: list[sp.Expr], law: Law) -> dict[sp.Symbol, sp.Expr]:
    return _zero(states, [expectation(sp.expand(h), law) for h in increments])


def _zero(states: Sequence[sp.Symbol], means: list[sp.Expr]) -> dict[sp.Symbol, sp.Expr]:
    """Where all means vanish with x = m = 0: the value of v from its own."""
    rest = {y: sp.S.Zero for y in states if y != v}
    if v in states:
        found = sp.solve(means[list(states).index(v)].subs(rest), v)
        if len(found) != 1:
            raise NotDerivable("v does not come to rest")
        rest[v] = found[0]
    moved = [str(y) for y, mean in zip(states, means, strict=True) if sp.simplify(mean.subs(rest)) != 0]
    if moved:
        raise NotDerivable(f"the minimum is no point of rest: there {', '.join(moved)} moves under this noise")
    return rest


def _expanded(states: Sequence[sp.Symbol], moments: Moments, rest: dict[sp.Symbol, sp.Expr]) -> Stationary:
    """Solves for C0, a, T and C1 in turn, each from the order in eta in which it comes up."""
    n = len(states)
    expansion = _Expansion(states, moments, rest)
    singles, pairs, triples = (list(combinations_with_replacement(range(n), d)) for d in (1, 2, 3))
    known: dict[tuple[int, tuple[int, ...]], sp.Expr] = {}
    for power, order, indices in ((1, 2, pairs), (1, 2, singles), (2, 3, triples), (2, 3, pairs)):
        unknown = {i: sp.Dummy(f"E{i}") for i in indices}
        known |= {(power, i): symbol for i, symbol in unknown.items()}
        equations = [expansion.balance(i, order, known) for i in indices]
        solutions = list(sp.linsolve(equations, list(unknown.values())))
        if not solutions or any(value.has(*unknown.values()) for value in solutions[0]):
            raise NotDerivable("the minimum does not hold the states: they have no stationary law")
        known |= {(power, i): sp.factor(value) for i, value in zip(indices, solutions[0], strict=True)}
    full = [sp.Matrix(n, n, lambda i, j, p=p: known[p, tuple(sorted((i, j)))]) for p in (1, 2)]
    return Stationary(tuple(states), *full)


@dataclass
class _Expansion:
    """Moments of one step as polynomials in eta and the distances w from rest, eta counting as two powers of w."""

    states: Sequence[sp.Symbol]
    moments: Moments
    rest: dict[sp.Symbol, sp.Expr]

    def __post_init__(self) -> None:
        self.w = [sp.Symbol(f"w_{y}", real=True) for y in self.states]
        self._terms: dict[tuple[int, tuple[int, ...]], list[sp.Expr]] = {}

    def balance(
        self, indices: tuple[int, ...], order: int, known: dict[tuple[int, tuple[int, ...]], sp.Expr]
    ) -> sp.Expr:
        """The coefficient of eta^order in E[prod w'] - E[prod w], which is 0 in equilibrium."""
        total = sp.S.Zero
        places = range(len(indices))
        for size in range(1, len(indices) + 1):
            for moved in combinations(places, size):
                still = sp.prod([self.w[indices[j]] for j in places if j not in moved])
                total += self._step(tuple(indices[j] for j in moved), 2 * order - len(indices) + size) * still
        return sp.expand(self._mean(sp.Poly(sp.expand(total), *self.w), known)).coeff(eta, order)

    def _step(self, indices: tuple[int, ...], weight: int) -> sp.Expr:
        """The mean of a product of increments up to this weight, eta counting 2 and w 1."""
        total = sp.S.Zero
        for power, coefficient in self.moments(indices).items():
            terms = self._terms.setdefault((power, indices), [])
            for n in range(len(terms), max(weight - 2 * power, -1) + 1):
                terms.append(self._taylor(coefficient, n, indices))
            total += eta**power * sp.Add(*terms[: max(weight - 2 * power, -1) + 1])
        return total

    def _taylor(self, function: sp.Expr, n: int, indices: tuple[int, ...]) -> sp.Expr:
        """The terms of degree n in w of a function of the states."""
        total = sp.S.Zero
        for chosen in combinations_with_replacement(range(len(self.states)), n):
            counts = [chosen.count(i) for i in range(len(self.states))]
            value = function
            for state, count in zip(self.states, counts, strict=True):
                value = sp.diff(value, state, count) if count else value
            value = value.subs(self.rest)
            if value.has(sp.zoo, sp.nan, sp.oo, sp.DiracDelta, sp.Derivative, sp.Subs):
                raise NotDerivable(f"the mean step of {self.states[indices[0]]} is not smooth at the minimum")
            powers = [d**c / sp.factorial(c) for d, c in zip(self.w, counts, strict=True)]
            total += value * sp.prod(powers)
        return total

    def _mean(self, polynomial: sp.Poly, known: dict[tuple[int, tuple[int, ...]], sp.Expr]) -> sp.Expr:
        """E of a polynomial in w: moments of degree four are those of a Gaussian, higher ones of higher order."""
        total = sp.S.Zero
        for powers, coefficient in polynomial.terms():
            indices = tuple(i for i, n in enumerate(powers) for _ in range(n))
            if len(indices) == 4:
                a, b, c, d = indices
                both = [((a, b), (c, d)), ((a, c), (b, d)), ((a, d), (b, c))]
                total += coefficient * eta**2 * sp.Add(*(known[1, p] * known[1, q] for p, q in both))
            elif len(indices) < 4:
                series = sp.Add(*(eta**p * known.get((p, indices), sp.S.Zero) for p in (1, 2)))
                total += coefficient * (series if indices else sp.S.One)
        return total
