"""The rules of this project on the protocol of `make_zoo_trajectories`, walked in numpy; no package is needed."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cache

import make_zoo_trajectories as reference
import numpy as np
import sympy as sp
from zoo_cases import LR

from adasde.derive.notation import g, k
from adasde.derive.rule import UpdateRule
from adasde.verify import interpreter

Array = np.ndarray
Advance = Callable[[list[Array], reference.Force, int, list[float]], list[Array]]
"""(states, gradient of the step, its number, hyperparameters) -> next states."""


@cache
def stored() -> dict[str, Array]:
    """The arrays of the committed file."""
    with np.load(reference.COMMITTED) as file:
        return {name: file[name] for name in file.files}


def trajectory(
    rule: UpdateRule, given: Mapping[str, float], advance: Advance | None = None, start: float = 1.0
) -> Array:
    """x (SAVED, D) of a rule on the protocol; of its last state where that is an average of the parameters.

    ``advance`` takes the place of the rule's expressions, e.g. a generated step; ``start`` multiplies x0.
    """
    data = stored()
    x0, *parts = start * data["x0"], data["a"], data["s"], data["noise"].astype(np.float64)
    values = {h.name: h.default for h in rule.hyperparameters} | {"lr": LR} | dict(given)
    numbers = [values[h.name] for h in rule.hyperparameters]
    state = [x0, *(np.zeros_like(x0) for _ in rule.states[1:])]
    for symbol, value in rule.initial:
        state[rule.states.index(symbol)] = np.full_like(x0, value)
    rows, step_of = [], advance or (_on_vectors(rule) if rule.composite else _by_expressions(rule))
    for step in range(1, reference.STEPS + 1):
        state = step_of(state, reference.Force(step, *parts), step, numbers)
        if step in reference.SAVED:
            rows.append(state[-1] if rule.states[-1].name == "average" else state[0])
    return np.array(rows)


@cache
def evaluated(rule: UpdateRule) -> Callable[..., list[Array]]:
    """(states, g, k, hyperparameters) -> next states: the rule's own expressions in numpy."""
    symbols = [*rule.states, g, k, *(h.symbol for h in rule.hyperparameters)]
    function: Callable[..., list[Array]] = sp.lambdify(symbols, list(rule.update), "numpy", cse=True)
    return function


def _by_expressions(rule: UpdateRule) -> Advance:
    function = evaluated(rule)

    def advance(state: list[Array], force: reference.Force, step: int, numbers: list[float]) -> list[Array]:
        with np.errstate(invalid="ignore", divide="ignore"):  # in branches that are not taken
            return [np.broadcast_to(y, state[0].shape) for y in function(*state, force(state[0]), step, *numbers)]

    return advance


def _on_vectors(rule: UpdateRule) -> Advance:
    """Rules of whole vectors, further gradients, workers and own draws: the walk that generated steps are held to."""

    def advance(state: list[Array], force: reference.Force, step: int, numbers: list[float]) -> list[Array]:
        values = dict(zip(rule.states, (y[:, None] for y in state), strict=True)) | {k: step}
        values |= dict(zip((h.symbol for h in rule.hyperparameters), numbers, strict=True))
        slope, scale = slope_and_scale(force)
        oracle = interpreter.Oracle(values, lambda y: slope * y, lambda y: scale, draws(force), lambda u: slope * u)
        return [y[:, 0] for y in interpreter.step(rule.update, rule.states, oracle)]

    return advance


def slope_and_scale(force: reference.Force) -> tuple[Array, Array]:
    """a and s (D, 1) of the step, 0 where there is no gradient."""
    slope, scale = force.a[:, None].copy(), force.s[:, None].copy()
    slope[force.late] = scale[force.late] = 0.0
    return slope, scale


def draws(force: reference.Force) -> dict[str, Array]:
    """The step's draws (m, D, 1) by kind: Z of the first minibatch, those of the examples, optax's private ones, and of
    the other kinds some that belong to the step."""
    noise = [force.draw(), *(force.draw(example) for example in range(reference.EXAMPLES))]
    normal = stored()["private_normals"][force.step - 1][None, :, None]
    random, shape = np.random.default_rng(force.step), (1, len(force.a), 1)
    others = {"uniform": random.uniform(-1, 1, shape), "exponential": random.exponential(size=shape) - 1}
    return {"noise": np.array(noise)[..., None], "normal": normal, **others}
