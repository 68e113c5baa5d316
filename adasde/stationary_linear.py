"""Linearised models with numbers, in all coordinates together: Lyapunov equations where H and Sigma do not commute."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from scipy.linalg import solve_continuous_lyapunov, solve_discrete_lyapunov

from adasde.ensemble import Array

if TYPE_CHECKING:
    from adasde.stationary import Problem


def covariance(problem: Problem, model: str) -> Array:
    """The stationary covariance (d, d) of the positions in a model linearised at the minimum, v at rest at s^2.

    dY = A Y dt + B dW for an SDE: A C + C A' + B R B' = 0. y' = A y + b Z for the optimizer: C = A C A' + b R b'.
    Raises `NotDerivable` where the optimizer's step is not linear then, and for a model of order two where H is not
    diagonal: its input Hess f times the drift is assembled coordinate by coordinate here.
    """
    from adasde.derive.law import NotDerivable

    off_diagonal = problem.hessian - np.diag(np.diag(problem.hessian))
    if model != "algorithm" and problem.models[model].along is not None and np.any(off_diagonal):
        raise NotDerivable("a model of order two is linearised for a diagonal Hessian only")
    if model == "algorithm":
        own, by_gradient, noise = _step(problem)
        slope = _assembled(problem, own, by_gradient)
        found = solve_discrete_lyapunov(slope, _source(problem, noise[:, :, None], (1,)))
    else:
        own, by_gradient, columns = _linear_sde(problem, model)
        slope = _assembled(problem, own, by_gradient)
        degrees = problem.models[model].degrees or (1,) * columns.shape[2]
        found = solve_continuous_lyapunov(slope, -_source(problem, columns, degrees))
    d = len(problem.scales)
    n = len(found) // d
    return np.asarray(found.reshape(d, n, d, n)[:, 0, :, 0])


def rates(problem: Problem) -> tuple[float, float]:
    """The slowest and the fastest rate per step, of the linearised SDE (or of the step, without one) and of v; zeros
    where a mean sign jumps at an atom of the noise, so that there is nothing to linearise."""
    from adasde.derive.law import NotDerivable

    if "sde" in problem.models:
        try:
            own, by_gradient, _ = _linear_sde(problem, "sde")
        except NotDerivable:
            return 0.0, 0.0
        found = list(-problem.values["lr"] * np.linalg.eigvals(_assembled(problem, own, by_gradient)).real)
    else:
        own, by_gradient, _ = _step(problem)
        found = list(-np.log(np.abs(np.linalg.eigvals(_assembled(problem, own, by_gradient)))))
    decays = [1 - problem.values[h.name] for h in problem.rule.hyperparameters if h.rate is not None]
    return float(min(found + decays)), float(max(found + decays))


def _assembled(problem: Problem, own: Array, by_gradient: Array) -> Array:
    """(d n, d n): what a coordinate's states do by themselves, and through the gradient H x."""
    d, n = by_gradient.shape
    slope = np.zeros((d, n, d, n))
    slope[:, :, :, 0] = by_gradient[:, :, None] * problem.hessian[:, None, :]
    for i in range(d):
        slope[i, :, i, :] += own[i]
    return slope.reshape(d * n, d * n)


def _source(problem: Problem, columns: Array, degrees: tuple[int, ...]) -> Array:
    """Noise (d n, d n) of columns (d, n, r): what is linear in Z is correlated like Z, a sign by (2/pi) arcsin, a
    Hermite polynomial of degree k by the k-th power."""
    d, n, _ = columns.shape
    correlation = problem.noise.correlation
    R = np.eye(d) if correlation is None else correlation
    total = np.zeros((d, n, d, n))
    for r, degree in enumerate(degrees):
        between = 2 / np.pi * np.arcsin(np.clip(R, -1, 1)) if degree == 0 else R**degree
        total += np.einsum("ia,jb,ij->iajb", columns[:, :, r], columns[:, :, r], between)
    return total.reshape(d * n, d * n)


def _linear_sde(problem: Problem, model: str) -> tuple[Array, Array, Array]:
    """(d, n, n), (d, n), (d, n, r): derivatives of the drift by the states and by the gradient, and the diffusion, at
    rest, for the states other than v."""
    import sympy as sp

    from adasde.derive.law import NotDerivable
    from adasde.derive.notation import G, Hb, eta, s, sb, t

    sde = problem.models[model]
    rows = [i for i, y in enumerate(sde.states) if y not in sde.nonnegative]
    states = [sde.states[i] for i in rows]

    def late(entry: Any) -> Any:
        return entry.replace(lambda e: isinstance(e, sp.exp) and e.has(t), lambda _: sp.S.Zero)

    drift = sde.full_drift.extract(rows, [0]).applyfunc(late)
    diffusion = sde.full_diffusion.extract(rows, list(range(sde.diffusion.cols))).applyfunc(late)
    if sde.along is not None:
        # Hess f times the drift: at rest its slope is that of the drift itself, coordinate by coordinate.
        along = late(sde.expand_names(sde.along)).subs(Hb, 0)
        drift = drift.subs({Hb: sp.Symbol("curvature") * along, sb: 0})
    rest = dict.fromkeys((*states, G), sp.S.Zero) | {y: s**2 * problem.law.moment(2) for y in sde.nonnegative}
    found = [drift.jacobian(states), drift.jacobian([G]), diffusion]
    shapes = [(len(rows), len(rows)), (len(rows),), (len(rows), diffusion.cols)]
    values = []
    for matrix, shape in zip(found, shapes, strict=True):
        fixed = matrix.subs(rest).subs(problem.symbols).subs(eta, problem.values["lr"])
        if fixed.has(sp.Derivative, sp.Subs, sp.DiracDelta):
            raise NotDerivable(f"{sde.optimizer} {model}: its drift is not smooth at the minimum")
        function = sp.lambdify([s, sp.Symbol("curvature")], fixed, "numpy")
        pairs = zip(problem.scales, np.diag(problem.hessian), strict=True)
        values.append(np.array([np.reshape(function(scale, a), shape) for scale, a in pairs], dtype=np.float64))
    return values[0], values[1], values[2]


def _step(problem: Problem) -> tuple[Array, Array, Array]:
    """The same for one step of the optimizer itself: (d, n, n), (d, n), and the noise (d, n)."""
    import sympy as sp

    from adasde.derive.notation import eta, g, s
    from adasde.derive.stationary import linear_step

    own, by_gradient = linear_step(problem.rule, problem.law)
    values = []
    for matrix in (own, by_gradient):
        fixed = matrix.subs(problem.symbols).subs(eta, problem.values["lr"])
        function = sp.lambdify([s, g], fixed, "numpy")
        values.append(np.array([np.array(function(scale, 0.0), dtype=np.float64) for scale in problem.scales]))
    through = values[1][:, :, 0]
    deviation = np.sqrt(float(problem.law.moment(2)))
    return values[0], through, through * (problem.scales * deviation)[:, None]
