"""One step of a rule on a one-dimensional problem as a numerical function, with everything that is random in it.

Z is integrated last, piece by piece between the kinks that the step has in it. What else is random stands outside of
that, so that a kink in Z moves with it and leaves a smooth mean: further minibatches (the noise law's own rule), own
draws (Gauss rules of their laws, cut at kinks of their own), or the mean of n signs sent by workers (a binomial law).
"""

from __future__ import annotations

import itertools
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import sympy as sp
from numpy.polynomial.hermite_e import hermegauss
from numpy.polynomial.laguerre import laggauss
from scipy.stats import binom

from adasde.derive.branches import late
from adasde.derive.law import NotDerivable
from adasde.derive.notation import G, Z, eta, g, k, s, t, x
from adasde.derive.operations import (
    Batch,
    Own,
    adjoint,
    batch_noise,
    require_uncoupled,
    sampled,
    total,
    variables,
    workers,
)
from adasde.derive.rule import UpdateRule
from adasde.ensemble import Array
from adasde.verify.kinks import switches
from adasde.verify.own_laws import SPANS
from adasde.verify.problem import Problem, compiled

NoiseRule = Callable[[int, Array | None], tuple[Array, Array]]
"""(nodes, kinks (M, K) or None) -> z and weights, both (M or 1, Q), of E h(Z) for h smooth between the kinks."""
Nodes = tuple[Array, Array]
MEAN = sp.Symbol("mean of the workers' signs", real=True)
FEW = 6
"""Nodes of each further draw where there are several: what they move a state by in one step is small."""
NO_NOISE: Nodes = (np.zeros((1, 1)), np.ones((1, 1)))


@dataclass(frozen=True, eq=False)
class Optimizer:
    """One step of a rule on a problem.

    step      (states and further draws (n + m, M, 1), Z (M or 1, Q), t, eta) -> next states (n, M, Q)
    kinks     (states and further draws (n + m, M), t, eta) -> (M, K) values of Z where the step has a kink; None where
              it is smooth in Z
    plain     whether Z does not enter the step except through workers
    draws     nodes -> values and weights (Q,) of each further draw
    votes     (nodes, noise, states (n, M), t, eta) -> values and weights (M, n + 1) of the mean sign of n workers,
              which is then the only further draw; None without workers
    memories  the indices of the states that are new in every step
    own       the kinds of the own draws among the further ones
    """

    step: Callable[[Array, Array, float, float], Array]
    kinks: Callable[[Array, float, float], Array] | None
    plain: bool = False
    draws: tuple[Callable[[int], Nodes], ...] = ()
    votes: Callable[[int, NoiseRule, Array, float, float], Nodes] | None = None
    memories: tuple[int, ...] = ()
    own: tuple[str, ...] = ()

    def images(self, noise: NoiseRule, nodes: int, z: Array, time: float, step_size: float) -> Nodes:
        """States after one step from z (n, M), (n, M, Q), and the probabilities (M or 1, Q) of what is drawn."""
        others, share = self._others(noise, nodes, z, time, step_size)
        whole = np.concatenate([np.broadcast_to(z[:, :, None], (*z.shape, share.shape[1])), others])
        whole = whole.reshape(len(whole), -1)
        kinks = None if self.kinks is None else self.kinks(whole, time, step_size)
        draws, inner = NO_NOISE if self.plain else noise(nodes, kinks)
        after = self.step(whole[:, :, None], draws, time, step_size).reshape(*z.shape, -1)
        if share.size == 1:
            return after, inner
        both = share[:, :, None] * inner.reshape(len(inner) // share.shape[1] or 1, -1, inner.shape[1])
        return after, both.reshape(len(both), -1)

    def _others(self, noise: NoiseRule, nodes: int, z: Array, time: float, step_size: float) -> Nodes:
        """Values (m, M, Q) and probabilities (M or 1, Q) of the further draws."""
        if self.votes is not None:
            values, weights = self.votes(nodes, noise, z, time, step_size)
            return values[None], weights
        rules = [draw(nodes if len(self.draws) == 1 else FEW) for draw in self.draws]
        grid = np.array(list(itertools.product(*(values for values, _ in rules)))).T
        weights = np.array([[np.prod(each) for each in itertools.product(*(share for _, share in rules))]])
        shape = (len(rules), z.shape[1], weights.shape[1])
        return np.broadcast_to(grid.reshape(len(rules), 1, weights.shape[1]), shape), weights


def optimizer(rule: UpdateRule, problem: Problem, cut: bool = True) -> Optimizer:
    """The rule with beta_i = 1 - eta rho_i where the problem gives beta_i no value, k = t/eta + 1 and
    g = f'(x) + S(x) Z; gradients elsewhere at that point. Without ``cut`` its kinks are not looked for: enough where Z
    is sampled."""
    require_uncoupled(rule.name, rule.states, rule.update)
    rated = [h for h in rule.hyperparameters if h.rate is not None and h.symbol not in problem.values]
    scaling = {h.symbol: h.scaled for h in rated}
    updates = [_written(late(update, rule.name), problem) for update in rule.update]
    updates = [update.subs(scaling).subs(k, t / eta + 1).subs(problem.values) for update in updates]
    teams = sorted({e for update in updates for e in update.atoms(workers)}, key=str)
    votes = _votes(rule, teams, problem) if teams else None
    updates = [update.subs(dict.fromkeys(teams, MEAN)) for update in updates]
    others = [MEAN] if teams else variables(*updates)
    if teams and (variables(*updates) or any(update.has(Z) for update in updates)):
        raise NotDerivable(f"{rule.name}: weak orders of workers are measured without further noise in the same step")
    _require_smooth(rule, updates)
    roots = [root for update in updates for root in _roots(rule, update)] if cut else []
    arguments = (*rule.states, *others)
    step = compiled(updates, (*arguments, Z, t, eta), rule.nonnegative, problem)
    kinks = compiled(roots, (*arguments, t, eta), rule.nonnegative, problem)

    def advance(whole: Array, z: Array, time: float, step_size: float) -> Array:
        return step(np.broadcast_shapes(whole.shape[1:], z.shape), *whole, z, time, step_size)

    def flips(whole: Array, time: float, step_size: float) -> Array:
        return kinks(whole.shape[1:], *whole, time, step_size).T

    return Optimizer(
        advance,
        flips if roots else None,
        not any(update.has(Z) for update in updates),
        () if teams else tuple(_rule_of(rule, y, updates) for y in others),
        votes,
        tuple(i for i, y in enumerate(rule.states) if y in problem.memories),
        tuple(y.kind for y in others if isinstance(y, Own)),
    )


def _written(update: sp.Expr, problem: Problem) -> sp.Expr:
    """An update in one dimension, with every gradient in x, s and the noise of its minibatch."""

    def elsewhere(at: sp.Expr, batch: sp.Integer) -> sp.Expr:
        return problem.gradient.subs(x, at) + problem.scale.subs(x, at) * batch_noise(int(batch))

    update = update.subs(g, G + s * Z).replace(sampled, elsewhere)
    return update.replace(adjoint, lambda u: sp.diff(problem.gradient, x) * u).replace(total, lambda u: u)


def _rule_of(rule: UpdateRule, draw: sp.Symbol, updates: list[sp.Expr]) -> Callable[[int], Nodes]:
    """Nodes and weights of a further minibatch or an own draw, cut at its own kinks."""
    if isinstance(draw, Batch):
        return _hermite
    assert isinstance(draw, Own)
    lone = {e for e in switches(sp.Tuple(*updates), draw) if not e.has(Z)}
    if any(e.free_symbols != {draw} for e in lone):
        raise NotDerivable(f"{rule.name}: weak orders are measured where a kink in {draw} alone does not move")
    cuts = sorted(float(-e.subs(draw, 0) / sp.diff(e, draw)) for e in lone)
    if not cuts and draw.kind == "normal":
        return _hermite
    if not cuts and draw.kind == "exponential":
        return lambda nodes: (laggauss(nodes)[0] - 1, laggauss(nodes)[1])
    low, high, density = SPANS[draw.kind]
    ends = [low, *(cut for cut in cuts if low < cut < high), high]

    def pieces(nodes: int) -> Nodes:
        one, weight = np.polynomial.legendre.leggauss(nodes)
        u = np.concatenate([(b - a) / 2 * one + (a + b) / 2 for a, b in itertools.pairwise(ends)])
        w = np.concatenate([(b - a) / 2 * weight for a, b in itertools.pairwise(ends)])
        return u, w * density(u)

    return pieces


def _hermite(nodes: int) -> Nodes:
    z, w = hermegauss(nodes)
    return z, w / w.sum()


def _votes(rule: UpdateRule, teams: list[sp.Expr], problem: Problem) -> Callable[..., Nodes]:
    """The binomial law of the mean of n signs, each of an affine function of Z and at most one own draw."""
    message, n = teams[0].args
    own = sorted(message.atoms(Own), key=str)
    line = message.args[0] if isinstance(message, sp.sign) else None
    if len(teams) > 1 or line is None or len(own) > 1 or message.atoms(Batch) or not line.is_polynomial(Z, *own):
        raise NotDerivable(
            f"{rule.name}: weak orders are measured where workers send one sign of an affine function of their "
            f"gradient and at most one own draw, and not for {teams[0]}"
        )
    count = int(n)
    lines = [_affine_root(rule, line), sp.diff(line, Z)]
    root = compiled(lines, (*rule.states, *own, t, eta), rule.nonnegative, problem)
    draw = _rule_of(rule, own[0], []) if own else None

    def law(nodes: int, noise: NoiseRule, z: Array, time: float, step_size: float) -> Nodes:
        values, weights = draw(nodes) if draw else (np.zeros(1), np.ones(1))
        whole = np.repeat(z, len(values), axis=1)
        drawn = [np.tile(values, z.shape[1])] if draw else []
        at, slope = root(whole.shape[1:], *whole, *drawn, time, step_size)[:, :, None]
        places, share = noise(nodes, at)
        above = (share * (slope * (places - at) > 0)).sum(axis=1).reshape(z.shape[1], -1) @ weights
        up = np.arange(count + 1)
        means = np.broadcast_to(2 * up / count - 1, (z.shape[1], count + 1))
        return means, binom.pmf(up, count, np.clip(above, 0, 1)[:, None])

    return law


def _roots(rule: UpdateRule, update: sp.Expr) -> list[sp.Expr]:
    """The Z at which an update has a kink; for nested extrema a few more, which do no harm."""
    found = {_affine_root(rule, line) for switch in switches(update, Z) for line in _without_extrema(switch)}
    return sorted(found, key=str)


def _without_extrema(switch: sp.Expr) -> list[sp.Expr]:
    """A switch with every minimum and maximum in it as each of the things that it is taken of."""
    extrema = sorted(switch.atoms(sp.Min, sp.Max), key=sp.count_ops)
    if not extrema:
        return [switch] if switch.has(Z) else []
    return [line for choice in extrema[0].args for line in _without_extrema(switch.xreplace({extrema[0]: choice}))]


def _affine_root(rule: UpdateRule, argument: sp.Expr) -> sp.Expr:
    """Z at which an affine function of Z vanishes."""
    if not argument.is_polynomial(Z) or sp.Poly(argument, Z).degree() != 1:
        raise NotDerivable(f"{rule.name}: the sign of {argument} is not the sign of an affine function of the gradient")
    slope, offset = sp.Poly(argument, Z).all_coeffs()
    return -offset / slope


def _require_smooth(rule: UpdateRule, updates: list[sp.Expr]) -> None:
    rough = sp.Tuple(*updates).atoms(sp.Heaviside, sp.Piecewise, sp.floor, sp.ceiling)
    if rough:
        raise NotDerivable(f"{rule.name}: {', '.join(map(str, rough))} is not smooth, and no sign of the gradient")
