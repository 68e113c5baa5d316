"""Every generated step as machine code: vectorised, the same bytes lane by lane, an Euler step in form."""

from __future__ import annotations

import re
from typing import Any

import numpy as np
import pytest
from numba import njit
from numpy.typing import NDArray

from adasde.kernels.lanes import STEP, StepKernel
from adasde.kernels.student_t import student_t_data
from adasde.optimizers import kernels, names

Array = NDArray[np.float64]

STEPS = {
    f"{optimizer}-{model}-{law}": (optimizer, step)
    for optimizer in names()
    for model, laws in kernels(optimizer).MODELS.items()
    for law, step in laws.items()
    if (model, law) != ("algorithm", "student-t")  # the algorithm takes whatever noise it is given
}
MODELS = {name: value for name, value in STEPS.items() if "-algorithm-" not in name}

LAW = tuple(student_t_data(5.5))  # the numbers of the law, where it is Student-t
LANES = 13  # no multiple of any vector length: the remainder loop runs too


def arguments(optimizer: str, step: StepKernel, d: int = 3, lanes: int = LANES) -> tuple[Any, ...]:
    """State, gradient, scale, curvature, noise, p, k, t and dt away from the singular start, with v > 0."""
    rng = np.random.default_rng(3)
    module = kernels(optimizer)
    state = rng.standard_normal((len(module.STATES), d, lanes))
    if "v" in module.STATES:
        state[module.STATES.index("v")] = 1 + rng.random((d, lanes))
    gradient, noise = rng.standard_normal((d, lanes)), rng.standard_normal((step.noises, d, lanes))
    p = module.parameters(lr=0.01, law=LAW)
    curvature = rng.standard_normal((2, d, lanes))
    return state, gradient, 0.5 + rng.random((d, lanes)), curvature, noise, p, 40, 0.39, 0.004


def after(step: Any, state: Array, *rest: Any) -> Array:
    moved = state.copy()
    step(moved, *rest)
    return moved


def test_many_degrees_of_freedom() -> None:
    """The density of Student-t noise beyond nu = 343, where its gamma functions overflow, up to the normal law."""
    module = kernels("signsgd")
    laws = module.MODELS["order2"]
    state, *rest = arguments("signsgd", laws["student-t"])
    found = {}
    for nu in (300.0, 342.0, 344.0, 400.0, 1e8):
        rest[4] = module.parameters(lr=0.01, law=tuple(student_t_data(nu)))
        found[nu] = after(laws["student-t"], state, *rest) - state
    normal = after(laws["gaussian"], state, *rest) - state
    np.testing.assert_allclose(found[1e8], normal, rtol=1e-6)
    for nu in (300.0, 342.0, 344.0, 400.0):  # the law differs from the normal one by O(1/nu)
        gap = nu * (found[nu] - normal)
        np.testing.assert_allclose(gap, 300 * (found[300.0] - normal), rtol=0, atol=0.02 * np.abs(gap).max())


@pytest.mark.parametrize("name", [name for name in STEPS if "2025" not in name])
def test_the_inner_loop_is_vectorised(name: str) -> None:
    """LLVM turned the loop over lanes into arithmetic on vectors of doubles. Compiled afresh, because what comes
    from the disk cache cannot be inspected."""
    fresh = njit(STEP, nogil=True, error_model="numpy")(STEPS[name][1].body)
    (text,) = fresh.inspect_llvm().values()
    widths = {int(n) for n in re.findall(r"f(?:add|sub|mul|div) [^<\n]*<(\d+) x double>", text)}
    assert "vector.body" in text and max(widths, default=1) >= 2


@pytest.mark.parametrize("name", STEPS)
def test_lanes_do_not_meet(name: str) -> None:
    """13 lanes in one call, each lane alone, and coordinates laid out as lanes: the same bytes, in vector code
    and in its remainder."""
    optimizer, step = STEPS[name]
    state, gradient, scale, curvature, noise, *rest = arguments(optimizer, step)
    together = after(step.compiled, state, gradient, scale, curvature, noise, *rest)
    for j in range(LANES):
        one = [np.ascontiguousarray(a[..., j : j + 1]) for a in (state, gradient, scale, curvature, noise)]
        assert after(step.compiled, *one, *rest).tobytes() == together[..., j : j + 1].tobytes()
    flat = [a.reshape(*a.shape[:-2], 1, -1) for a in (state, gradient, scale, curvature, noise)]
    assert after(step.compiled, *flat, *rest).tobytes() == together.tobytes()


@pytest.mark.parametrize("name", MODELS)
def test_models_are_euler_steps(name: str) -> None:
    """state' = state + b dt + sqrt(dt) B z: nothing happens at dt = 0, opposite draws average to the drift,
    which is proportional to dt, and the noise to its root."""
    optimizer, step = MODELS[name]
    state, gradient, scale, curvature, noise, p, k, t, dt = arguments(optimizer, step)

    def moved(z: Array, dt: float) -> Array:
        return after(step.compiled, state, gradient, scale, curvature, z, p, k, t, dt) - state

    assert not moved(noise, 0.0).any()
    drift = moved(0 * noise, dt)
    assert np.abs(drift).max() > 1e-6
    np.testing.assert_allclose(moved(noise, dt) + moved(-noise, dt), 2 * drift, rtol=0, atol=1e-14)
    np.testing.assert_allclose(moved(0 * noise, 3 * dt), 3 * drift, rtol=0, atol=1e-14)
    random, wider = moved(noise, dt) - drift, moved(noise, 4 * dt) - 4 * drift
    np.testing.assert_allclose(wider, 2 * random, rtol=0, atol=1e-14)
    assert (np.abs(random[0]) > 1e-9).any() or (np.abs(random[1]) > 1e-9).any()


@pytest.mark.parametrize("name", STEPS)
def test_hyperparameters_are_arguments(name: str) -> None:
    """Every hyperparameter of the optimizer reaches its steps through p: another value, another result."""
    optimizer, step = STEPS[name]
    module = kernels(optimizer)
    state, gradient, scale, curvature, noise, p, *rest = arguments(optimizer, step)
    before = after(step.compiled, state, gradient, scale, curvature, noise, p, *rest)
    for h in module.HYPERPARAMETERS:
        other = module.parameters(**({"lr": 0.01} | {h.name: 0.5}), law=LAW)
        assert (after(step.compiled, state, gradient, scale, curvature, noise, other, *rest) != before).any(), h.name


@pytest.mark.parametrize("name", [name for name in STEPS if not name.startswith(("sgd", "signsgd"))])
def test_a_second_moment_at_or_below_zero_is_survived(name: str) -> None:
    """v = 0 where gradients are not, and a v that Euler's noise took below zero, give finite steps."""
    optimizer, step = STEPS[name]
    state, *rest = arguments(optimizer, step)
    for v in (0.0, -1e-9):
        if v < 0 and "-algorithm-" in name:
            continue  # the optimizer's own v is never negative
        state[kernels(optimizer).STATES.index("v")] = v
        assert np.isfinite(after(step.compiled, state, *rest)).all()
