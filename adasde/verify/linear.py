"""Mean and covariance in closed form where the dynamics are linear: quadratics with a frozen preconditioner.

With eps far above sqrt(v) the preconditioner is the constant eps, and x, m obey a linear recursion (the optimizer) or
a linear SDE (its models), coordinate by coordinate. Roots that hold v are set to zero; nothing else is changed.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import sympy as sp
from scipy.linalg import solve_continuous_lyapunov, solve_discrete_lyapunov

from adasde.derive.functions import empirical_sign
from adasde.derive.notation import G, Hb, Z, beta1, beta2, g, k, rho1, s, sb, t, v, x
from adasde.ensemble import Array
from adasde.verify.setting import Setting

FROZEN = 1e9
"""eps in units of the noise scale; the learning rate and the decay are scaled along, so that lr/eps is what counts."""


FORGETS = 1e-9
"""Least distance of the largest eigenvalue from 1 of a map that has a stationary law."""


@dataclass(frozen=True, eq=False)
class Linear:
    """y' = A y + b Z per step for the optimizer, dy = A y dt + B dW for the model, in y = (x, m) of one coordinate."""

    states: tuple[sp.Symbol, ...]
    optimizer_map: sp.Matrix
    optimizer_noise: sp.Matrix
    drift: sp.Matrix
    diffusion: sp.Matrix

    @property
    def closed(self) -> bool:
        """Whether the rule is linear indeed: no coefficient depends on the states or on the noise."""
        coefficients = (self.optimizer_map, self.optimizer_noise, self.drift, self.diffusion)
        return not any(matrix.free_symbols & {*self.states, v, Z} for matrix in coefficients)


def linear(setting: Setting, curvature: float) -> Linear:
    """The linear dynamics of one coordinate with f = curvature x^2 / 2."""
    states = tuple(y for y in setting.rule.states if y != v)
    rows = [i for i, y in enumerate(setting.rule.states) if y != v]
    gradient = {G: curvature * x, sb: 0}
    along = {} if setting.sde.along is None else {Hb: curvature * setting.sde.expand_names(setting.sde.along)}
    updates = sp.Matrix([_freeze(setting.rule.update[i]).subs(g, G + s * Z).subs(gradient) for i in rows])
    drift = sp.Matrix([_freeze(setting.sde.full_drift[i].subs(along)).subs(gradient) for i in rows])
    diffusion = sp.Matrix([[_freeze(e).subs(gradient) for e in setting.sde.full_diffusion.row(i)] for i in rows])
    numbers = {symbol: value for symbol, value in setting.numbers().items() if np.isfinite(value)}
    return Linear(
        states,
        *(
            matrix.subs(numbers)
            for matrix in (updates.jacobian(states), updates.jacobian([Z]), _slope(drift, states), diffusion)
        ),
    )


def _slope(drift: sp.Matrix, states: tuple[sp.Symbol, ...]) -> sp.Matrix:
    """The Jacobian; the drift itself, so that no closed form is seen, where it is a step function of the states."""
    return drift if drift.has(empirical_sign) else drift.jacobian(states)


def _freeze(expression: sp.Expr) -> sp.Expr:
    return expression.replace(
        lambda e: e.is_Pow and e.exp == sp.Rational(1, 2) and (e.has(v) or e.has(g)), lambda _: sp.S.Zero
    )


def moments(
    system: Linear, start: Array, scale: float, variance: float, plan: tuple[int, int, int], lr: float
) -> list[tuple[Array, Array]]:
    """Exact mean and covariance of (x, m) after every optimizer step: the optimizer for ``first`` steps, then the
    model's Euler recursion with ``substeps`` substeps. plan = (first, steps, substeps); variance = Var Z."""
    first, steps, substeps = plan
    algorithm = sp.lambdify((k, s), (system.optimizer_map, system.optimizer_noise), "numpy")
    model = sp.lambdify((t, s), (system.drift, system.diffusion), "numpy")
    mean, covariance = np.array(start, dtype=np.float64), np.zeros((len(start), len(start)))
    found = [(mean, covariance)]
    for step in range(steps):
        parts = 1 if step < first else substeps
        for part in range(parts):
            if step < first:
                a, b = (np.asarray(matrix, dtype=np.float64) for matrix in algorithm(step + 1, scale))
                b = b * np.sqrt(variance)
            else:
                dt = lr / substeps
                slope, b = (np.asarray(matrix, dtype=np.float64) for matrix in model(lr * step + dt * part, scale))
                a, b = np.eye(len(start)) + dt * slope, np.sqrt(dt) * b
            mean, covariance = a @ mean, a @ covariance @ a.T + b @ b.T
        found.append((mean, covariance))
    return found


def has_stationary_law(system: Linear) -> bool:
    """Whether what the optimizer does late forgets its start; a schedule-free rule, whose base iterate and average move
    ever more slowly apart from each other, does not."""
    return bool(np.abs(np.linalg.eigvals(_late(system.optimizer_map))).max() < 1 - FORGETS)


def _late(matrix: sp.Matrix) -> Array:
    """The numbers of a matrix as k and t grow, for s = 1."""
    late = {beta1**k: 0, beta2**k: 0, k: sp.oo, sp.exp(-rho1 * t): 0, t: sp.oo, s: 1}
    return np.array(matrix.subs(late).evalf(), dtype=np.float64)


def stationary_variance(system: Linear, variance: float) -> tuple[float, float]:
    """Stationary Var x of the optimizer (discrete Lyapunov) and of the model (continuous Lyapunov), for s = 1."""
    a, b = _late(system.optimizer_map), _late(system.optimizer_noise)
    slope, noise = _late(system.drift), _late(system.diffusion)
    optimizer = solve_discrete_lyapunov(a, variance * b @ b.T)
    model = solve_continuous_lyapunov(slope, -noise @ noise.T)
    return float(optimizer[0, 0]), float(model[0, 0])
