"""Rung 2 for rules with fast states, which their models average out.

With a memory of the step before, two steps instead of one; with buffers at fixed decays, all that one gradient does.
"""

from __future__ import annotations

import numpy as np

from adasde.derive.fast_states import fixed_decays
from adasde.derive.notation import G, s, t
from adasde.ensemble import Array
from adasde.verify import quadrature
from adasde.verify.evaluation import values_at
from adasde.verify.setting import Setting

FIXED, LATER = 0.8, 400
"""Decays of buffers, and steps after which they have forgotten a gradient."""
ROUNDING = 1e-11
"""Of a sum over pairs of nodes, relative to its terms."""


def forgets(setting: Setting) -> bool:
    """Whether the model lacks states of the rule."""
    return len(setting.sde.states) < len(setting.rule.states)


def after_step(setting: Setting, values: dict[str, float], z: Array, w: Array) -> tuple[Array, Array]:
    """The model's states (n, N) after one step at all pairs of a draw of the step before and one of this step, the
    former outermost, and their weights (N,). The memory is what the rule itself writes after the former draw."""
    from adasde.verify.moments import after_one_step

    rule = setting.rule
    earlier, now = (part.ravel() for part in np.meshgrid(z, z, indexing="ij"))
    lost = [y for y in rule.states if y not in setting.sde.states]
    before = after_one_step(setting, values, earlier)
    memories = {y: before[rule.states.index(y)][None] for y in lost}
    after = after_one_step(setting, values, now, memories)
    return after[[rule.states.index(y) for y in setting.sde.states]], np.outer(w, w).ravel()


def response_gaps(setting: Setting, eta_value: float) -> Array:
    """How far drift and variance of the position are from what one gradient does over all steps, buffers averaged out:
    the optimizer's own steps with the states that stay held in place, one gradient at first and none later, against
    steps without any; relative, (2,)."""
    from adasde.verify.moments import hyperparameters_at, point, sums_over

    rule, at = setting.rule, point(setting.rule)
    fixed, values = fixed_decays(rule), hyperparameters_at(setting, eta_value, rates_fixed=False)
    values |= {h.name: FIXED for h in rule.hyperparameters if h.symbol in fixed}
    state = np.array([[[0.0 if str(y) in rule.average_out else at[y]] * 2] for y in rule.states])
    p, start, moved = setting.parameter_array(**values), state.copy(), np.zeros(2)
    kept = [i for i, y in enumerate(rule.states) if str(y) not in rule.average_out]
    number, still = round(at[t] / eta_value) + 1, np.zeros((1, 2))
    for j in range(LATER):
        gradient = np.array([[at[G] if j == 0 else 0.0, 0.0]])
        setting.algorithm(state, gradient, still, np.empty((0, 1, 2)), still[None], p, number, at[t], eta_value)
        moved += state[0, 0] - start[0, 0]
        state[kept] = start[kept]
    slope = (moved[0] - moved[1]) / (eta_value * at[G])
    z, w = quadrature.rule(setting.noise, (0.0,), setting.sde.moments)
    numbers, sums = at | setting.numbers(**values), sums_over(z, w)
    drift, variance = setting.sde.full_drift[0], setting.sde.full_covariance[0, 0]
    pulled, none = (values_at([drift], numbers | {G: g}, sums)[0] for g in (at[G], 0.0))
    found = values_at([variance], numbers, sums)[0]
    exact = eta_value * (slope * at[s]) ** 2 * float(w @ z**2)
    return np.array([abs((pulled - none) / at[G] / slope - 1), abs(found / exact - 1)])


def long_run(one_step: Array, centred: Array, w: Array) -> Array:
    """``one_step`` + D + D^T with D = Cov(change, change of the next step), from centred changes (n, N) at all pairs of
    draws: both given the draw that they share. What cancels up to `ROUNDING` is zero."""
    pairs = centred.reshape(len(centred), len(w), len(w))
    as_second, as_first = np.einsum("i,nij->nj", w, pairs), np.einsum("j,nij->ni", w, pairs)
    later = (as_second * w) @ as_first.T
    found = one_step + later + later.T
    return np.where(np.abs(found) < ROUNDING * np.abs(one_step), 0.0, found)
