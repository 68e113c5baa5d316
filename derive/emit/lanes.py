"""The body of a step over lanes: what is computed once per step, what per lane, and what is written back."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

import sympy as sp

from adasde.derive.emit.printer import branch
from adasde.derive.functions import Expectation, outer, zeta
from adasde.derive.model import SDE
from adasde.derive.notation import G, Hb, eta, g, k, s, sb
from adasde.derive.rule import UpdateRule
from adasde.derive.stability import stabilise
from adasde.derive.tails import centred, tail_form

dt = sp.Symbol("dt", positive=True)
TINY = sp.Symbol("TINY", positive=True)
INVERSE_SCALE = sp.Symbol("inverse_s", positive=True)
"""1/(TINY + s), a product by which takes the place of divisions: the one left is made once where s is one number."""
Assignments = tuple[tuple[sp.Symbol, sp.Expr], ...]


@dataclass(frozen=True)
class LaneBody:
    """A step in three parts: assignments once per step, assignments per lane, and the next value of each state.

    loads  the symbols that each lane reads from memory: states, G, s, Hb, sb and the draws z1, z2, ...

    A value that is an `Expectation` stands for a sum over quadrature nodes.
    """

    per_step: Assignments
    per_lane: Assignments
    updates: Assignments
    noises: int

    @property
    def loads(self) -> set[sp.Symbol]:
        expressions = [value for _, value in (*self.per_lane, *self.updates)]
        return set().union(*(e.free_symbols for e in expressions))

    @property
    def parameters(self) -> set[sp.Symbol]:
        """Free symbols of the once-per-step part and of the lanes that nothing here assigns."""
        assigned = {name for name, _ in (*self.per_step, *self.per_lane)}
        hoisted = set().union(*(value.free_symbols for _, value in self.per_step))
        return (self.loads | hoisted) - assigned

    @property
    def operations(self) -> int:
        """Arithmetic operations per lane and step."""
        return int(sum(sp.count_ops(value) for _, value in (*self.per_lane, *self.updates)))


def renamed(body: LaneBody, names: dict[sp.Symbol, sp.Symbol]) -> LaneBody:
    """The body with other names for some of its symbols."""
    parts = (
        [(y.xreplace(names), value.xreplace(names)) for y, value in part] for part in (body.per_step, body.per_lane)
    )
    per_step, per_lane = map(tuple, parts)
    updates = tuple((names.get(y, y), value.xreplace(names)) for y, value in body.updates)
    return LaneBody(per_step, per_lane, updates, body.noises)


def draw(number: int) -> sp.Symbol:
    """The standard draw of Brownian motion ``number``, from 1."""
    return sp.Symbol(f"z{number}", real=True)


@cache
def sde_body(sde: SDE) -> LaneBody:
    """One Euler-Maruyama step y + b dt + B sqrt(dt) z of an SDE; worked out once for the CPU and for CUDA."""
    sde = centred(tail_form(sde))
    draws = sp.Matrix([draw(j + 1) for j in range(sde.diffusion.cols)])
    increments = sde.drift * dt + sp.sqrt(dt) * sde.diffusion * draws
    hoist, guard, per_step, per_lane = _preliminaries(sde, draws, increments)
    updates = [y + protected(stabilise(sp.factor_terms(d)), guard) for y, d in zip(sde.states, increments, strict=True)]
    return _finish(hoist, per_step, per_lane, sde.states, updates, sde.diffusion.cols)


@cache
def along_body(sde: SDE) -> LaneBody:
    """The leading position drift that Hb and sb are taken along, written to where Hb is read from."""
    hoist, guard, per_step, per_lane = _preliminaries(sde, sp.Matrix([]), sp.Matrix([sde.along]))
    return _finish(hoist, per_step, per_lane, (Hb,), [protected(stabilise(sde.along), guard)], 0)


def _preliminaries(sde: SDE, draws: sp.Matrix, wanted: sp.Matrix):  # type: ignore[no-untyped-def]
    """The guarded states and the named sub-expressions that ``wanted`` goes back to."""
    guard = {state: sp.Symbol(f"{state}_floored", positive=True) for state in sde.nonnegative}
    hoist = _Hoist({*sde.states, G, s, Hb, sb, zeta, outer, *draws, *guard.values()})
    per_step: list[tuple[sp.Symbol, sp.Expr]] = []
    needed = wanted.free_symbols
    for name, value in reversed(sde.named):
        needed |= value.free_symbols if name in needed else set()
    floors = positivity_floors(sde)
    per_lane = [(guard[state], sp.Max(state, hoist(floors[state]))) for state in floors if state in needed]
    for name, value in sde.named:
        if name not in needed:
            continue
        value = _integrand_protected(value, guard, hoist)
        if hoist.varies(value):
            per_lane.append((name, value if isinstance(value, Expectation) else hoist(value)))
            hoist.lane_symbols.add(name)
        else:
            per_step.append((name, value))
    return hoist, guard, per_step, per_lane


def _integrand_protected(value: sp.Expr, guard: dict[sp.Symbol, sp.Symbol], hoist: _Hoist) -> sp.Expr:
    if isinstance(value, Expectation):
        return Expectation(hoist(protected(stabilise(value.args[0]), guard)), sp.S.Zero)
    return protected(stabilise(value), guard)


def algorithm_body(rule: UpdateRule) -> LaneBody:
    """One step of the optimizer itself, with g = G + s z1."""
    hoist = _Hoist({*rule.states, G, s, draw(1), g})
    per_lane: list[tuple[sp.Symbol, sp.Expr]] = [(g, G + s * draw(1))]
    rule_update = tuple(map(_branches_protected, rule.update))
    updates = list(rule_update)
    for i, state in reversed(list(enumerate(rule.states))):
        name = sp.Symbol(f"{state}_next", real=True)
        if sum(update.has(rule_update[i]) for update in rule_update) > 1 and not rule_update[i].is_Atom:
            per_lane.insert(1, (name, hoist(rule_update[i])))
            hoist.lane_symbols.add(name)
            updates = [update.subs(rule_update[i], name) for update in updates]
    return _finish(hoist, [], per_lane, rule.states, updates, 1)


def _branches_protected(update: sp.Expr) -> sp.Expr:
    """Roots of what depends on k are taken of no negative number: they stand in a branch that early steps leave out."""
    if not update.has(sp.Piecewise):
        return update
    return update.replace(
        lambda e: e.is_Pow and e.exp == sp.S.Half and e.base.has(k),
        lambda e: sp.sqrt(sp.Max(e.base, sp.S.Zero, evaluate=False)),
    )


def positivity_floors(sde: SDE) -> dict[sp.Symbol, sp.Expr]:
    """Lower bound of each non-negative state where it enters a root: eta times its drift at zero.

    That is what one step of the optimizer adds on average, so the optimizer itself is hardly ever below it, whereas
    the Gaussian noise of the SDE would take the state through zero.
    """
    floors = {}
    for state, drift in zip(sde.states, sde.drift, strict=True):
        if state in sde.nonnegative:
            floors[state] = eta * sde.expand_names(drift.subs(eta, 0)).subs(state, 0)
    return floors


def protected(expression: sp.Expr, guard: dict[sp.Symbol, sp.Symbol]) -> sp.Expr:
    """Guards roots of non-negative states and divisions by the noise scale (s = 0 gives the limit, not nan), and roots
    of sums, which rounding may take below zero where the exact value is zero, but for 1 - mu^2 with |mu| <= 1 (a
    quotient of equal sums may be above 1)."""
    expression = expression.replace(
        lambda e: e.is_Pow and e.exp == sp.Rational(1, 2) and e.base.is_Add and _may_vanish(e.base),
        lambda e: sp.sqrt(sp.Max(e.base, sp.S.Zero, evaluate=False)),
    )
    expression = expression.replace(
        lambda e: (
            e.is_Pow and (not e.exp.is_Integer or bool(e.exp.is_negative)) and bool(e.base.free_symbols & set(guard))
        ),
        lambda e: e.base.subs(guard) ** e.exp,
    )
    return expression.replace(lambda e: e.is_Pow and e.base == s and e.exp.is_negative, lambda e: (s + TINY) ** e.exp)


def _may_vanish(radicand: sp.Expr) -> bool:
    quotient = any(a.as_numer_denom()[1].is_Add for a in radicand.args)
    return (
        len(radicand.args) > 2 or quotient or not (radicand.is_nonnegative or any(a.is_Number for a in radicand.args))
    )


def _finish(
    hoist: _Hoist,
    per_step: list[tuple[sp.Symbol, sp.Expr]],
    per_lane: list[tuple[sp.Symbol, sp.Expr]],
    states: tuple[sp.Symbol, ...],
    updates: list[sp.Expr],
    noises: int,
) -> LaneBody:
    shared, reduced = _shared_terms([_undivided(hoist(update)) for update in updates])
    undivided = [(name, _undivided(value)) for name, value in per_lane]
    wanted = {symbol for _, value in (*undivided, *shared) for symbol in value.free_symbols}.union(
        *(update.free_symbols for update in reduced)
    )
    inverse = [(INVERSE_SCALE, 1 / (TINY + s))] if INVERSE_SCALE in wanted else []
    return LaneBody(
        per_step=(*per_step, *hoist.assignments),
        per_lane=(*inverse, *undivided, *shared),
        updates=tuple(zip(states, reduced, strict=True)),
        noises=noises,
    )


def _undivided(expression: sp.Expr) -> sp.Expr:
    """Powers of 1/(TINY + s) by their name."""
    return expression.replace(
        lambda e: e.is_Pow and e.base == s + TINY and bool(e.exp.is_negative), lambda e: INVERSE_SCALE**-e.exp
    )


def _shared_terms(updates: list[sp.Expr]) -> tuple[list[tuple[sp.Symbol, sp.Expr]], list[sp.Expr]]:
    """Common sub-expressions of the updates, without those that only flip a sign."""
    found, reduced = sp.cse(updates, symbols=sp.numbered_symbols("a"), order="none")
    trivial = {name: value for name, value in found if value.is_Symbol or (-value).is_Symbol}
    kept = [(name, value) for name, value in found if name not in trivial]
    numbered = {name: sp.Symbol(f"a{i + 1}") for i, (name, _) in enumerate(kept)}

    def tidy(expression: sp.Expr) -> sp.Expr:
        return expression.xreplace(trivial).xreplace(numbered)

    return [(numbered[name], tidy(value)) for name, value in kept], [tidy(update) for update in reduced]


class _Hoist:
    """Moves what does not change from lane to lane out of the loop, products and sums included.

    The compiler may not do this by itself: regrouping a product changes its rounding.
    """

    def __init__(self, lane_symbols: set[sp.Symbol]):
        self.lane_symbols = lane_symbols | {TINY, INVERSE_SCALE}
        self._found: dict[sp.Expr, sp.Symbol] = {}

    @property
    def assignments(self) -> Assignments:
        return tuple((name, value) for value, name in self._found.items())

    def __call__(self, expression: sp.Expr) -> sp.Expr:
        if expression.is_Atom:
            return expression
        if not self.varies(expression):
            return self._name(expression)
        if isinstance(expression, sp.Piecewise):
            return self._chosen(expression)
        if expression.is_Mul or expression.is_Add:
            fixed = [a for a in expression.args if not self.varies(a)]
            moving = [self(a) for a in expression.args if self.varies(a)]
            return expression.func(self._name(expression.func(*fixed)), *moving)
        return expression.func(*(self(argument) for argument in expression.args))

    def _chosen(self, choice: sp.Piecewise) -> sp.Expr:
        """A branch that a number of the step, 1 or 0, chooses: its condition is the same for all lanes."""
        (then, condition), (otherwise, _) = choice.args
        chosen = self._name(sp.Piecewise((sp.S.One, condition), (sp.S.Zero, True)))
        return branch(chosen, self(then), self(otherwise))

    def varies(self, expression: sp.Expr) -> bool:
        """Whether the expression differs from lane to lane."""
        return bool(expression.free_symbols & self.lane_symbols)

    def _name(self, value: sp.Expr) -> sp.Expr:
        if value.is_Number or value.is_Symbol or (-value).is_Symbol:
            return value
        if value.could_extract_minus_sign():
            return -self._name(-value)
        return self._found.setdefault(value, sp.Symbol(f"c{len(self._found) + 1}", real=True))
