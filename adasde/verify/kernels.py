"""Rung 3: generated kernels against the equations that they were generated from, in high precision."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from typing import Any

import numpy as np
import sympy as sp

from adasde.derive.notation import G, Hb, eta, g, k, s, sb, t
from adasde.derive.tails import standardised
from adasde.ensemble import Array
from adasde.noise import Noise
from adasde.plan import plan
from adasde.run import Run
from adasde.staged import is_staged
from adasde.verify.check import Check, check
from adasde.verify.evaluation import values_at
from adasde.verify.gauss import kernel_quadrature
from adasde.verify.setting import Setting
from adasde.verify.staged import generated_steps, own_draws, staged_rule

LANES = 24
QUADRATIC = "quadratic:1,0.5,2"
DIGITS = 40
TOLERANCE = 1e-12
"""Relative error allowed to an increment in double precision; the special functions are stated to 1e-13."""
ROUNDING = 1e-15
"""Relative error allowed to adding the increment to the state."""


def generated_kernels(setting: Setting) -> list[Check]:
    """Compiled step, plain Python body and printed equations agree; zero noise is the ODE; the driver adds nothing."""
    if is_staged(setting.step):
        return generated_steps(setting)
    found = [
        *generated_steps(setting),
        *_steps_equal_equations(setting),
        *kernel_quadrature(setting, _points(setting)),
    ]
    if not own_draws(setting):
        found.append(_zero_noise_is_the_ode(setting))
    if not staged_rule(setting):
        found.append(_driver_is_the_recursion(setting))
    return found


def _points(setting: Setting) -> list[dict[sp.Symbol, sp.Expr]]:
    """The random points of `_Lanes`, those with the largest noise scale first."""
    lanes = _Lanes(setting, setting.step.noises)
    return [_at(setting, lanes, int(j)) for j in np.argsort(-lanes.scale[0])]


class _Lanes:
    """Random states, gradients, scales and draws away from the positivity guard, and one step's other arguments."""

    def __init__(self, setting: Setting, noises: int, seed: int = 1):
        random = np.random.default_rng(seed)
        n = len(setting.rule.states)
        self.state = random.normal(size=(n, 1, LANES))
        for i, state in enumerate(setting.rule.states):
            if state in setting.rule.nonnegative:
                self.state[i] = random.uniform(4.0, 8.0, (1, LANES))
        self.gradient, self.noise = random.normal(size=(1, LANES)), random.normal(size=(noises, 1, LANES))
        self.scale = random.uniform(0.2, 1.5, (1, LANES))
        self.curvature = random.normal(size=(2, 1, LANES))
        self.p = setting.parameter_array()
        self.eta = float(self.p[0])
        self.k = 37
        self.t = 36 * self.eta

    def after(self, step: Any, dt: float) -> Array:
        state = self.state.copy()
        step(state, self.gradient, self.scale, self.curvature, self.noise, self.p, self.k, self.t, dt)
        return state


def _steps_equal_equations(setting: Setting) -> list[Check]:
    checks = []
    steps = [("algorithm", setting.algorithm, 1.0), (setting.sde.model, setting.step, 0.25)]
    for name, step, dt_share in steps[1:] if staged_rule(setting) else steps:
        lanes = _Lanes(setting, step.noises)
        dt = lanes.eta * dt_share
        body, compiled = lanes.after(step, dt), lanes.after(step.compiled, dt)
        exact = _algorithm_exactly(setting, lanes) if name == "algorithm" else _model_exactly(setting, lanes, dt)
        gap = max(_excess(found, exact, lanes.state) for found in (body, compiled))
        statement = f"generated step `{name}` equals its equations in {DIGITS} digits at {LANES} random points"
        checks.append(check(3, statement, gap < 1, f"largest error {gap:.1e} of what rounding allows"))
    return checks


def _excess(found: Array, exact: Array, start: Array) -> float:
    allowed = TOLERANCE * np.abs(exact - start) + ROUNDING * (np.abs(start) + np.abs(exact))
    return float((np.abs(found - exact) / allowed).max())


def _at(setting: Setting, lanes: _Lanes, j: int) -> dict[sp.Symbol, sp.Expr]:
    values = {y: lanes.state[i, 0, j] for i, y in enumerate(setting.rule.states)}
    values |= {G: lanes.gradient[0, j], s: lanes.scale[0, j], t: lanes.t, k: lanes.k}
    values |= {Hb: lanes.curvature[0, 0, j], sb: lanes.curvature[1, 0, j]}
    values |= setting.numbers()
    exact = {
        symbol: sp.Float(float(value), DIGITS) if np.isfinite(value) else sp.oo for symbol, value in values.items()
    }
    return exact | {symbol: value.subs(exact) for symbol, value in standardised(setting.sde.law).items()}


def _exact_states(setting: Setting, expressions: list[sp.Expr], points: list[dict[sp.Symbol, sp.Expr]]) -> Array:
    """(n, 1, points). Expectations are the kernel's own sums, so that what is checked is the code; `gauss`
    checks the sums."""
    sums = setting.sums
    return np.array([values_at(expressions, point, sums, DIGITS) for point in points]).T[:, None, :]


def _algorithm_exactly(setting: Setting, lanes: _Lanes) -> Array:
    noisy = [update.subs(g, G + s * sp.Symbol("draw")) for update in setting.rule.update]
    draws = lanes.noise[0, 0]
    points = [_at(setting, lanes, j) | {sp.Symbol("draw"): sp.Float(float(draws[j]), DIGITS)} for j in range(LANES)]
    return _exact_states(setting, noisy, points)


def _model_exactly(setting: Setting, lanes: _Lanes, dt: float) -> Array:
    sde = setting.sde
    draws = sp.Matrix([sp.Symbol(f"draw{i}") for i in range(sde.diffusion.cols)])
    step = sp.Float(dt, DIGITS)
    moved = sp.Matrix(sde.states) + sde.full_drift * step + sp.sqrt(step) * sde.full_diffusion * draws
    points = []
    for j in range(LANES):
        values = {draw: sp.Float(float(lanes.noise[i, 0, j]), DIGITS) for i, draw in enumerate(draws)}
        points.append(_at(setting, lanes, j) | values)
    return _exact_states(setting, _in_the_rule(setting, moved), points)


def _in_the_rule(setting: Setting, moved: sp.Matrix) -> list[sp.Expr]:
    """The next states in the rule's order; those that the model averages out stay where they are."""
    found = dict(zip(setting.sde.states, moved, strict=True))
    return [found.get(y, y) for y in setting.rule.states]


def _zero_noise_is_the_ode(setting: Setting) -> Check:
    lanes = _Lanes(setting, setting.step.noises)
    lanes.scale[:] = 0.0
    found = lanes.after(setting.step, lanes.eta)
    points = [_at(setting, lanes, j) | {s: sp.Float("1e-60", DIGITS)} for j in range(LANES)]
    moved = sp.Matrix(setting.sde.states) + eta * setting.sde.full_drift
    exact = _exact_states(setting, _in_the_rule(setting, moved), points)
    gap = _excess(found, exact, lanes.state)
    statement = "zero noise gives one Euler step of the ODE"
    return check(3, statement, gap < 1, f"largest error {gap:.1e} of what rounding allows")


def _driver_is_the_recursion(setting: Setting) -> Check:
    """The driver's paths equal the steps applied by hand to the same draws, handover and bridge included."""
    name, steps = setting.optimizer, 24
    noise = _alike(setting.noise)
    run = plan(
        name,
        setting.sde.model,
        QUADRATIC,
        noise,
        steps,
        8,
        5,
        3,
        3,
        range(steps + 1),
        None,
        None,
        setting.values,
    )
    xs, _ = run.block(0, 8)
    gap = max(float(np.abs(x - found).max()) for x, found in zip(_by_hand(setting, run, 8), xs, strict=True))
    measured = f"largest gap {gap:.1e} over {steps} steps"
    if noise is not setting.noise:
        measured += f", under {noise.name}"
    return check(3, "driver equals the recursion with given increments", gap < 1e-11, measured)


def _alike(noise: Noise) -> Noise:
    """The noise itself where it has one scale for all coordinates, which any loss can have; else one that has."""
    if noise.scale is not None and len(noise.scale) == 1 and noise.covariance is None:
        return noise
    return dataclasses.replace(noise, scale=(max(noise.scale or (0.0,)) or 1.0,), covariance=None)


def _by_hand(setting: Setting, run: Run, lanes: int) -> Iterator[Array]:
    """x after 0, 1, 2, ... steps from the draws of the driver: the optimizer to the handover, then the model."""
    curvature, lr, parts = run.loss.data[:, None], float(run.p[0]), run.substeps
    d, dt = run.loss.dimension, lr / run.substeps
    state = np.repeat(run.initial[:, :, None], lanes, axis=2)
    scale = np.repeat(run.noise.scales(d)[:, None], lanes, axis=1)
    optimizer, model = np.empty((run.steps, d, lanes)), np.empty((run.steps * run.noises, d, lanes))
    for fill, noise, own in zip(run.draws[:2], (optimizer, model), (True, False), strict=True):
        fill(noise, d, 0, 0, own, run.plan, run.noise.law_data)
    fine, bend = np.empty((parts * run.noises, d, lanes)), np.empty((0, d, lanes))
    yield state[0].copy()
    for i in range(run.steps):
        if i < run.handover:
            draws = optimizer[i : i + 1]
            setting.algorithm(state, curvature * state[0], scale, bend, draws, run.p, i + 1, lr * i, lr)
        else:
            run.draws[2](fine, model[i * run.noises : (i + 1) * run.noises], i, 0, run.plan)
            for part in range(parts):
                bend = _bend(setting, state, curvature, scale, run.p, i + 1, lr * i + dt * part)
                draws = fine[part * run.noises : (part + 1) * run.noises]
                setting.step(state, curvature * state[0], scale, bend, draws, run.p, i + 1, lr * i + dt * part, dt)
        yield state[0].copy()


def _bend(setting: Setting, state: Array, curvature: Array, scale: Array, p: Array, k: int, t: float) -> Array:
    """Hb and sb (2, d, L) of a model of weak order two on a quadratic with constant noise; empty for others."""
    d, lanes = scale.shape
    if setting.step.along is None:
        return np.empty((0, d, lanes))
    bend = np.zeros((2, d, lanes))
    setting.step.along(state, curvature * state[0], scale, bend, np.empty((0, d, lanes)), p, k, t, 0.0)
    bend[0] *= curvature
    return bend
