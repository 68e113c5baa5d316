"""The generated optimizers against torch.optim, step by step on stored gradients.

Absolute tolerance 1e-13 on x and on the buffers: coordinates cross zero, so relative ones would mislead.
"""

from __future__ import annotations

import importlib.util
import json
from collections.abc import Callable
from operator import attrgetter
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from adasde.optimizers import kernels

Array = NDArray[np.float64]
Step = Callable[..., None]

REFERENCE = Path(__file__).parents[1] / "reference"
ATOL = 1e-13
STATES = {"x": "x", "exp_avg": "m", "exp_avg_sq": "v", "square_avg": "v"}
FORMS: dict[str, Callable[[Any], Step]] = {"python": lambda step: step, "compiled": attrgetter("compiled")}


def stored() -> dict[str, Array]:
    with np.load(REFERENCE / "torch_trajectories.npz") as file:
        return {name: file[name] for name in file.files}


STORED = stored()
SETTINGS: list[dict[str, Any]] = json.loads(str(STORED["about"]))["settings"]


def hyperparameters(setting: dict[str, Any]) -> dict[str, float]:
    """torch's arguments under our names."""
    ours = {name: value for name, value in setting.items() if name in ("lr", "eps", "weight_decay")}
    if "alpha" in setting:
        ours["beta2"] = setting["alpha"]
    if "betas" in setting:
        ours["beta1"], ours["beta2"] = setting["betas"]
    return ours


def trajectory(
    optimizer: str, hyper: dict[str, float], x0: Array, gradients: Array, form: str = "compiled"
) -> dict[str, Array]:
    """Every state of the algorithm after 0, 1, ... steps on the gradients, without noise: (steps + 1, d)."""
    module = kernels(optimizer)
    step, p = FORMS[form](module.algorithm), module.parameters(**hyper)
    state = np.zeros((len(module.STATES), 1, x0.size))
    state[0, 0] = x0
    zero, empty = np.zeros((1, x0.size)), np.empty((0, 1, x0.size))
    rows = [state[:, 0].copy()]
    for k, g in enumerate(gradients, 1):
        step(
            state,
            np.array(g[None]),
            zero,
            empty,
            np.ones((1, 1, x0.size)),
            p,
            k,
            (k - 1) * p[0],
            p[0],
        )
        rows.append(state[:, 0].copy())
    return {name: np.array(rows)[:, i] for i, name in enumerate(module.STATES)}


def compare(reference: dict[str, Array], setting: dict[str, Any], form: str) -> None:
    """x after every step, and the buffers wherever the reference has them."""
    case = setting["case"]
    x = reference[f"{case}/x"]
    gradients, steps = reference["gradients"], reference["buffer_steps"]
    ours = trajectory(setting["optimizer"].lower(), hyperparameters(setting), x[0], gradients, form)
    for name in (key.split("/")[1] for key in reference if key.startswith(f"{case}/")):
        found = ours[STATES[name]] if name == "x" else ours[STATES[name]][steps]
        np.testing.assert_allclose(found, reference[f"{case}/{name}"], rtol=0, atol=ATOL, err_msg=name)


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("setting", SETTINGS, ids=[setting["case"] for setting in SETTINGS])
def test_algorithms_are_those_of_torch(setting: dict[str, Any], form: str) -> None:
    """200 steps of the generated step, plain and compiled, stay within 1e-13 of torch's stored x and buffers,
    on gradients from 1e-6 to 1 with exact zeros."""
    compare(STORED, setting, form)


def test_the_reference_has_small_gradients_and_zeros() -> None:
    """What the comparison is worth: magnitudes below 1e-5 and near 1, both signs, zeros from the start."""
    g = STORED["gradients"]
    sizes = np.abs(g[g != 0])
    assert sizes.min() < 1e-5 and sizes.max() > 0.5 and (g > 0).any() and (g < 0).any()
    assert (g[0] == 0).any() and (g == 0).sum() >= 30


@pytest.mark.parametrize("form", FORMS)
def test_rmspropw_decays_before_the_step(form: str) -> None:
    """RMSprop-W is y' = (1 - eta theta) y + (RMSprop's stored step), to 1e-13: the decay acts on the old
    position and never on the step or the gradient. Decay after the step is 1e-8 and more away."""
    setting = next(setting for setting in SETTINGS if setting["case"] == "rmsprop")
    hyper = hyperparameters(setting) | {"weight_decay": 0.1}
    x = STORED["rmsprop/x"]
    ours = trajectory("rmspropw", hyper, x[0], STORED["gradients"], form)
    keep = 1 - setting["lr"] * 0.1
    before, after = [x[0]], [x[0]]
    for step in np.diff(x, axis=0):
        before.append(keep * before[-1] + step)
        after.append(keep * (after[-1] + step))
    np.testing.assert_allclose(ours["x"], before, rtol=0, atol=ATOL)
    assert np.abs(ours["x"] - after).max() > 1e-8
    steps = STORED["buffer_steps"]
    np.testing.assert_allclose(ours["v"][steps], STORED["rmsprop/square_avg"], rtol=0, atol=ATOL)


@pytest.mark.parametrize(("optimizer", "decayed"), [("adam", "adamw"), ("rmsprop", "rmspropw")])
def test_no_decay_is_the_plain_optimizer(optimizer: str, decayed: str) -> None:
    """With theta = 0 the decoupled variants take the steps of the plain ones."""
    x0, g = STORED["adam_1/x"][0], STORED["gradients"]
    plain = trajectory(optimizer, {"lr": 0.01}, x0, g)
    other = trajectory(decayed, {"lr": 0.01, "weight_decay": 0.0}, x0, g)
    for name, values in plain.items():
        np.testing.assert_allclose(other[name], values, rtol=0, atol=ATOL)


@pytest.mark.parametrize("form", FORMS)
def test_signsgd_stands_still_at_zero(form: str) -> None:
    """sign(0) = 0 for both zeros, and +-1 for everything else down to the smallest number."""
    g = np.array([0.0, -0.0, 5e-324, -5e-324, 1e-300, -1.0, 1e300])
    x = trajectory("signsgd", {"lr": 0.25}, np.full(7, 2.0), g[None], form)["x"]
    np.testing.assert_array_equal(x[1], [2.0, 2.0, 1.75, 2.25, 1.75, 2.25, 1.75])


@pytest.mark.parametrize("form", FORMS)
def test_signsgd_on_stored_gradients(form: str) -> None:
    """200 steps are x0 - eta times the sum of numpy's signs."""
    x0, g = STORED["sgd/x"][0], STORED["gradients"]
    x = trajectory("signsgd", {"lr": 0.01}, x0, g, form)["x"]
    np.testing.assert_allclose(x[1:], x0 - 0.01 * np.cumsum(np.sign(g), axis=0), rtol=0, atol=ATOL)


@pytest.mark.parametrize("optimizer", ["sgd", "signsgd", "rmsprop", "rmspropw", "adam", "adamw"])
def test_plain_and_compiled_steps_agree_with_noise(optimizer: str) -> None:
    """With draws, g = G + s z: feeding G, s and z equals feeding g, in Python and in machine code."""
    rng = np.random.default_rng(5)
    module = kernels(optimizer)
    p = module.parameters(lr=0.01)
    G, s, z = rng.standard_normal((3, 2, 7))
    state = rng.random((len(module.STATES), 2, 7))
    moved = {}
    for name, gradient, scale in (("split", G, np.abs(s)), ("whole", G + np.abs(s) * z, np.zeros_like(s))):
        for form, of in FORMS.items():
            moved[name, form] = state.copy()
            of(module.algorithm)(moved[name, form], gradient, scale, np.empty((0, 2, 7)), z[None], p, 3, 0.02, 0.01)
    for found in moved.values():
        np.testing.assert_allclose(found, moved["whole", "python"], rtol=0, atol=1e-15)
    assert np.abs(moved["split", "python"][0] - state[0]).min() > 1e-6


def maker() -> ModuleType:
    spec = importlib.util.spec_from_file_location("maker", REFERENCE / "make_torch_trajectories.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_algorithms_are_those_of_the_torch_installed_here() -> None:
    """The same against trajectories that the installed torch computes now; the stored ones agree with it."""
    pytest.importorskip("torch")
    live = maker().trajectories()
    for setting in maker().settings():
        compare(live, setting, "compiled")
    for name, values in live.items():
        np.testing.assert_allclose(values, STORED[name], rtol=0, atol=ATOL, err_msg=name)


def test_rmspropw_is_torchs_rmsprop_after_a_decay() -> None:
    """torch has no RMSprop-W; ours is torch.optim.RMSprop with x *= 1 - eta theta before each step."""
    torch = pytest.importorskip("torch")
    g, x0, lr, decay = STORED["gradients"], STORED["rmsprop/x"][0], 1e-2, 0.1
    x = torch.tensor(x0, dtype=torch.float64, requires_grad=True)
    optimizer = torch.optim.RMSprop([x], lr=lr, alpha=0.99, eps=1e-8, foreach=False)
    rows = [x0]
    for gradient in g:
        with torch.no_grad():
            x.mul_(1 - lr * decay)
        x.grad = torch.tensor(gradient, dtype=torch.float64)
        optimizer.step()
        rows.append(x.detach().numpy().copy())
    ours = trajectory("rmspropw", {"lr": lr, "beta2": 0.99, "eps": 1e-8, "weight_decay": decay}, x0, g)
    np.testing.assert_allclose(ours["x"], rows, rtol=0, atol=ATOL)
