"""Rung 2 for rules with a memory of the step before, which their models average out: two steps instead of one."""

from __future__ import annotations

import numpy as np

from adasde.ensemble import Array
from adasde.verify.setting import Setting

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


def long_run(one_step: Array, centred: Array, w: Array) -> Array:
    """``one_step`` + D + D^T with D = Cov(change, change of the next step), from centred changes (n, N) at all pairs of
    draws: both given the draw that they share. What cancels up to `ROUNDING` is zero."""
    pairs = centred.reshape(len(centred), len(w), len(w))
    as_second, as_first = np.einsum("i,nij->nj", w, pairs), np.einsum("j,nij->ni", w, pairs)
    later = (as_second * w) @ as_first.T
    found = one_step + later + later.T
    return np.where(np.abs(found) < ROUNDING * np.abs(one_step), 0.0, found)
