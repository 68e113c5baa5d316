"""Every rule that torch, optax or pytorch_optimizer has, against trajectories of theirs: see tests/reference."""

from __future__ import annotations

import dataclasses
import importlib.util
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
import sympy as sp

from adasde.derive.emit.module import kernel_module
from adasde.derive.notation import eta, k
from adasde.derive.optimizers import CHECKED_IN, registry

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
SETTINGS: list[dict[str, Any]] = parity.settings()
PACKAGES = ("torch", "optax", "pytorch_optimizer")


@pytest.mark.parametrize("setting", SETTINGS, ids=[setting["case"] for setting in SETTINGS])
def test_rules_are_those_of_the_packages(setting: dict[str, Any]) -> None:
    """200 steps in closed loop stay within 1e-13 (1e-12 for schedule-free rules) of the stored positions."""
    found = parity.difference(setting["rule"], setting["case"], setting["ours"])
    assert found <= parity.LOOSER.get(setting["rule"], parity.TOLERANCE)


@pytest.mark.parametrize(("rule", "case", "given", "why"), parity.DISAGREEMENTS, ids=lambda value: str(value)[:40])
def test_known_disagreements(rule: str, case: str, given: dict[str, float], why: str) -> None:
    """Where packages are known to differ they do, by far more than rounding: the comparison can fail."""
    assert parity.difference(rule, case, parity._shared(case) | given) > 1e-11, why


def test_figures_of_the_disagreements() -> None:
    """The two that the reference notes give: optax's Adan and the clip of ADOPT, on other draws."""
    assert 0.1 < parity.difference("adan", "adan_optax", {}) < 0.6
    assert 1e-3 < parity.difference("adopt", "adopt_optax", {}) < 1e-2


def test_the_table_is_fresh() -> None:
    """docs/parity.md is what is measured now, and a page with another figure or word is not."""
    fresh, text = parity.table(), parity.TABLE.read_text(encoding="utf-8")
    assert parity.stale(text, fresh) is None
    assert parity.stale(text.replace("5.2e-03", "6.2e-03"), fresh) and parity.stale(text.replace("SGDW", "SGD"), fresh)


UNCOMPARED = ["adam_averaged", "dp_sgd", "lamb", "lars", "muon", "normalized_sgd", "sam", "sgd_clip_norm"]
UNCOMPARED += ["sgd_clip_value"]
"""Rules of a package without a stored trajectory of it; `test_composite` holds those of whole vectors against numpy."""


def test_every_rule_is_compared_or_named() -> None:
    """Each rule has a comparison, or the page says that it has none, and whether a package has the rule."""
    others, papers = (line.partition(": ")[2].rstrip(".").split(", ") for line in parity.table().splitlines()[-3::2])
    compared = {setting["rule"] for setting in SETTINGS}
    assert others == UNCOMPARED and {*compared, *others, *papers} == set(registry())
    assert {"torch", "optax", "pytorch_optimizer"} == {setting["package"] for setting in SETTINGS}


@pytest.mark.parametrize(
    ("case", "change"),
    [
        ("momentum damped", lambda update: update.subs(sp.Eq(k, 1), sp.false)),
        ("adabelief", lambda update: update.subs(eta, eta * (1 + 1e-9))),
        ("yogi", lambda update: update.subs(k, k + 1)),
    ],
)
def test_a_changed_rule_is_noticed(case: str, change: Callable[[sp.Expr], sp.Expr]) -> None:
    """No first step of its own, a learning rate off by 1e-9, a bias correction one step late."""
    setting = next(setting for setting in SETTINGS if setting["case"] == case)
    rule = registry()[setting["rule"]]
    wrong = dataclasses.replace(rule, update=tuple(map(change, rule.update)))
    gap = np.abs(parity.trajectory(wrong, setting["ours"]) - parity.stored()[case]).max()
    assert gap > 1e-11


def test_initial_values_matter() -> None:
    """optax's Adagrad starts at 0.1."""
    rule = dataclasses.replace(registry()["adagrad_optax"], initial=())
    assert np.abs(parity.trajectory(rule, {}) - parity.stored()["adagrad_optax"]).max() > 1e-2


def stepped(name: str) -> Callable[..., Any]:
    """The body of a rule's generated step, as `parity.trajectory` calls it."""
    module: dict[str, Any] = {}
    exec(kernel_module(registry()[name], [], {}, "none"), module)

    def advance(state: list[np.ndarray], gradient: np.ndarray, step: int, numbers: list[float]) -> list[np.ndarray]:
        names = [h.name for h in module["HYPERPARAMETERS"]]
        p = module["parameters"](**dict(zip(names, numbers, strict=True)))
        lanes, one = np.array(state)[:, None, :], gradient[None, :]
        zero, empty = np.zeros_like(one), np.empty((0, 1, gradient.size))
        module["algorithm"](lanes, one, zero, empty, zero[None], p, step, (step - 1) * p[0], p[0])
        return list(lanes[:, 0])

    return advance


@pytest.mark.parametrize("name", ["radam", "adopt", "schedule_free_sgd", "adan", "nadam"])
def test_generated_steps_are_the_rules(name: str) -> None:
    """Branches, further states, initial values and powers of k in the generated code, over 200 steps."""
    rule = registry()[name]
    assert name not in CHECKED_IN
    gap = np.abs(parity.trajectory(rule, {}, stepped(name)) - parity.trajectory(rule, {})).max()
    assert gap <= parity.TOLERANCE


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
        g = parity.reference.gradient(x, t, *forces)
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


@pytest.mark.slow
@pytest.mark.parametrize("package", PACKAGES)
def test_the_packages_installed_here_agree(package: str) -> None:
    """The stored trajectories of a package, computed now by the one that is installed."""
    pytest.importorskip(package)
    inputs = parity.reference.problem()
    for name, values in zip(("x0", "a", "s"), inputs, strict=False):
        np.testing.assert_array_equal(parity.stored()[name], values)
    for setting in SETTINGS:
        if setting["package"] == package:
            live = parity.reference.followed(setting, inputs)
            np.testing.assert_allclose(live, parity.stored()[setting["case"]], rtol=0, atol=1e-13)
