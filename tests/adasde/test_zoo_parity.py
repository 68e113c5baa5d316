"""Every rule that torch, optax or pytorch_optimizer has, against trajectories of theirs: see tests/reference."""

from __future__ import annotations

import dataclasses
import importlib.util
import json
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
import sympy as sp

from adasde.derive.emit.module import kernel_module
from adasde.derive.notation import eta, k, x
from adasde.derive.operations import own_noise, sampled
from adasde.derive.optimizers import CHECKED_IN, registry
from adasde.kernels.stages import gradient_at

REFERENCE = Path(__file__).parents[1] / "reference"


def loaded(name: str) -> ModuleType:
    """A module of tests/reference."""
    spec = importlib.util.spec_from_file_location(f"reference_{name}", REFERENCE / f"{name}.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


parity = loaded("parity")
SETTINGS: list[dict[str, Any]] = parity.comparisons()
PACKAGES = ("torch", "optax", "pytorch_optimizer")
WHOLE = [setting["case"] for setting in SETTINGS if registry()[setting["rule"]].composite]


@pytest.mark.parametrize("setting", SETTINGS, ids=[setting["case"] for setting in SETTINGS])
def test_rules_are_those_of_the_packages(setting: dict[str, Any]) -> None:
    """200 steps in closed loop stay within 1e-13 (1e-12 for schedule-free rules) of the stored positions."""
    found = parity.difference(setting["rule"], setting["case"], setting["ours"])
    assert found <= parity.LOOSER.get(setting["rule"], parity.TOLERANCE)


@pytest.mark.parametrize("known", parity.DISAGREEMENTS, ids=lambda known: f"{known.rule} {known.case}")
def test_known_disagreements(known: Any) -> None:
    """Where packages are known to differ they do, by far more than rounding: the comparison can fail. What is the same
    rule in less precision (norms in float32, iterations in bfloat16) stays below what that may cost."""
    found = parity.difference(known.rule, known.case, parity.shared(known.case) | known.given)
    assert parity.ROUNDING < found < known.below, known.why


def test_figures_of_the_disagreements() -> None:
    """The two that the reference notes give: optax's Adan and the clip of ADOPT, on other draws."""
    assert 0.1 < parity.difference("adan", "adan_optax", {}) < 0.6
    assert 1e-3 < parity.difference("adopt", "adopt_optax", {}) < 1e-2


def test_the_table_is_fresh() -> None:
    """docs/parity.md is what is measured now, and a page with another figure or word is not."""
    fresh, text = parity.table(), parity.TABLE.read_text(encoding="utf-8")
    assert parity.stale(text, fresh) is None
    assert parity.stale(text.replace("5.2e-03", "6.2e-03"), fresh) and parity.stale(text.replace("SGDW", "SGD"), fresh)


def test_every_rule_of_a_package_is_compared() -> None:
    """The page names no rule of a package without a comparison, and the rest by name as rules of papers."""
    others, papers = (line.partition(": ")[2].rstrip(".").split(", ") for line in parity.table().splitlines()[-3::2])
    compared = {setting["rule"] for setting in SETTINGS}
    assert others == ["none"] and {*compared, *papers} == set(registry())
    assert {registry()[name].dialect for name in papers} == {"paper"} and compared.isdisjoint(papers)
    assert set(PACKAGES) == {setting["package"] for setting in SETTINGS}


def test_the_file_holds_the_cases_of_today() -> None:
    """A case that is changed, or added, has no trajectory before `make_zoo_trajectories` is run again."""
    cases = json.loads(json.dumps(parity.reference.settings()))
    assert cases == parity.settings() and {case["case"] for case in cases} <= set(parity.stored())


def test_clips_clip_some_steps_and_not_others() -> None:
    """Both branches of every clip are compared: by value, of the norm, and of the norms of single examples."""
    data = parity.stored()
    parts = data["a"], data["s"], data["noise"].astype(float)
    forces = [parity.reference.Force(step, *parts) for step in range(1, parity.reference.STEPS + 1)]
    for case, size in (("clip norm", np.linalg.norm), ("clip value", np.abs), ("dp_sgd", np.linalg.norm)):
        clip = next(setting["ours"]["clip"] for setting in SETTINGS if setting["case"] == case)
        x = np.repeat(data[case], np.diff([0, *parity.reference.SAVED]), axis=0)  # as it was about then
        beyond = np.mean(
            [size(force(y, example)) > clip for force, y in zip(forces, x, strict=True) for example in (0, 1)]
        )
        assert 0.03 < beyond < 0.97


@pytest.mark.parametrize(
    ("case", "change"),
    [
        ("momentum damped", lambda update: update.subs(sp.Eq(k, 1), sp.false)),
        ("adabelief", lambda update: update.subs(eta, eta * (1 + 1e-9))),
        ("yogi", lambda update: update.subs(k, k + 1)),
        ("lamb_clamped far", lambda update: update.replace(sp.Min, lambda *e: next(y for y in e if y != 10))),
        ("muon_optax", lambda update: update.subs(k, k + 1)),
        ("sam", lambda update: update.replace(sampled, lambda at, batch: sampled(at + (at - x) / 10**6, batch))),
        ("dp_sgd", lambda update: update.subs(own_noise("normal"), -own_noise("normal"))),
        ("lars_summed", lambda update: update.replace(sp.Piecewise, lambda *e: sp.Piecewise(*e) + 1e-9)),
    ],
)
def test_a_changed_rule_is_noticed(case: str, change: Callable[[sp.Expr], sp.Expr]) -> None:
    """No first step of its own, a learning rate off by 1e-9, a bias correction one step late, a radius off by 1e-6,
    noise of the other sign, a ratio of lengths off by 1e-9, a length without its upper bound."""
    setting = next(setting for setting in SETTINGS if setting["case"] == case)
    rule = registry()[setting["rule"]]
    wrong = dataclasses.replace(rule, update=tuple(map(change, rule.update)))
    gap = np.abs(parity.trajectory(wrong, setting["ours"], start=setting["start"]) - parity.stored()[case]).max()
    assert gap > 1e-11


def test_initial_values_matter() -> None:
    """optax's Adagrad starts at 0.1."""
    rule = dataclasses.replace(registry()["adagrad_optax"], initial=())
    assert np.abs(parity.trajectory(rule, {}) - parity.stored()["adagrad_optax"]).max() > 1e-2


def stepped(name: str) -> Callable[..., Any]:
    """The body of a rule's generated step, as `parity.trajectory` calls it."""
    module: dict[str, Any] = {}
    exec(kernel_module(registry()[name], [], {}, "none"), module)
    module["gradient_at"] = gradient_at.py_func

    def advance(state: list[np.ndarray], force: Any, step: int, numbers: list[float]) -> list[np.ndarray]:
        names = [h.name for h in module["HYPERPARAMETERS"]]
        p = module["parameters"](**dict(zip(names, numbers, strict=True)))
        lanes, time = np.array(state)[:, None, :], ((step - 1) * p[0], p[0])
        if registry()[name].composite:
            return in_stages(module["algorithm"], np.swapaxes(lanes, 1, 2).copy(), force, (p, step, *time))
        one = force(state[0])[None, :]
        zero, empty = np.zeros_like(one), np.empty((0, 1, one.size))
        module["algorithm"](lanes, one, zero, empty, zero[None], p, step, *time)
        return list(lanes[:, 0])

    return advance


def in_stages(body: Callable[..., None], state: np.ndarray, force: Any, at: tuple[Any, ...]) -> list[np.ndarray]:
    """States after a generated step in stages, run as Python."""
    slope, scale = parity.rule_walk.slope_and_scale(force)

    def field(y: np.ndarray, out: np.ndarray, _: np.ndarray) -> None:
        out[:] = slope * y

    draws, data = parity.rule_walk.draws(force).values(), np.empty(0)
    body(state, slope * state[0], scale, field, field, field, field, 0.0, data, *draws, *at)
    return list(state[:, :, 0])


@pytest.mark.parametrize("name", ["radam", "adopt", "schedule_free_sgd", "adan", "nadam"])
def test_generated_steps_are_the_rules(name: str) -> None:
    """Branches, further states, initial values and powers of k in the generated code, over 200 steps."""
    rule = registry()[name]
    assert name not in CHECKED_IN
    gap = np.abs(parity.trajectory(rule, {}, stepped(name)) - parity.trajectory(rule, {})).max()
    assert gap <= parity.TOLERANCE


@pytest.mark.parametrize("case", WHOLE)
def test_generated_stages_are_those_of_the_packages(case: str) -> None:
    """Norms, further gradients, examples and matrices in the generated code itself, against the package."""
    setting = next(setting for setting in SETTINGS if setting["case"] == case)
    found = parity.trajectory(registry()[setting["rule"]], setting["ours"], stepped(setting["rule"]), setting["start"])
    assert np.abs(found - parity.stored()[case]).max() <= parity.TOLERANCE


def test_tanh_is_sigmoid_with_twice_the_slope() -> None:
    """1 + tanh u = 2 sigmoid(2 u): tanhSignGrad(b, lr) is sigSignGrad(2 b, 2 lr), exactly."""
    tanh = parity.trajectory(registry()["tanhsigngrad"], {"slope": 0.7, "lr": 1e-2})
    sigmoid = parity.trajectory(registry()["sigsigngrad"], {"slope": 1.4, "lr": 2e-2})
    assert np.abs(tanh - sigmoid).max() < 1e-13
    assert np.abs(tanh - parity.trajectory(registry()["sigsigngrad"], {"slope": 0.7, "lr": 2e-2})).max() > 1e-4


def admeta(adaptive: bool) -> np.ndarray:
    """The paper's listing with x_0 as the first anchor and a lookahead at speed 0.8 every sixth step, typed by hand."""
    data = parity.stored()
    x, *forces = data["x0"], data["a"], data["s"], data["noise"].astype(float)
    lam, b1, b2, lr = (0.2, 0.9, 0.999, 1e-3) if adaptive else (0.9, 0.2, 0.0, 1e-3)
    summed, m, v, anchor = (np.zeros_like(x) for _ in range(4))
    anchor, limit, rows = x.copy(), 2 / (1 - b2) - 1, []
    for t in range(1, parity.reference.STEPS + 1):
        g = parity.reference.Force(t, *forces)(x)
        summed = lam * summed + g
        h = (10 / lam - 9) * g + (25 - 10 * (lam + 1 / lam)) * summed
        m = b1 * m + (1 - b1) * h
        rho = limit - 2 * t * b2**t / (1 - b2**t)
        if adaptive and rho > 4:
            v = b2 * v + (1 - b2) * h**2
            r = np.sqrt((rho - 4) * (rho - 2) * limit / ((limit - 4) * (limit - 2) * rho))
            x = x - lr * r * m / (1 - b1**t) / (np.sqrt(v / (1 - b2**t)) + 1e-8)
        else:
            x = x - lr * (m / (1 - b1**t) if adaptive else m)
        if t % 6 == 0:
            anchor = anchor + 0.8 * (x - anchor)
            x = anchor.copy()
        if t in parity.reference.SAVED:
            rows.append(x)
    return np.array(rows)


@pytest.mark.parametrize("name", ["admeta_s", "admeta_r"])
def test_admeta_is_the_papers_listing(name: str) -> None:
    """Against the listing typed by hand, to 1e-12; the public code is another rule and not compared."""
    found = parity.trajectory(registry()[name], {"lr": 1e-3})
    assert np.abs(found - admeta(name == "admeta_r")).max() < 1e-12


def discounted_sums(beta: float, gamma: float, largest: float) -> np.ndarray:
    """The average of clipped Adam as the paper has it: z = -clip_D(gamma m/sqrt v) of discounted sums m and v, where
    0/0 is 0, x += alpha z with alpha ~ Exp(1), and ((beta - beta^t) average + (1 - beta) x)/(1 - beta^t)."""
    data = parity.stored()
    x, *forces = data["x0"], data["a"], data["s"], data["noise"].astype(float)
    summed, squares, average, rows = *(np.zeros_like(x) for _ in range(3)), []
    for t in range(1, parity.reference.STEPS + 1):
        force = parity.reference.Force(t, *forces)
        g = force(x)
        summed, squares = beta * summed + g, beta**2 * squares + g**2
        ratio = np.divide(summed, np.sqrt(squares), out=np.zeros_like(x), where=squares > 0)
        alpha = 1 + parity.rule_walk.draws(force)["exponential"][0, :, 0]
        x = x - alpha * np.clip(gamma * ratio, -largest, largest)
        average = ((beta - beta**t) * average + (1 - beta) * x) / (1 - beta**t)
        rows.append(average)
    return np.array([rows[t - 1] for t in parity.reference.SAVED])


def test_clipped_adam_is_the_papers_sums_in_other_units() -> None:
    """gamma = lr sqrt((1 - beta)/(1 + beta)) and D = lr clip: expressions and generated code, to 1e-12; the clip holds
    some steps and lets others pass."""
    rule, beta, lr, clip = registry()["adam_clipped"], 0.95, 1e-2, 0.5
    given, gamma = {"beta1": beta, "lr": lr, "clip": clip, "eps": 1e-30}, lr * np.sqrt((1 - beta) / (1 + beta))
    exact = discounted_sums(beta, gamma, lr * clip)
    for advance in (None, stepped(rule.name)):
        assert np.abs(parity.trajectory(rule, given, advance) - exact).max() < 1e-12
    for other in (discounted_sums(beta, gamma, 1.0), discounted_sums(beta, 1.0, lr * clip)):
        assert np.abs(other - exact).max() > 1e-2


@pytest.mark.slow
@pytest.mark.parametrize("package", PACKAGES)
def test_the_packages_installed_here_agree(package: str) -> None:
    """The stored trajectories of a package, computed now by the one that is installed."""
    pytest.importorskip(package)
    inputs = parity.reference.problem()
    if package == "optax":
        normals = loaded("zoo_packages").private_normals(*parity.stored()["noise"].shape)
        np.testing.assert_array_equal(normals, parity.stored()["private_normals"])
    for name, values in zip(("x0", "a", "s"), inputs, strict=False):
        np.testing.assert_array_equal(parity.stored()[name], values)
    for setting in parity.settings():
        if setting["package"] == package:
            live = parity.reference.followed(setting, inputs)
            np.testing.assert_allclose(live, parity.stored()[setting["case"]], rtol=0, atol=1e-13)
