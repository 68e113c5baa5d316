"""Drift and diffusion of the workloads, for libraries that ask for these two functions.

A state is a tuple of arrays: (x,), or (x, m, v) for Adam, each with the two coordinates along one axis. ``xp`` is the
library's own mathematics (erf, sqrt, expm1), ``G`` the gradient at x. A diffusion is a matrix: one row per state and
one column per Brownian motion of a coordinate, 0 where there is none.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from workloads import BETA1, BETA2, EPS, ETA, RHO1, RHO2, SIGMA, V0, Result

STATES = {"W1": 1, "W2": 1, "W3": 3, "W3-2025": 3}
MOTIONS = {"W1": 1, "W2": 1, "W3": 2, "W3-2025": 1}
START = {"W1": 0, "W2": 0, "W3": 1, "W3-2025": 1}
"""Steps of the optimizer itself before the SDE takes over."""
ROOT = math.sqrt(ETA)


@dataclass(frozen=True)
class Competitor:
    """One way to run the workloads: paths of a timed run, and of the run that is checked against adasde."""

    moments: Callable[[str, int, int], Result]
    paths: int
    sample: int = 0
    workloads: tuple[str, ...] = tuple(START)


@dataclass(frozen=True)
class Equations:
    """dY = drift dt + diffusion dW of one workload."""

    name: str
    xp: Any

    def drift(self, t: Any, G: Any, *state: Any) -> tuple[Any, ...]:
        """One entry per state."""
        if self.name == "W1":
            return (-G,)
        if self.name == "W2":
            return (-self._mu(G),)
        _x, m, v = state
        pull = RHO1 * (G - m)
        return -(m + ETA * pull) / self._preconditioner(t, v), pull, RHO2 * (G * G + SIGMA**2 - v)

    def diffusion(self, t: Any, G: Any, *state: Any) -> tuple[tuple[Any, ...], ...]:
        """A row per state, a column per motion."""
        if self.name == "W1":
            return ((-ROOT * SIGMA,),)
        if self.name == "W2":
            mu = self._mu(G)
            return ((-ROOT * self.xp.sqrt(1 - mu * mu),),)
        if self.name == "W3-2025":
            return (0.0,), (ROOT * RHO1 * SIGMA,), (0.0,)
        noise = ROOT * RHO1 * SIGMA
        return (
            (-ETA * noise / self._preconditioner(t, state[2]), 0.0),
            (noise, 0.0),
            (2 * ROOT * RHO2 * SIGMA * G, math.sqrt(2) * ROOT * RHO2 * SIGMA**2),
        )

    def first_step(self, x: Any, G: Any, z: Any) -> tuple[Any, Any, Any]:
        """(x, m, v) after one step of Adam from (x, 0, V0) with the standard normal z."""
        g = G + SIGMA * z
        m, v = (1 - BETA1) * g, BETA2 * V0 + (1 - BETA2) * g * g
        return x - ETA * m / (1 - BETA1) / (self.xp.sqrt(v / (1 - BETA2)) + EPS), m, v

    def _mu(self, G: Any) -> Any:
        return self.xp.erf(G * (1 / (math.sqrt(2) * SIGMA)))

    def _preconditioner(self, t: Any, v: Any) -> Any:
        """gamma1 P; the two Adam models write it in the same way but for rounding."""
        gamma1, gamma2 = -self.xp.expm1(-RHO1 * t), -self.xp.expm1(-RHO2 * t)
        return gamma1 * (self.xp.sqrt(v / gamma2) + EPS)
