"""Rungs 2 and 3 for rules and models whose steps go in stages.

Rung 3 holds the generated steps against `interpreter` on a dense quadratic. Rung 2 needs the mean and covariance of one
step over all of its noise: quadrature where that is Z and one further variable, with every kink found; the binomial law
where workers send signs (`votes`); else sampling, as z-scores.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable
from typing import Any

import numpy as np
import sympy as sp
from scipy import stats

from adasde.derive.notation import G, Z, k, s, t, x
from adasde.derive.operations import Batch, Own, total, variables, with_noise, workers
from adasde.ensemble import Array
from adasde.kernels.lanes import field_kernel, hessian_vector_kernel
from adasde.noise import Noise
from adasde.staged import is_staged
from adasde.verify import interpreter, votes
from adasde.verify.check import FALSE_ALARM, Check, check
from adasde.verify.interpreter import Oracle
from adasde.verify.kinks import switches
from adasde.verify.own_laws import SPANS
from adasde.verify.quadrature import nodes
from adasde.verify.quadrature import rule as quadrature
from adasde.verify.setting import Setting

LANES, DIMENSION = 16, 4
SAMPLES = 1 << 18
TOLERANCE = 1e-12
PIECE = 60
"""Gauss-Legendre nodes between two kinks of an own draw."""
Draws = tuple[Array, Array, Array, Array]
"""noise, normal, uniform and exponential layers (m, d, L) of a step in stages."""


@field_kernel
def line_gradient(x: Array, g: Array, data: Array) -> None:
    """G + H (x - x0) with data = (x0, G, H)."""
    for i in range(x.shape[0]):
        for j in range(x.shape[1]):
            g[i, j] = data[1] + data[2] * (x[i, j] - data[0])


@hessian_vector_kernel
def line_hessian(x: Array, u: Array, out: Array, data: Array) -> None:
    """H u."""
    for i in range(x.shape[0]):
        for j in range(x.shape[1]):
            out[i, j] = data[2] * u[i, j]


def further_noise(setting: Setting) -> list[sp.Basic]:
    """The independent noise of one step besides Z."""
    return variables(*(with_noise(setting.rule.name, update) for update in setting.rule.update))


def staged_rule(setting: Setting) -> bool:
    """Whether the optimizer's own step goes in stages."""
    return is_staged(setting.algorithm)


def in_one_dimension(expression: sp.Expr) -> sp.Expr:
    """Sums over coordinates of the one coordinate that there is."""
    return expression.replace(lambda e: isinstance(e, total), lambda e: e.args[0])


def own_draws(setting: Setting) -> bool:
    """Whether the rule draws numbers of its own, so that it stays random without gradient noise."""
    return any(update.atoms(Own) for update in setting.rule.update)


def by_quadrature(setting: Setting) -> bool:
    """Whether one step has one noise at most besides Z and no kinks in a further minibatch, or is a vote."""
    others = further_noise(setting)
    if votes.message(setting) is not None:
        return True
    if len(others) > 1 or any(isinstance(other, workers) for other in others):
        return False
    updates = sp.Tuple(*(with_noise(setting.rule.name, update) for update in setting.rule.update))
    return not any(isinstance(other, Batch) and switches(updates, other) for other in others)


def draws_at(setting: Setting, values: dict[str, float], z: Array, w: Array) -> tuple[Draws, Array]:
    """Draws (1, 1, N) and weights (N,) of one step with one noise besides Z, or none; z and w are a rule for Z."""
    if votes.message(setting) is not None:
        (noise, normal, uniform, exponential), chances = votes.outcomes(setting, values)
        return (noise, normal, uniform, exponential), chances
    others = further_noise(setting)
    empty = np.empty((0, 1, len(z)))
    if not others:
        return (z[None, None, :], empty, empty, empty), w
    (other,) = others
    lines = _kink_lines(setting, other, values) if isinstance(other, Own) else []
    inner = [_inner(setting, other, lines, float(y)) for y in z]
    first = np.concatenate([np.full(len(u), y) for y, (u, _) in zip(z, inner, strict=True)])
    second = np.concatenate([u for u, _ in inner])
    weights = np.concatenate([share * v for share, (_, v) in zip(w, inner, strict=True)])
    nothing = np.empty((0, 1, len(first)))
    if not isinstance(other, Own):
        return (np.stack([first, second])[:, None, :], nothing, nothing, nothing), weights
    own = [second[None, None, :] if kind == other.kind else nothing for kind in SPANS]
    return (first[None, None, :], own[0], own[1], own[2]), weights


def _inner(setting: Setting, other: sp.Basic, lines: list[tuple[float, float]], z: float) -> tuple[Array, Array]:
    """Nodes and weights of the other noise for one value of Z, cut where the step has a kink: u = a Z + b."""
    if not isinstance(other, Own):
        return nodes(setting.noise, PIECE)
    low, high, density = SPANS[other.kind]
    cuts = [slope * z + shift for slope, shift in lines]
    ends = sorted({low, *(min(max(cut, low), high) for cut in cuts), high})
    places, weights = np.polynomial.legendre.leggauss(PIECE)
    pieces = [((b - a) / 2 * places + (a + b) / 2, (b - a) / 2 * weights) for a, b in itertools.pairwise(ends)]
    u = np.concatenate([piece[0] for piece in pieces])
    return u, np.concatenate([piece[1] for piece in pieces]) * density(u)


def _kink_lines(setting: Setting, other: Own, values: dict[str, float]) -> list[tuple[float, float]]:
    """(a, b) of the lines u = a Z + b along which a step has a kink in the own draw u."""
    from adasde.verify.moments import POINT, point

    numbers = point(setting.rule) | setting.numbers(**values) | {k: round(POINT[t] / values["lr"]) + 1}
    updates = sp.Tuple(*(with_noise("", update).subs(numbers) for update in setting.rule.update))
    lines = []
    for switch in switches(updates, other):
        slope, own = (float(sp.expand(switch).coeff(y)) for y in (Z, other))
        rest = float(switch.subs({Z: 0, other: 0}))
        lines.append((-slope / own, -rest / own))
    return lines


def kinks_of_z(setting: Setting, values: dict[str, float]) -> list[float]:
    """The Z at which a line of kinks leaves the range of the own draw."""
    others = [other for other in further_noise(setting) if isinstance(other, Own)]
    found = []
    for other in others:
        for slope, shift in _kink_lines(setting, other, values):
            if slope != 0:
                found += [(end - shift) / slope for end in SPANS[other.kind][:2]]
    return found


def after_one_step(setting: Setting, values: dict[str, float], draws: Draws) -> Array:
    """States (n, N) after one step of the generated optimizer from `moments.POINT`, on a loss of curvature BEND[0]."""
    from adasde.verify.moments import BEND, POINT, point

    ones = np.ones((1, draws[0].shape[2]))
    places = point(setting.rule)
    state = np.array([places[y] * ones for y in setting.rule.states])
    data = np.array([POINT[x], POINT[G], BEND[0]])
    functions = (line_gradient, line_gradient, line_hessian, line_hessian, 0.0, data)
    p, number = setting.parameter_array(**values), round(POINT[t] / values["lr"]) + 1
    whole = tuple(np.ascontiguousarray(part) for part in draws)
    step: Any = setting.algorithm.compiled
    step(state, POINT[G] * ones, POINT[s] * ones, *functions, *whole, p, number, POINT[t], values["lr"])
    return state[:, 0]


def sampled_one_step(setting: Setting) -> list[Check]:
    """Mean and covariance of one step over its learning rate, from samples, as z-scores against the model."""
    from adasde.verify.moments import hyperparameters_at, model_moments, point, sums_over

    values = hyperparameters_at(setting, 2.0**-20, rates_fixed=False)
    draws = random_draws(setting, values, SAMPLES)
    places = point(setting.rule)
    start = np.array([places[y] for y in setting.rule.states])
    change = (after_one_step(setting, values, draws) - start[:, None]) / values["lr"]
    z, w = quadrature(setting.noise, (0.0,), setting.sde.moments)
    drift, covariance = model_moments(setting, values, sums_over(z, w))
    centred = change - change.mean(axis=1, keepdims=True)
    products = (centred[:, None] * centred[None]).reshape(len(change) ** 2, -1)
    scores = np.concatenate([_scores(change, drift), _scores(products, covariance.ravel() / values["lr"])])
    allowed = stats.norm.isf(FALSE_ALARM / 2 / len(scores))
    measured = f"largest z-score {np.abs(scores).max():.2f} of {len(scores)}, allowed {allowed:.2f}, {SAMPLES} samples"
    return [
        check(2, "mean and covariance of one step equal the model's", bool(np.abs(scores).max() < allowed), measured)
    ]


def _scores(samples: Array, expected: Array) -> Array:
    """(mean - expected)/(its standard error), for each row; 0 where both the gap and the error are rounding."""
    gap = samples.mean(axis=1) - expected
    error = samples.std(axis=1) / math.sqrt(samples.shape[1])
    size = 1e-9 * (np.abs(expected) + np.abs(samples).mean(axis=1)) + 1e-300
    return np.where(np.abs(gap) < size, 0.0, gap / np.maximum(error, size))


def random_draws(setting: Setting, values: dict[str, float], samples: int, d: int = 1, seed: int = 7) -> Draws:
    """Independent draws (m, d, samples) of every kind that a step takes, from numpy's generator."""
    random = np.random.default_rng(seed)
    counts = setting.algorithm.draws(setting.parameter_array(**values))
    shapes = [(count, d, samples) for count in counts]
    return (
        noise_samples(setting.noise, random, shapes[0]),
        random.normal(size=shapes[1]),
        random.uniform(-1, 1, shapes[2]),
        random.exponential(size=shapes[3]) - 1,
    )


def noise_samples(noise: Noise, random: np.random.Generator, shape: tuple[int, ...]) -> Array:
    """Samples of Z by inversion of its distribution function, through the quantiles of a fine quadrature grid for what
    numpy lacks."""
    plain: dict[str, Callable[[], Array]] = {
        "gaussian": lambda: random.normal(size=shape),
        "student-t": lambda: random.standard_t(noise.nu, shape),
        "laplace": lambda: random.laplace(scale=math.sqrt(0.5), size=shape),
        "exponential": lambda: random.exponential(size=shape) - 1,
        "rademacher": lambda: random.choice([-1.0, 1.0], shape),
    }
    if noise.law in plain:
        return plain[noise.law]()
    if noise.law == "mixture":
        w, m, d = np.split(noise.law_data, 3)
        part = random.choice(len(w), shape, p=w)
        return m[part] + d[part] * random.normal(size=shape)
    from adasde.verify.quadrature import atoms

    values, weights = atoms(noise)
    return random.choice(values, shape, p=weights / weights.sum())


def generated_steps(setting: Setting) -> list[Check]:
    """Rung 3: the generated steps in stages equal the rule and the model, walked in numpy on a dense quadratic."""
    checks = []
    if staged_rule(setting):
        checks.append(_compared(setting, "algorithm"))
    if is_staged(setting.step):
        checks.append(_compared(setting, setting.sde.model))
    return checks


def _compared(setting: Setting, name: str) -> Check:
    from adasde.losses.games import transposed_product
    from adasde.losses.quadratic import dense_gradient, dense_hessian_vector

    random = np.random.default_rng(11)
    # The field of a game, whose Jacobian is not symmetric: the two products must not be mixed up.
    hessian = random.normal(size=(DIMENSION, DIMENSION))
    state = random.normal(size=(len(setting.rule.states), DIMENSION, LANES))
    for i, y in enumerate(setting.rule.states):
        state[i] = np.abs(state[i]) + 1 if y in setting.rule.nonnegative else state[i]
    scale = random.uniform(0.3, 1.5, (DIMENSION, LANES))
    p, lr, number = setting.parameter_array(), setting.values["lr"], 37
    step = setting.algorithm if name == "algorithm" else setting.step
    draws = random_draws(setting, {}, LANES, DIMENSION) if name == "algorithm" else _motions(random, step.noises)
    kinds = dict(zip(("noise", "normal", "uniform", "exponential"), draws, strict=True))
    values = dict(zip(setting.rule.states, state.copy(), strict=True)) | setting.numbers()
    values |= {k: number, t: lr * (number - 1)} | ({} if name == "algorithm" else {s: scale})
    oracle = Oracle(values, lambda y: hessian @ y, lambda y: scale, kinds, lambda u: hessian.T @ u)
    if name == "algorithm":
        exact = interpreter.step(setting.rule.update, setting.rule.states, oracle)
    else:
        exact = interpreter.model_step(setting.sde, oracle, hessian, lr / 4)
    found = state.copy()
    fields = (dense_gradient, dense_gradient, dense_hessian_vector, transposed_product)
    functions = (*fields, 0.0, hessian.ravel().copy())
    dt = lr if name == "algorithm" else lr / 4
    step.compiled(found, hessian @ state[0], scale, *functions, *draws, p, number, lr * (number - 1), dt)
    gap = float((np.abs(found - exact) / (np.abs(exact) + np.abs(np.array(exact) - state))).max())
    statement = (
        f"generated step `{name}`, in stages, equals the rule in numpy at {LANES} random points of R^{DIMENSION}"
    )
    return check(3, statement, gap < TOLERANCE, f"largest relative error {gap:.1e}")


def _motions(random: np.random.Generator, count: int) -> Draws:
    empty = np.empty((0, DIMENSION, LANES))
    return random.normal(size=(count, DIMENSION, LANES)), empty, empty, empty
