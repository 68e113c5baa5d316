"""Linearised models with numbers, in all coordinates together: Lyapunov equations where H and Sigma do not commute."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from scipy.linalg import solve_continuous_lyapunov, solve_discrete_lyapunov

from adasde.ensemble import Array

if TYPE_CHECKING:
    from adasde.stationary_problem import Problem


def covariance(problem: Problem, model: str) -> Array:
    """The stationary covariance (d, d) of the positions in a model linearised at the minimum, v at rest at s^2.

    dY = A Y dt + B dW for an SDE: A C + C A' + B R B' = 0. y' = A y + b Z for the optimizer: C = A C A' + b R b'.
    Raises `NotDerivable` where the optimizer's step is not linear then.
    """
    if model == "algorithm":
        own, by_gradient, noise = _step(problem)
        slope = _assembled(problem, own, by_gradient)
        found = solve_discrete_lyapunov(slope, _source(problem, noise[:, :, None], (1,)))
    else:
        slope, columns = linear_sde(problem, model)
        degrees = problem.models[model].degrees or (1,) * columns.shape[2]
        found = solve_continuous_lyapunov(slope, -_source(problem, columns, degrees))
    d = len(problem.scales)
    n = len(found) // d
    return np.asarray(found.reshape(d, n, d, n)[:, 0, :, 0])


def rates(problem: Problem) -> tuple[float, float]:
    """The slowest and the fastest rate per step, of the linearised SDE (or of the step, without one) and of v; zeros
    where a mean sign jumps at an atom of the noise, so that there is nothing to linearise.

    As for v the second is at least its relative variance, (1 - beta2)/2 (E Z^4/(E Z^2)^2 - 1), which is 1 - beta2 for
    a normal law: what an expansion of 1/sqrt(v) is in powers of.
    """
    from adasde.derive.law import NotDerivable

    if "sde" in problem.models:
        try:
            slope, _ = linear_sde(problem, "sde")
        except NotDerivable:
            return 0.0, 0.0
        found = list(-problem.values["lr"] * np.linalg.eigvals(slope).real)
    else:
        own, by_gradient, _ = _step(problem)
        found = list(-np.log(np.abs(np.linalg.eigvals(_assembled(problem, own, by_gradient)))))
    decays = [1 - problem.values[h.name] for h in problem.rule.hyperparameters if h.rate is not None]
    return float(min(found + decays)), float(max(found + decays + _variance_of_v(problem)))


def _variance_of_v(problem: Problem) -> list[float]:
    if not problem.rule.nonnegative:
        return []
    square, fourth = (float(problem.law.moment(n).subs(problem.symbols)) for n in (2, 4))
    rates = [1 - problem.values[h.name] for h in problem.rule.hyperparameters if str(h.rate) == "rho2"]
    return [rate / 2 * (fourth / square**2 - 1) for rate in rates]


def _assembled(problem: Problem, own: Array, by_gradient: Array) -> Array:
    """(d m, d n): what a coordinate's states do by themselves, (d, m, n), and through the gradient H x, (d, m)."""
    d, m, n = own.shape
    slope = np.zeros((d, m, d, n))
    slope[:, :, :, 0] = by_gradient[:, :, None] * problem.hessian[:, None, :]
    for i in range(d):
        slope[i, :, i, :] += own[i]
    return slope.reshape(d * m, d * n)


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


def linear_sde(problem: Problem, model: str) -> tuple[Array, Array]:
    """(A, B), (d n, d n) and (d, n, r): the linearised drift of the states other than v, all coordinates together, and
    the diffusion at rest.

    An input Hess f times the drift b0 of the position, which a model of order two has, is H b0 with b0 linear too.
    """
    import sympy as sp

    from adasde.derive.notation import G, Hb, sb

    sde = problem.models[model]
    rows = [i for i, y in enumerate(sde.states) if y not in sde.nonnegative]
    states = [sde.states[i] for i in rows]
    drift = sde.full_drift.extract(rows, [0])
    diffusion = sde.full_diffusion.extract(rows, list(range(sde.diffusion.cols)))
    along = sp.Matrix([sp.S.Zero if sde.along is None else sde.expand_names(sde.along)])
    at = dict.fromkeys((Hb, sb), sp.S.Zero)
    parts = [*(m.jacobian(y) for m in (drift, along) for y in (states, [G])), drift.jacobian([Hb]), diffusion]
    numbers = [_at_rest(problem, model, part.applyfunc(lambda c: c.subs(at) if c.has(Hb, sb) else c)) for part in parts]
    own, by_gradient, along_own, along_gradient, by_curvature, columns = numbers
    slope = _assembled(problem, own, by_gradient[:, :, 0])
    if sde.along is not None:
        position = _assembled(problem, along_own, along_gradient[:, :, 0])
        d, n = own.shape[:2]
        through = np.einsum("in,ij->inj", by_curvature[:, :, 0], problem.hessian).reshape(d * n, d)
        slope = slope + through @ position
    return slope, columns


def _at_rest(problem: Problem, model: str, matrix: Any) -> Array:
    """(d, rows, columns): a matrix of the SDE long after the start, at rest, in every coordinate."""
    import sympy as sp

    from adasde.derive.law import NotDerivable
    from adasde.derive.notation import G, eta, s, t

    sde = problem.models[model]
    late = matrix.applyfunc(lambda e: e.replace(lambda f: isinstance(f, sp.exp) and f.has(t), lambda _: sp.S.Zero))
    rest = dict.fromkeys((*sde.states, G), sp.S.Zero) | {y: s**2 * problem.law.moment(2) for y in sde.nonnegative}
    fixed = late.subs(rest).subs(problem.symbols).subs(eta, problem.values["lr"])
    if fixed.has(sp.Derivative, sp.Subs, sp.DiracDelta):
        raise NotDerivable(f"{sde.optimizer} {model}: its drift is not smooth at the minimum")
    function = sp.lambdify([s], fixed, "numpy")
    return np.array([np.reshape(function(scale), matrix.shape) for scale in problem.scales], dtype=np.float64)


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
