"""Rung 2: one step of the generated optimizer against drift and covariance, by quadrature."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cache
from typing import Any

import mpmath
import numpy as np
import sympy as sp
from numpy.typing import NDArray

from adasde.derive.fast_states import one_step_memories
from adasde.derive.functions import Expectation, empirical_sign, vote, vote_slope
from adasde.derive.notation import G, H, Hb, Ht, Z, eps, eta, k, m, s, sb, t, v, x
from adasde.derive.operations import with_noise, workers
from adasde.derive.rule import UpdateRule
from adasde.ensemble import Array
from adasde.verify import memory, staged
from adasde.verify.check import Check, check
from adasde.verify.evaluation import Sums, expectations_at, values_at
from adasde.verify.kinks import switches, zeros
from adasde.verify.quadrature import RELIABLE
from adasde.verify.quadrature import rule as quadrature
from adasde.verify.setting import Setting
from adasde.verify.staged import by_quadrature, kinks_of_z, sampled_one_step, staged_rule

POINT: dict[sp.Symbol, float] = {x: 0.8, m: 0.35, v: 1.3, G: 0.55, s: 0.9, t: 2.0, Hb: -0.3, sb: 0.2}
STEPS = (2.0**-9, 2.0**-10, 2.0**-11)
LARGER_STEPS = (2.0**-6, 2.0**-7, 2.0**-8)
"""For order two. Local errors are eta^(order + 1): both lists start where that is 2^-18, so that errors of both orders
stand equally clear of rounding."""
FURTHER = (0.6, 0.25)
"""Where further states are: those that a rule keeps nonnegative, and others; the next one 0.05 further on."""
BEND = (0.9, -0.4)
"""f''(x) and f'''(x) at `POINT`."""
POINT |= {H: BEND[0], Ht: BEND[0]}
SCALE_SLOPE = 0.3
"""S'(x) at `POINT`."""
RATES = {"beta2": 1.5, "beta3": 0.7, "ema": 0.9}
"""Rates of decays that are not the first moment's."""
GROWTH = 2**0.8
"""A gap that is O(eta^q) keeps gap/eta^q bounded; where the order is missed by one, it doubles at each halving of eta.
Between these lies what is allowed from the larger steps to the smallest: a zero of the gap in between makes it 1.5."""
EXACT = 1e-10
MANY = 4096
"""Nodes above which a step is compiled."""

TESTS: dict[str, sp.Expr] = {
    "x^2": x**2,
    "exp(-(x - 1)^2)": sp.exp(-((x - 1) ** 2)),
    "x v": x * v,
    "v^2": v**2,
    "x m": x * m,
    "m v": m * v,
}


def point(rule: UpdateRule) -> dict[sp.Symbol, float]:
    """`POINT` with a place for every further state of a rule."""
    further = [y for y in rule.states if y not in POINT]
    places = {y: FURTHER[y not in rule.nonnegative] + 0.05 * i for i, y in enumerate(further)}
    return POINT | places


def tests(rule: UpdateRule) -> dict[str, sp.Expr]:
    """Test functions of the states of a rule that its models have: `TESTS`, and x y and y^2 for further states y."""
    forgotten = [y for y, _ in one_step_memories(rule)]
    known = {name: u for name, u in TESTS.items() if u.free_symbols <= set(rule.states)}
    further = [y for y in rule.states if y not in POINT and y not in forgotten]
    return known | {f"x {y}": x * y for y in further} | {f"{y}^2": y**2 for y in further}


def one_step(setting: Setting) -> list[Check]:
    """Mean, covariance and local weak error of one step, each at three learning rates."""
    if setting.noise.law == "student-t" and setting.noise.nu - setting.sde.moments < RELIABLE:
        reason = f"the moment of order {setting.sde.moments} exists but hardly: quadrature is not reliable"
        return [Check(2, "one-step moments", "undecided", reason)]
    if setting.rule.average_out:
        gaps = np.array([memory.response_gaps(setting, eta_value) for eta_value in STEPS])
        statement = "one gradient moves x over all steps by the model's drift and variance, up to O(eta)"
        return [_order_check(statement, gaps, 1, "relative gap")]
    steps = STEPS if setting.sde.weak_order == 1 else LARGER_STEPS
    if staged_rule(setting) and not by_quadrature(setting):
        return sampled_one_step(setting)
    laws = [_moment_gaps(setting, eta_value) for eta_value in STEPS]
    checks = []
    for part, name in enumerate(("mean", "covariance")):
        gaps = np.array([law[part] for law in laws])
        checks.append(_order_check(f"{name} of one step equals the model's up to O(eta)", gaps, 1, "relative gap"))
    known = tests(setting.rule)
    errors = np.array([local_weak_errors(setting, list(known.values()), eta_value) for eta_value in steps])
    statement = f"local weak error of order {setting.sde.weak_order + 1} for u = {', '.join(known)}"
    return [*checks, _order_check(statement, errors, setting.sde.weak_order + 1, "error", steps)]


def _order_check(statement: str, gaps: Array, order: int, what: str, steps: tuple[float, ...] = STEPS) -> Check:
    """Every column of gaps (steps, quantities) must vanish or stay O(eta^order)."""
    judged = gaps[:, gaps[-1] > EXACT]
    size = f"{what} {gaps[-1].max():.1e} at eta = 1/{round(1 / steps[-1])}"
    if judged.size == 0:
        return check(2, statement, True, f"{size}, exact")
    scaled = judged / np.array(steps)[:, None] ** order
    growth = (scaled[-1] / scaled[:-1].max(axis=0)).max()
    slope = (np.log2(judged[0] / judged[-1]) / (len(steps) - 1)).min()
    return check(2, statement, bool(growth <= GROWTH), f"{size}, least slope {slope:.2f} (expected {order})")


def hyperparameters_at(setting: Setting, eta_value: float, rates_fixed: bool) -> dict[str, float]:
    """Hyperparameters at learning rate eta: decays follow 1 - eta rho, or stay where eta rho is kept whole."""
    changed = {"lr": eta_value}
    for h in setting.rule.hyperparameters:
        if h.rate is not None:
            rate = RATES.get(h.name, 3.0)
            changed[h.name] = 0.8 if h.large and not rates_fixed else 1 - eta_value * rate
        elif h.symbol == eps:
            changed[h.name] = 0.05
    return setting.values | changed


def kinks(setting: Setting, values: dict[str, float]) -> tuple[float, ...]:
    """The draws at which one step of the rule at `POINT` has a kink; where it has none, the draw at which g = 0."""
    numbers = point(setting.rule) | setting.numbers(**values) | {k: round(POINT[t] / values["lr"]) + 1}
    noisy = sp.Tuple(*(with_noise(setting.rule.name, update) for update in setting.rule.update))
    # What workers draw is no Z of the step's own: their messages have a law of their own, see `votes`.
    updates = noisy.xreplace(dict.fromkeys(noisy.atoms(workers), sp.S.Zero)).subs(numbers)
    lone = (switch for switch in switches(updates, Z) if switch.free_symbols == {Z})
    found = {root for switch in lone for root in zeros(switch, Z)}
    if staged_rule(setting):
        found |= set(kinks_of_z(setting, values))
    return tuple(sorted(found)) or (-POINT[G] / POINT[s],)


def after_one_step(
    setting: Setting, values: dict[str, float], z: Array, places: Mapping[sp.Symbol, Array | float] | None = None
) -> Array:
    """States (n, nodes) after one step of the generated optimizer with draws z, from `POINT` (but for the ``places`` of
    some states) at t = 2."""
    n, nodes = len(setting.rule.states), len(z)
    state = np.empty((n, 1, nodes))
    for i, symbol in enumerate(setting.rule.states):
        state[i] = (point(setting.rule) | dict(places or {}))[symbol]
    p = setting.parameter_array(**values)
    lanes = np.ones((1, nodes))
    k = round(POINT[t] / values["lr"]) + 1
    step = setting.algorithm.compiled if nodes > MANY else setting.algorithm
    step(
        state,
        POINT[G] * lanes,
        POINT[s] * lanes,
        np.empty((0, 1, nodes)),
        z[None, None, :],
        p,
        k,
        POINT[t],
        values["lr"],
    )
    return state[:, 0]


def after_step(setting: Setting, values: dict[str, float]) -> tuple[Array, Array, Sums]:
    """States (n, N) after one step at the nodes of all its noise, their weights (N,), and what sums expectations."""
    z, w = quadrature(setting.noise, kinks(setting, values), setting.sde.moments)
    if memory.forgets(setting):
        after, pairs = memory.after_step(setting, values, z, w)
        return after, pairs, sums_over(z, w)
    if not staged_rule(setting):
        return after_one_step(setting, values, z), w, sums_over(z, w)
    draws, weights = staged.draws_at(setting, values, z, w)
    return staged.after_one_step(setting, values, draws), weights, sums_over(z, w)


def _moment_gaps(setting: Setting, eta_value: float) -> tuple[Array, Array]:
    values = hyperparameters_at(setting, eta_value, rates_fixed=setting.sde.weak_order == 2)
    after, w, sums = after_step(setting, values)
    at = point(setting.rule)
    start = np.array([at[y] for y in setting.sde.states])
    change = after - start[:, None]
    mean = change @ w
    centred = change - mean[:, None]
    drift, covariance = model_moments(setting, values, sums)
    gap_mean = np.abs(mean / eta_value - drift) / (1e-3 + np.abs(drift))
    exact = (centred * w) @ centred.T
    if memory.forgets(setting):
        exact = memory.long_run(exact, centred, sums[Expectation][1])
    exact = exact / eta_value
    # eta in place of the variance of a state without noise of the leading order: see `_noisy`.
    own = np.sqrt(np.where(_noisy(setting, values, sums), np.diag(exact), eta_value))
    size = np.outer(own, own)
    return gap_mean, (np.abs(exact - covariance) / size).ravel()


def sums_over(z: Array, w: Array) -> Sums:
    """Expectations by the quadrature of this rung, which is finer than that of the kernels; all atoms of data."""
    return {Expectation: (z, w), empirical_sign: (z, w)}


def _noisy(setting: Setting, values: dict[str, float], sums: Sums) -> NDArray[np.bool_]:
    """Which states have noise of the leading order; for order two, where decays follow eta, as eta -> 0.

    The covariance of an order-two model, per unit of time, is eta Cov h_0 and right up to O(eta^2): relative to its own
    size that is O(eta) for a state with noise in h_0, and nothing for one without, such as Adam's x, whose variance is
    O(eta^3). There the gap is measured against eta. (An order-one model that keeps eta rho whole has all that noise.)
    """
    diagonal = [setting.sde.full_covariance[i, i] / eta for i in range(len(setting.sde.states))]
    if setting.sde.weak_order == 2:
        diagonal = [sp.expand(entry).subs(eta, 0) for entry in diagonal]
    numbers = point(setting.rule) | setting.numbers(**values)
    return values_at(map(staged.in_one_dimension, diagonal), numbers, sums) > 0


def model_moments(setting: Setting, values: dict[str, float], sums: Sums) -> tuple[Array, Array]:
    """Drift (n,) and covariance (n, n) of the model at `POINT`; expectations without a closed form by ``sums``."""
    n, numbers = len(setting.sde.states), point(setting.rule) | setting.numbers(**values)
    entries = [*setting.sde.full_drift, *setting.sde.full_covariance]
    found = values_at(map(staged.in_one_dimension, entries), numbers, sums)
    return found[:n], found[n:].reshape(n, n)


def local_weak_errors(setting: Setting, tests: list[sp.Expr], eta_value: float) -> list[float]:
    """|E u(y') - u - eta L u| for each u, with L the model's generator; rates fixed as eta falls."""
    values = hyperparameters_at(setting, eta_value, rates_fixed=True)
    after, w, sums = after_step(setting, values)
    states, places = setting.sde.states, point(setting.rule)
    at = {y: places[y] for y in states}
    if setting.sde.weak_order == 2:
        return [
            float(abs((sp.lambdify(states, u, "numpy")(*after) - float(u.subs(at))) @ w - expected))
            for u, expected in zip(tests, expansion_of_order_two(setting, tests, values, sums), strict=True)
        ]
    drift, covariance = model_moments(setting, values, sums)
    errors = []
    for u in tests:
        function: Callable[..., Any] = sp.lambdify(states, u, "numpy")
        change = function(*after) - function(*at.values())
        first = np.array([float(sp.diff(u, y).subs(at)) for y in states])
        second = np.array([[float(sp.diff(u, a, b).subs(at)) for b in states] for a in states])
        generator = drift @ first + (covariance * second).sum() / 2
        errors.append(float(abs(change @ w - eta_value * generator)))
    return errors


def expansion_of_order_two(setting: Setting, tests: list[sp.Expr], values: dict[str, float], sums: Sums) -> list[float]:
    """eta L u + (eta^2/2) L L u at `POINT`, with L = d_t + b.grad + a:grad^2/2, f' and S polynomials around it."""
    sde, states, eta_value = setting.sde, setting.rule.states, values["lr"]
    numbers = {symbol: sp.Float(value, 30) for symbol, value in setting.numbers(**values).items()}
    distance = x - POINT[x]
    gradient = POINT[G] + BEND[0] * distance + BEND[1] * distance**2 / 2
    scale = POINT[s] + SCALE_SLOPE * distance
    along = sde.expand_names(sde.along)
    second = {Hb: sp.diff(gradient, x) * along, sb: SCALE_SLOPE * along}
    drift, covariance = (
        matrix.subs(second).subs({G: gradient, s: scale}).subs(numbers)
        for matrix in (sde.full_drift, sde.full_covariance)
    )
    drift, covariance = map(_votes_written_out, (drift, covariance))
    places = point(setting.rule)
    at = {y: places[y] for y in states} | {t: POINT[t]}
    if not (sp.Matrix([*drift, *covariance]).atoms(sp.Function) - _known_to_mpmath(drift, covariance)):
        return second_order_by_differences(tests, drift, covariance, at, eta_value)

    def generator(u: sp.Expr) -> sp.Expr:
        first = sum(b * sp.diff(u, y) for b, y in zip(drift, states, strict=True))
        pairs = [(i, j) for i in range(len(states)) for j in range(len(states))]
        return sp.diff(u, t) + first + sum(covariance[i, j] * sp.diff(u, states[i], states[j]) for i, j in pairs) / 2

    found = []
    for u in tests:
        once = generator(u)
        twice = generator(once)
        found.append(eta_value * once + eta_value**2 / 2 * twice)
    return [float(e.subs(at).evalf(20)) for e in expectations_at(found, at, sums, 20)]


def _votes_written_out(matrix: sp.Matrix) -> sp.Matrix:
    """Votes of a number of workers as the polynomials that they are."""
    return matrix.replace(lambda e: isinstance(e, vote | vote_slope), lambda e: e.closed_form())


MPMATH = (sp.erf, sp.exp, sp.log, sp.tanh, sp.sin, sp.cos)
SPACING = 1e-10
"""Of central differences in `DIGITS` digits: their error is its square, and that of rounding far less."""
DIGITS = 50


def _known_to_mpmath(*matrices: sp.Matrix) -> set[sp.Expr]:
    """The functions in matrices that mpmath has."""
    return {e for matrix in matrices for e in matrix.atoms(sp.Function) if isinstance(e, MPMATH)}


def second_order_by_differences(
    tests: list[sp.Expr], drift: sp.Matrix, covariance: sp.Matrix, at: dict[sp.Symbol, float], eta_value: float
) -> list[float]:
    """eta L u + (eta^2/2) L L u at a point: L u from exact derivatives of u, the outer L by central differences of L u
    in `DIGITS` digits. What sympy would need minutes to differentiate, Yogi's covariance for one, takes a second."""
    places, n = list(at), len(drift)
    with mpmath.workdps(DIGITS):
        coefficients = sp.lambdify(places, [*drift, *covariance], "mpmath", cse=True)
        functions = [_derivatives(u, places[:-1]) for u in tests]
        centre = [mpmath.mpf(value) for value in at.values()]

        @cache
        def once(*shift: int) -> tuple[mpmath.mpf, ...]:
            """L u for every u at the point, shifted by whole multiples of `SPACING`."""
            point = [y + SPACING * j for y, j in zip(centre, shift, strict=True)]
            return tuple(_generator(coefficients(*point), function(*point[:-1]), n) for function in functions)

        found = []
        for i in range(len(tests)):
            first, second = _differences(lambda *shift, i=i: once(*shift)[i], n)
            twice = _generator(coefficients(*centre), [*first[:-1], *second], n) + first[-1]
            found.append(float(eta_value * once(*[0] * (n + 1))[i] + eta_value**2 / 2 * twice))
        return found


def _derivatives(u: sp.Expr, states: list[sp.Symbol]) -> Callable[..., list[Any]]:
    """(states) -> the gradient of u and its Hessian, row by row."""
    derivatives = [*(sp.diff(u, y) for y in states), *(sp.diff(u, a, b) for a in states for b in states)]
    function: Callable[..., list[Any]] = sp.lambdify(states, derivatives, "mpmath")
    return function


def _generator(coefficients: list[Any], derivatives: list[Any], n: int) -> Any:
    """b . grad u + a : Hess u / 2, where u does not depend on time."""
    first = sum(b * d for b, d in zip(coefficients[:n], derivatives[:n], strict=True))
    return first + sum(a * d for a, d in zip(coefficients[n:], derivatives[n:], strict=True)) / 2


def _differences(function: Callable[..., Any], n: int) -> tuple[list[Any], list[Any]]:
    """Central first differences by the n states and time, and second ones by the states, row by row."""

    def at(*moves: tuple[int, int]) -> Any:
        shift = [0] * (n + 1)
        for place, by in moves:
            shift[place] += by
        return function(*shift)

    h = mpmath.mpf(SPACING)
    first = [(at((i, 1)) - at((i, -1))) / (2 * h) for i in range(n + 1)]
    second = [
        (at((i, 1), (j, 1)) - at((i, 1), (j, -1)) - at((i, -1), (j, 1)) + at((i, -1), (j, -1))) / (4 * h**2)
        for i in range(n)
        for j in range(n)
    ]
    return first, second
