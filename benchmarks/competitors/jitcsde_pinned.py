"""JiTCSDE: its adaptive Runge-Kutta method with smallest and largest step pinned to dt, path by path.

It takes one Brownian motion per component, and so cannot run W3.
"""

from __future__ import annotations

from functools import cache
from types import SimpleNamespace

import numpy as np
import symengine
from jitcsde import jitcsde, t, y
from workloads import ETA, EVERY, SAVES, X0, H, Result

from competitors.equations import START, STATES, Competitor, Equations

PACKAGES = ("jitcsde", "symengine")
XP = SimpleNamespace(erf=symengine.erf, sqrt=symengine.sqrt, expm1=lambda x: symengine.exp(x) - 1)


@cache
def _solver(name: str) -> jitcsde:
    equations, states = Equations(name, XP), STATES[name]
    drift, diffusion = [[], []], [[], []]
    for i in range(2):
        state = [y(2 * s + i) for s in range(states)]
        G = H[i, 0] * y(0) + H[i, 1] * y(1)
        drift[i] = list(equations.drift(t, G, *state))
        diffusion[i] = [row[0] for row in equations.diffusion(t, G, *state)]
    f = [drift[i][s] for s in range(states) for i in range(2)]
    g = [symengine.sympify(diffusion[i][s]) for s in range(states) for i in range(2)]
    solver = jitcsde(f, g, additive=name != "W2", verbose=False)
    solver.compile_C(extra_compile_args=["-O3", "-march=native"], verbose=False)
    solver.set_integration_parameters(first_step=ETA, min_step=ETA, max_step=ETA, atol=1e9, rtol=1e9)
    return solver


def moments(name: str, paths: int, seed: int) -> Result:
    """One path after the other."""
    rng = np.random.default_rng(seed)
    solver, start = _solver(name), START[name]
    out = np.empty((SAVES, 2, paths))
    for p in range(paths):
        first = X0
        if start:
            first = np.concatenate(Equations(name, np).first_step(X0, H @ X0, rng.standard_normal(2)))
        solver.set_seed(int(rng.integers(2**31)))
        solver.set_initial_value(first, ETA * start)
        out[0, :, p] = X0
        for k in range(1, SAVES):
            out[k, :, p] = solver.integrate(ETA * EVERY * k)[:2]
    return Result.of(out)


IMPLEMENTATIONS = {"JiTCSDE": Competitor(moments, 200, sample=1_000, workloads=("W1", "W2", "W3-2025"))}
