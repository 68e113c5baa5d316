"""sdeint: `itoEuler`, path by path in Python."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import sdeint
from scipy.special import erf
from workloads import ETA, EVERY, SAVES, STEPS, X0, Array, H, Result

from competitors.equations import MOTIONS, START, STATES, Competitor, Equations

PACKAGES = ("sdeint",)
XP = SimpleNamespace(erf=erf, sqrt=np.sqrt, expm1=np.expm1)


def moments(name: str, paths: int, seed: int) -> Result:
    """One path after the other."""
    rng = np.random.default_rng(seed)
    equations, states, motions, start = Equations(name, XP), STATES[name], MOTIONS[name], START[name]
    times = ETA * np.arange(start, STEPS + 1)

    def f(y: Array, t: float) -> Array:
        parts = y.reshape(states, 2)
        return np.concatenate(equations.drift(t, H @ parts[0], *parts))

    def g(y: Array, t: float) -> Array:
        parts = y.reshape(states, 2)
        matrix = np.zeros((states, 2, motions, 2))
        for i, row in enumerate(equations.diffusion(t, H @ parts[0], *parts)):
            for j, entry in enumerate(row):
                matrix[i, [0, 1], j, [0, 1]] = entry
        return matrix.reshape(2 * states, 2 * motions)

    out = np.empty((SAVES, 2, paths))
    out[0] = X0[:, None]
    for p in range(paths):
        first = X0
        if start:
            first = np.concatenate(equations.first_step(X0, H @ X0, rng.standard_normal(2)))
        path = sdeint.itoEuler(f, g, first, times, generator=rng)
        out[1:, :, p] = path[EVERY - start :: EVERY, :2]
    return Result.of(out)


IMPLEMENTATIONS = {"sdeint": Competitor(moments, 20, sample=200)}
