"""One-dimensional test problems, and an optimizer or SDE on one of them as numerical functions."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import sympy as sp

from adasde.derive.branches import late
from adasde.derive.fast_states import one_step_memories
from adasde.derive.law import NotDerivable
from adasde.derive.model import SDE
from adasde.derive.notation import (
    MEANINGS,
    G,
    Hb,
    Z,
    beta1,
    beta2,
    eps,
    eta,
    g,
    k,
    m,
    rho1,
    rho2,
    rho3,
    rho_a,
    s,
    sb,
    t,
    theta,
    v,
    x,
)
from adasde.derive.rule import UpdateRule
from adasde.ensemble import Array

POSITIVE_FROM = 0.05
"""Roots and logarithms of a nonnegative state y are taken at max(y, POSITIVE_FROM): the Gaussian noise of a model can
carry y below zero. The optimizer of the default problem, y = 1 at rate 1.5, stays above (1 - 1.5 eta)^(1/eta) > 0.2
until the horizon, so that this changes nothing of it."""

Coefficients = Callable[[Array, float, float], tuple[Array, Array]]
"""(states (n, M), t, eta) -> drift (n, M) and covariance (n, n, M)."""


@dataclass(frozen=True, eq=False)
class Problem:
    """A loss and noise scale in one dimension, a start, and what is measured at time ``first`` + ``horizon``.

    gradient   f'(x); scale  S(x); both smooth, and S > 0
    start      state at time ``first``
    values     rates, and hyperparameters without a rate
    functions  test functions of the states
    """

    gradient: sp.Expr
    scale: sp.Expr
    start: Mapping[sp.Symbol, float]
    values: Mapping[sp.Symbol, float]
    functions: tuple[sp.Expr, ...]
    first: float = 0.0
    horizon: float = 1.0

    def __post_init__(self) -> None:
        if self.gradient.free_symbols - {x} or self.scale.free_symbols - {x}:
            raise ValueError(f"gradient {self.gradient} and scale {self.scale} must be functions of x alone")

    def steps(self, step_size: float) -> Array:
        """Times first, first + eta, ..., first + horizon; eta must divide both."""
        counts = np.array([self.first, self.horizon]) / step_size
        if not np.allclose(counts, counts.round()):
            raise ValueError(f"eta = {step_size} does not divide {self.first} and {self.horizon}")
        return self.first + step_size * np.arange(round(counts[1]) + 1)


MOST_STATES = 3
"""States up to which a transfer operator is affordable."""

FUNCTIONS: dict[frozenset[sp.Symbol], tuple[sp.Expr, ...]] = {
    frozenset({x}): (x**2, sp.cos(x), sp.exp(-((x - 1) ** 2))),
    frozenset({x, m}): (x**2, x * m, sp.exp(-((x - 1) ** 2)), m),
    frozenset({x, v}): (x**2, v, sp.exp(-((x - 1) ** 2)), x**2 * v),
    frozenset({x, m, v}): (x**2, m * v, sp.exp(-((x - 1) ** 2)), x * m + m**2),
}


def default_problem(rule: UpdateRule) -> Problem:
    """The test problem for a rule, chosen from its states.

    Noise and rates are of order one; eps = 1, v = 1 at the start and a smaller noise scale where there is a second
    moment keep v so far from zero that the models' laws have no mass there. Bias factors are singular at t = 0, so a
    rule that counts its steps starts at t = 1/2. Further states start where those of their units do.
    """
    states = frozenset(rule.states)
    memories = one_step_memories(rule)
    if memories:
        raise NotDerivable(
            f"{rule.name}: weak orders are measured of models with all states of the rule, and {memories[0][0]} is "
            "averaged out"
        )
    if len(states) > MOST_STATES:
        names = ", ".join(map(str, rule.states))
        raise NotDerivable(f"{rule.name}: weak orders are measured up to {MOST_STATES} states, not for {names}")
    alone = all(y == x or MEANINGS[y].units == MEANINGS[x].units for y in states)
    start = {y: 1.0 if y in rule.nonnegative else 0.5 for y in states} | {x: 1.2 if m in states else 1.5}
    fixed = {eps: 1.0, theta: 0.2, beta1: 0.5, beta2: 0.5}
    defaults = {h.symbol: fixed.get(h.symbol, h.default) for h in rule.hyperparameters if h.symbol != eta}
    kept = {h.symbol for h in rule.hyperparameters if h.rate is None}
    return Problem(
        gradient=x + sp.sin(x) / 2 if alone else 1.2 * sp.tanh(x) + 0.3 * sp.sin(x),
        scale=0.4 + 0.1 * sp.sin(x) if rule.nonnegative else 0.7 + 0.2 * sp.sin(x),
        start={y: start[y] for y in rule.states},
        values={
            rho1: 2.0,
            rho2: 1.5,
            rho3: 0.7,
            rho_a: 0.9,
            **{symbol: number for symbol, number in defaults.items() if symbol in kept},
        },
        functions=FUNCTIONS.get(states) or test_functions(rule.states),
        first=0.5 if any(u.has(k) for u in rule.update) else 0.0,
    )


def test_functions(states: tuple[sp.Symbol, ...]) -> tuple[sp.Expr, ...]:
    """x^2, a bump in x, and x y for every further state y."""
    return (x**2, sp.exp(-((x - 1) ** 2)), *(x * y for y in states[1:]))


@dataclass(frozen=True, eq=False)
class Optimizer:
    """One step of a rule on a problem.

    step   (states (n, M, 1), Z (M or 1, Q), t, eta) -> next states (n, M, Q)
    kinks  (states (n, M), t, eta) -> (M, K) values of Z where a sign flips; None where the step is smooth in Z
    """

    step: Callable[[Array, Array, float, float], Array]
    kinks: Callable[[Array, float, float], Array] | None


def optimizer(rule: UpdateRule, problem: Problem) -> Optimizer:
    """The rule with beta_i = 1 - eta rho_i, k = t/eta + 1 and g = f'(x) + S(x) Z."""
    if rule.composite:
        raise NotDerivable(f"{rule.name}: weak orders by transfer operators are for one noise in a step, not in stages")
    scaling = {h.symbol: h.scaled for h in rule.hyperparameters if h.rate is not None}
    later = [late(update, rule.name) for update in rule.update]
    updates = [u.subs(g, G + s * Z).subs(scaling).subs(k, t / eta + 1) for u in later]
    roots = [_root(rule, e.args[0]) for e in sp.Tuple(*updates).atoms(sp.sign, sp.Abs)]
    _require_smooth(rule, updates)
    step = _compiled(updates, (*rule.states, Z, t, eta), rule.nonnegative, problem)
    kinks = _compiled(roots, (*rule.states, t, eta), rule.nonnegative, problem)

    def advance(states: Array, z: Array, time: float, step_size: float) -> Array:
        return step(np.broadcast_shapes(states.shape[1:], z.shape), *states, z, time, step_size)

    def flips(states: Array, time: float, step_size: float) -> Array:
        return kinks(states.shape[1:], *states, time, step_size).T

    return Optimizer(advance, flips if roots else None)


def coefficients(sde: SDE, problem: Problem) -> Coefficients:
    """Drift and covariance of the model, with G = f'(x), s = S(x), and Hb = f'' along, sb = S' along where the model
    asks for derivatives along its leading position drift."""
    along = getattr(sde, "along", None)
    direction = sp.S.Zero if along is None else sde.expand_names(along)
    derivatives = {Hb: sp.diff(problem.gradient, x) * direction, sb: sp.diff(problem.scale, x) * direction}
    n = len(sde.states)
    entries = [e.subs(derivatives) for e in (*sde.full_drift, *sde.full_covariance)]
    evaluate = _compiled(entries, (*sde.states, t, eta), sde.nonnegative, problem)

    def found(states: Array, time: float, step_size: float) -> tuple[Array, Array]:
        values = evaluate(states.shape[1:], *states, time, step_size)
        return values[:n], values[n:].reshape(n, n, -1)

    return found


def evaluation(problem: Problem, states: tuple[sp.Symbol, ...]) -> Callable[[Array], Array]:
    """states (n, M) -> values (M, F) of the test functions."""
    evaluate = _compiled(list(problem.functions), states, (), problem)
    return lambda z: evaluate(z.shape[1:], *z).T


def _compiled(
    expressions: list[sp.Expr], arguments: tuple[sp.Symbol, ...], nonnegative: tuple[sp.Symbol, ...], problem: Problem
) -> Callable[..., Array]:
    """(shape, *arguments) -> values (len(expressions), *shape)."""
    numbers = {G: problem.gradient, s: problem.scale}
    reals = {y: sp.Dummy(y.name, real=True) for y in nonnegative}
    guards = {real: sp.Max(real, POSITIVE_FROM) for real in reals.values()}
    full = [_guarded(e.subs(numbers).subs(problem.values).subs(reals), guards) for e in expressions]
    missing = sp.Tuple(*full).free_symbols - {*arguments, *guards}
    if missing:
        raise ValueError(f"the problem gives no value to {', '.join(sorted(map(str, missing)))}")
    function = sp.lambdify([reals.get(a, a) for a in arguments], full, ["scipy", "numpy"], cse=True)

    def evaluate(shape: tuple[int, ...], *values: Any) -> Array:
        return np.array([np.broadcast_to(value, shape) for value in function(*values)], dtype=np.float64)

    return evaluate


def _guarded(expression: sp.Expr, guards: Mapping[sp.Symbol, sp.Expr]) -> sp.Expr:
    def singular(e: sp.Expr) -> bool:
        outside = e.is_Pow and not (e.exp.is_Integer and e.exp.is_positive)
        return bool((outside or isinstance(e, sp.log)) and e.free_symbols & guards.keys())

    return expression.replace(singular, lambda e: e.xreplace(guards))


def _root(rule: UpdateRule, argument: sp.Expr) -> sp.Expr:
    """Z at which an affine function of Z vanishes."""
    if not argument.is_polynomial(Z) or sp.Poly(argument, Z).degree() != 1:
        raise NotDerivable(f"{rule.name}: the sign of {argument} is not the sign of an affine function of the gradient")
    slope, offset = sp.Poly(argument, Z).all_coeffs()
    return -offset / slope


def _require_smooth(rule: UpdateRule, updates: list[sp.Expr]) -> None:
    rough = sp.Tuple(*updates).atoms(sp.Max, sp.Min, sp.Heaviside, sp.Piecewise, sp.floor, sp.ceiling)
    if rough:
        raise NotDerivable(f"{rule.name}: {', '.join(map(str, rough))} is not smooth, and no sign of the gradient")
