"""One-dimensional test problems, and SDEs on one of them as numerical functions (optimizers: `chain`)."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import sympy as sp
from numpy.polynomial.hermite_e import hermegauss

from adasde.derive.fast_states import fast_states, one_step_memories
from adasde.derive.functions import vote, vote_slope
from adasde.derive.law import NotDerivable
from adasde.derive.model import SDE
from adasde.derive.notation import (
    MEANINGS,
    G,
    H,
    Hb,
    Ht,
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
    rho_c,
    s,
    sb,
    t,
    theta,
    v,
    x,
)
from adasde.derive.operations import sampled, total, variables
from adasde.derive.rule import UpdateRule
from adasde.ensemble import Array
from adasde.verify.means import mean_values

POSITIVE_FROM = 0.05
"""Roots and logarithms of a nonnegative state y are taken at max(y, POSITIVE_FROM): the Gaussian noise of a model can
carry y below zero. The optimizer of the default problem, y = 1 at rate 1.5, stays above (1 - 1.5 eta)^(1/eta) > 0.2
until the horizon, so that this changes nothing of it."""

MEMORY_NODES = 24
"""Gauss-Hermite nodes of the law that a state starts with."""

Coefficients = Callable[[Array, float, float], tuple[Array, Array]]
"""(states (n, M), t, eta) -> drift (n, M) and covariance (n, n, M)."""


@dataclass(frozen=True, eq=False)
class Problem:
    """A loss and noise scale in one dimension, a start, and what is measured at time ``first`` + ``horizon``.

    gradient   f'(x); scale  S(x); both smooth, and S > 0
    start      state at time ``first``
    values     rates, and hyperparameters without a rate or at a fixed value
    functions  test functions of the states
    memories   what states are that are new in every step, as functions of the gradient g of the step before; they have
               no place in ``start``
    """

    gradient: sp.Expr
    scale: sp.Expr
    start: Mapping[sp.Symbol, float]
    values: Mapping[sp.Symbol, float]
    functions: tuple[sp.Expr, ...]
    first: float = 0.0
    horizon: float = 1.0
    memories: Mapping[sp.Symbol, sp.Expr] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.gradient.free_symbols - {x} or self.scale.free_symbols - {x}:
            raise ValueError(f"gradient {self.gradient} and scale {self.scale} must be functions of x alone")

    def steps(self, step_size: float) -> Array:
        """Times first, first + eta, ..., first + horizon; eta must divide both."""
        counts = np.array([self.first, self.horizon]) / step_size
        if not np.allclose(counts, counts.round()):
            raise ValueError(f"eta = {step_size} does not divide {self.first} and {self.horizon}")
        return self.first + step_size * np.arange(round(counts[1]) + 1)


MOST_STATES = 5
"""States up to which a transfer operator is affordable."""

FUNCTIONS: dict[frozenset[sp.Symbol], tuple[sp.Expr, ...]] = {
    frozenset({x}): (x**2, sp.cos(x), sp.exp(-((x - 1) ** 2))),
    frozenset({x, m}): (x**2, x * m, sp.exp(-((x - 1) ** 2)), m),
    frozenset({x, v}): (x**2, v, sp.exp(-((x - 1) ** 2)), x**2 * v),
    frozenset({x, m, v}): (x**2, m * v, sp.exp(-((x - 1) ** 2)), x * m + m**2),
}
RATES: dict[sp.Symbol, float] = {rho1: 2.0, rho2: 1.5, rho3: 0.7, rho_a: 0.9, rho_c: 3.0}
SIZES = {"rho": sp.sqrt(eta) / 2, "temperature": 0.1, "trace": 0.1, "alpha": 1.0, "weight_decay": 0.2}
"""Hyperparameters by name that do not have their default: a distance to another gradient is O(sqrt(eta)), as the models
assume; noise of size sqrt(eta) keeps the law of x narrower than what a polynomial can follow; others are of order one.
"""


def default_problem(rule: UpdateRule) -> Problem:
    """The test problem for a rule, chosen from its states.

    Noise and rates are of order one; eps = 1, v = 1 at the start and a smaller noise scale where there is a second
    moment keep v so far from zero that the models' laws have no mass there. Bias factors are singular at t = 0, so a
    rule that counts its steps starts at t = 1/2. Further states start where those of their units do. A model of
    gradients elsewhere is for a noise scale that is the same there. A state that is new in every step starts with the
    law that it has at the starting point; a buffer that is averaged out keeps its decay, 1/2, and starts where the
    gradient there holds it without noise.
    """
    states = frozenset(rule.states)
    if len(states) > MOST_STATES:
        names = ", ".join(map(str, rule.states))
        raise NotDerivable(
            f"{rule.name}: weak orders are measured up to {MOST_STATES} states, not for {names}: a polynomial of all "
            "of them has too many coefficients"
        )
    memories, fast = dict(one_step_memories(rule)), fast_states(rule) if rule.average_out else None
    buffers, held = (dict(fast.buffers), fast.fixed) if fast else ({}, ())
    alone = all(y == x or MEANINGS[y].units == MEANINGS[x].units for y in states)
    start = {y: 1.0 if y in rule.nonnegative else 0.5 for y in states} | {x: 1.2 if m in states else 1.5}
    fixed = {eps: 1.0, theta: 0.2, beta1: 0.5, beta2: 0.5} | dict.fromkeys(held, 0.5)
    kept = {
        h.symbol: SIZES.get(h.name, fixed.get(h.symbol, h.default))
        for h in rule.hyperparameters
        if h.symbol != eta and (h.rate is None or h.symbol in held)
    }
    slow = tuple(y for y in rule.states if y not in memories and y not in buffers)
    varying = (0.4, 0.1) if rule.nonnegative else (0.7, 0.2)
    elsewhere = any(e.args[0] != x for update in rule.update for e in update.atoms(sampled))
    gradient = x + sp.sin(x) / 2 if alone else 1.2 * sp.tanh(x) + 0.3 * sp.sin(x)
    resting = {y: _at_rest(held_at.subs(g, gradient), {x: start[x], **kept}) for y, held_at in buffers.items()}
    return Problem(
        gradient=gradient,
        scale=sp.Float(varying[0]) if elsewhere else varying[0] + varying[1] * sp.sin(x),
        start={y: start[y] for y in slow} | resting,
        values={h.rate: RATES.get(h.rate, 1.0) for h in rule.hyperparameters if h.rate is not None} | kept,
        functions=FUNCTIONS.get(frozenset(slow)) or test_functions(slow),
        first=0.5 if any(u.has(k) for u in rule.update) else 0.0,
        memories=memories,
    )


def _at_rest(value: sp.Expr, numbers: dict[sp.Symbol, float]) -> float:
    """The value without noise: every draw has mean 0."""
    return float(value.subs(dict.fromkeys(variables(value), 0)).subs(numbers))


def test_functions(states: tuple[sp.Symbol, ...]) -> tuple[sp.Expr, ...]:
    """x^2, a bump in x, and x y for every further state y."""
    return (x**2, sp.exp(-((x - 1) ** 2)), *(x * y for y in states[1:]))


def coefficients(sde: SDE, problem: Problem) -> Coefficients:
    """Drift and covariance of the model, with G = f'(x), s = S(x), H = f''(x), and Hb = f'' along, sb = S' along where
    the model asks for derivatives along its leading position drift."""
    along = getattr(sde, "along", None)
    direction = sp.S.Zero if along is None else sde.expand_names(along)
    bend = sp.diff(problem.gradient, x)
    derivatives = {H: bend, Ht: bend, Hb: bend * direction, sb: sp.diff(problem.scale, x) * direction}
    n = len(sde.states)
    entries = [e.subs(derivatives).replace(total, lambda u: u) for e in (*sde.full_drift, *sde.full_covariance)]
    evaluate = compiled(entries, (*sde.states, t, eta), sde.nonnegative, problem)

    def found(states: Array, time: float, step_size: float) -> tuple[Array, Array]:
        values = evaluate(states.shape[1:], *states, time, step_size)
        return values[:n], values[n:].reshape(n, n, -1)

    return found


def starts(problem: Problem, states: tuple[sp.Symbol, ...]) -> tuple[Array, Array]:
    """Starting points (n, K) and their weights (K,): states that are new in every step have the law that their
    function of the gradient has at the start."""
    if not problem.memories:
        return np.array([[problem.start[y]] for y in states]), np.ones(1)
    at = {x: problem.start[x]}
    noisy = {y: phi.subs(g, problem.gradient + problem.scale * Z) for y, phi in problem.memories.items()}
    z, w = hermegauss(MEMORY_NODES)
    rows = [
        sp.lambdify(Z, noisy[y].subs(at).subs(dict(problem.start)), "numpy")(z)
        if y in noisy
        else np.full(MEMORY_NODES, problem.start[y])
        for y in states
    ]
    return np.array(rows), w / w.sum()


def evaluation(problem: Problem, states: tuple[sp.Symbol, ...]) -> Callable[[Array], Array]:
    """states (n, M) -> values (M, F) of the test functions."""
    evaluate = compiled(list(problem.functions), states, (), problem)
    return lambda z: evaluate(z.shape[1:], *z).T


def compiled(
    expressions: list[sp.Expr], arguments: tuple[sp.Symbol, ...], nonnegative: tuple[sp.Symbol, ...], problem: Problem
) -> Callable[..., Array]:
    """(shape, *arguments) -> values (len(expressions), *shape)."""
    numbers = {G: problem.gradient, s: problem.scale}
    reals = {y: sp.Dummy(y.name, real=True) for y in nonnegative}
    guards = {real: sp.Max(real, POSITIVE_FROM) for real in reals.values()}
    full = [_guarded(e.subs(numbers).subs(problem.values).subs(reals), guards) for e in expressions]
    full = [e.replace(lambda e: isinstance(e, vote | vote_slope), lambda e: e.closed_form()) for e in full]
    missing = sp.Tuple(*full).free_symbols - {*arguments, *guards}
    if missing:
        raise ValueError(f"the problem gives no value to {', '.join(sorted(map(str, missing)))}")
    names = [reals.get(a, a) for a in arguments]
    means, full = mean_values(full, names)
    function = sp.lambdify([*names, *means], full, ["scipy", "numpy"], cse=True)

    def evaluate(shape: tuple[int, ...], *values: Any) -> Array:
        found = [mean(*values) for mean in means.values()]
        return np.array([np.broadcast_to(value, shape) for value in function(*values, *found)], dtype=np.float64)

    return evaluate


def _guarded(expression: sp.Expr, guards: Mapping[sp.Symbol, sp.Expr]) -> sp.Expr:
    def singular(e: sp.Expr) -> bool:
        outside = e.is_Pow and not (e.exp.is_Integer and e.exp.is_positive)
        return bool((outside or isinstance(e, sp.log)) and e.free_symbols & guards.keys())

    return expression.replace(singular, lambda e: e.xreplace(guards))
