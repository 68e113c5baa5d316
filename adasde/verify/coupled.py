"""Weak orders by coupled sampling, for models whose drift has a kink in a state that moves slowly.

As eta -> 0 the drift of such a model (Signum's contains sign(m)) jumps where the state passes zero, so that E phi(state
at T) is no polynomial there and `transfer` does not apply. Paths of the optimizer and of the model share their noise:
the increment of one Brownian motion over a step is the optimizer's Z, those of others give its own draws by their
quantiles, so that the difference of the two has a small variance. Which motion goes with which draw changes no law; a
pilot finds the pairs that leave least. Paths start where the state does pass zero on the way. The model moves in
`SUBSTEPS` Euler steps to one of the optimizer. At one step they differ by as much as the model does from the optimizer,
O(eta), so that what is left is that over `SUBSTEPS`, proportional to eta as well: it changes the error by a few percent
and no slope.

Every error has the two-sided interval of a normal law; together they miss with a probability of `FALSE_ALARM`.
"""

from __future__ import annotations

import dataclasses
import itertools
from collections.abc import Callable, Sequence
from functools import cache

import numpy as np
import sympy as sp
from scipy import stats

from adasde.derive.expectation import unsmoothed_kinks
from adasde.derive.fast_states import fast_states
from adasde.derive.law import NotDerivable
from adasde.derive.model import SDE
from adasde.derive.notation import eta, t
from adasde.derive.rule import UpdateRule
from adasde.derive.scaling_limit import increment
from adasde.ensemble import Array
from adasde.verify.chain import Optimizer, optimizer
from adasde.verify.check import FALSE_ALARM
from adasde.verify.own_laws import OF_NORMAL
from adasde.verify.problem import Problem, coefficients, compiled, evaluation

PATHS, PILOT = 1 << 18, 1 << 10
SUBSTEPS = 16
BEFORE = -0.3
"""Where states start that pass zero: the gradient of the default problem is positive."""


def has_slow_kink(rule: UpdateRule) -> bool:
    """Whether as eta -> 0 a step has a kink in a state, which no noise of order one smooths. Raises `NotDerivable`
    where there is no model at all."""
    return bool(_slow_kinks(rule))


@cache
def _slow_kinks(rule: UpdateRule) -> tuple[sp.Expr, ...]:
    fast = fast_states(rule)
    leading = increment(fast.slow if fast else rule).leading
    return tuple(kink for h in leading for kink in unsmoothed_kinks(h.subs(eta, 0)))


def across(rule: UpdateRule, problem: Problem) -> Problem:
    """The problem with a start from which the states in the kinks pass zero."""
    kinks = sp.Tuple(*_slow_kinks(rule))
    passing = {y: BEFORE for y in rule.states[1:] if kinks.has(y) and y not in rule.nonnegative}
    return dataclasses.replace(problem, start={**problem.start, **passing})


def sampled_errors(
    rule: UpdateRule, sde: SDE, problem: Problem, step_size: float, comparisons: int, seed: int = 0
) -> tuple[Array, Array]:
    """E phi(model) - E phi(optimizer) (F,), and the half-widths of their intervals, of which ``comparisons`` hold
    together."""
    chain = optimizer(rule, problem, cut=False)
    _require_one_noise(rule, chain)
    gaps_of = _gaps(rule, chain, sde, problem, step_size)
    draws, motions = 1 + len(chain.own), sde.diffusion.cols
    pairs = list(itertools.permutations(range(max(draws, motions)), draws))
    pilots = [gaps_of(pair, PILOT, seed + 1).var(axis=0).sum() for pair in pairs]
    gaps = gaps_of(pairs[int(np.argmin(pilots))], PATHS, seed)
    half: Array = stats.norm.isf(FALSE_ALARM / 2 / comparisons) * gaps.std(axis=0) / np.sqrt(PATHS)
    return gaps.mean(axis=0), half


def _gaps(
    rule: UpdateRule, chain: Optimizer, sde: SDE, problem: Problem, step_size: float
) -> Callable[[tuple[int, ...], int, int], Array]:
    """(motions that are common with Z and own draws, paths N, seed) -> phi(model) - phi(optimizer), (N, F); a motion
    that the model does not have is independent of it."""
    functions = evaluation(problem, rule.states)
    move, spread = coefficients(sde, problem), _diffusion(sde, problem)
    dt, columns = step_size / SUBSTEPS, sde.diffusion.cols

    def gaps(common: tuple[int, ...], paths: int, seed: int) -> Array:
        random = np.random.default_rng(seed)
        exact = np.repeat(np.array([[problem.start[y]] for y in rule.states]), paths, axis=1)
        model, rows = exact.copy(), max(columns, len(common))
        for time in problem.steps(step_size)[:-1]:
            whole_step = np.zeros((rows, paths))
            for part in range(SUBSTEPS):
                now, motions = float(time) + part * dt, random.normal(size=(rows, paths))
                noise = np.sqrt(dt) * (spread(model, now, step_size) * motions[:columns]).sum(axis=1)
                model = model + move(model, now, step_size)[0] * dt + noise
                whole_step += motions / np.sqrt(SUBSTEPS)
            z, *others = whole_step[list(common)]
            drawn = [OF_NORMAL[kind](y)[None] for kind, y in zip(chain.own, others, strict=True)]
            whole = np.concatenate([exact, *drawn])
            exact = chain.step(whole[:, :, None], z[:, None], float(time), step_size)[:, :, 0]
        result: Array = functions(model) - functions(exact)
        return result

    return gaps


def errors_of(rule: UpdateRule, sdes: Sequence[tuple[str, SDE]], problem: Problem, etas: Sequence[float]) -> Array:
    """(etas, 2, models, functions): errors and half-widths."""
    comparisons = len(etas) * len(problem.functions)
    return np.array(
        [
            np.swapaxes([sampled_errors(rule, sde, problem, step_size, comparisons) for _, sde in sdes], 0, 1)
            for step_size in etas
        ]
    )


def _require_one_noise(rule: UpdateRule, chain: Optimizer) -> None:
    if len(chain.draws) > len(chain.own) or chain.votes or chain.memories:
        raise NotDerivable(
            f"{rule.name}: a kink in a slow state is sampled with one minibatch in a step and no memory of it"
        )


def _diffusion(sde: SDE, problem: Problem) -> Callable[[Array, float, float], Array]:
    """(states (n, M), t, eta) -> (n, m, M); variances that rounding leaves below zero are zero."""
    shape = sde.diffusion.shape
    entries = [_floored(e) for e in sde.full_diffusion]
    evaluate = compiled(entries, (*sde.states, t, eta), sde.nonnegative, problem)
    return lambda states, time, step_size: evaluate(states.shape[1:], *states, time, step_size).reshape(*shape, -1)


def _floored(expression: sp.Expr) -> sp.Expr:
    return expression.replace(
        lambda e: e.is_Pow and e.exp == sp.S.Half and not e.base.is_nonnegative, lambda e: sp.sqrt(sp.Max(e.base, 0))
    )
