"""Draws of every noise law, and kernels of rules that are not checked in: for `cuda_simulator.py` and the PTX tests."""

from __future__ import annotations

import math
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import numpy as np
import sympy as sp
from scipy import special as scipy_special

from adasde.derive.emit.cuda import cuda_module
from adasde.derive.emit.module import kernel_module
from adasde.derive.expansion import derive
from adasde.derive.language import decay, eta, g, m, state, tanh, update_rule, x
from adasde.derive.laws import law_named
from adasde.derive.model import SDE
from adasde.derive.notation import k
from adasde.derive.optimizers import registry
from adasde.derive.rule import UpdateRule
from adasde.kernels import votes
from adasde.kernels.cuda.device import draws, functions
from adasde.kernels.cuda.device import votes as device_votes
from adasde.kernels.cuda.device.numbers import empirical_numbers, mixture_numbers, two_point_numbers
from adasde.kernels.lanes import LAW_CODES
from adasde.kernels.laws import transform
from adasde.kernels.normals import fill_normals
from adasde.noise import Noise, empirical, exponential, gaussian, laplace, mixture, rademacher, two_point

PRECISIONS = (np.float32, np.float64)
NOISES = {
    "laplace": laplace(0.5),
    "exponential": exponential(0.5),
    "rademacher": rademacher(0.5),
    "two-point": two_point(0.2, 0.5),
    "mixture": mixture([0.7, 0.2, 0.1], [0, 1, -2], [0.5, 1, 2], 0.5),
    "empirical": empirical([-2.0, -0.3, 0.1, 0.4, 5.0], [1, 4, 5, 3, 0.2], 0.5),
}
PATH, SEED = 2**33 + 5, 2**40 + 12345


previous, BETA1 = state("previous", like=m), decay(1, 0.9)


@update_rule(states=(x,), dialect="paper", cite="kingma2015")
def soft():  # type: ignore[no-untyped-def]
    """A step of bounded length, whose mean is an expectation without a closed form."""
    return {x: x - eta * tanh(g)}


@update_rule(states=(x, previous), dialect="paper", cite="kingma2015")
def agreeing():  # type: ignore[no-untyped-def]
    """Two successive gradients in one function: expectations in an expectation."""
    return {x: x - eta * tanh(previous * g), previous: g}


@update_rule(states=(x, m), dialect="paper", cite="kingma2015")
def mixed(beta1=BETA1):  # type: ignore[no-untyped-def]
    """Every function that the printer knows, and branches by the number of the step."""
    u = sp.Max(-2, sp.Min(g, m + 1, 2))
    tame = sp.atan(u) + sp.erf(u) * sp.cos(3 * u) - sp.erfc(m) * sp.sin(u) / (1 + u**6)
    roots = (1 + u**2) ** sp.Rational(-3, 2) + (1 + sp.Abs(m)) ** sp.Rational(1, 3) + sp.Abs(u) ** sp.Rational(5, 2) / 8
    early = sp.Piecewise((tame, k < 5), (roots + sp.log(1 + u**2), True))
    return {x: x - eta * early * sp.exp(-(u**2)) * (1 + sp.sinh(m) / k + m * k / 100), m: beta1 * m + (1 - beta1) * g}


def draws_of_laws() -> dict[str, Any]:
    """Largest errors of what normals of every size become, and how often a choice differs from the CPU's."""
    z = np.concatenate([np.linspace(-6.77, 6.77, 800), np.logspace(-6, -1, 60), -np.logspace(-6, -1, 60)])
    z = z.astype(np.float32)
    exact = z.astype(np.float64)
    size = -np.log1p(-scipy_special.erf(np.abs(exact) / math.sqrt(2)))
    size = np.where(np.abs(exact) < 1, size, -scipy_special.log_ndtr(-np.abs(exact)) - math.log(2))
    expected = {
        "laplace": np.sign(exact) * size / math.sqrt(2),
        "exponential": -scipy_special.log_ndtr(-exact) - 1,
    }
    found: dict[str, Any] = {"choices": choices()}
    for name, value in expected.items():
        for T in PRECISIONS:
            own = np.array([getattr(draws, f"{name}_in")(T)(y) for y in z])
            assert own.dtype == T, (name, own.dtype)
            error = np.abs(own.astype(np.float64) - value)
            found[f"{name} {T.__name__}"] = float((error / (1 + np.abs(value))).max())
            found[f"{name} {T.__name__} relative"] = float((error / np.abs(value)).max())
    return found


def choices() -> dict[str, int]:
    """How many draws are of another value or component than the CPU's."""
    rows, lanes = 24, 40
    z = np.empty((rows, lanes))
    fill_normals(z, PATH, 2**34, 0, SEED)
    found = {}
    for name, noise in NOISES.items():
        if name in ("laplace", "exponential"):
            continue
        data, expected = noise.law_data, z.copy()
        transform(expected, LAW_CODES[name], data, PATH, 2**34, SEED)
        for T in PRECISIONS:
            own = np.array([_chosen(name, T, data, z[:, j].astype(np.float32), j) for j in range(lanes)]).T
            found[f"{name} {T.__name__}"] = int((np.abs(own - expected) > 1e-6 * (1 + np.abs(expected))).sum())
    return found


def _chosen(name: str, T: Any, data: Any, z: Any, lane: int) -> list[float]:
    if name == "rademacher":
        return [float(draws.rademacher_in(T)(y)) for y in z]
    if name == "two-point":
        return [float(draws.two_point(y, two_point_numbers(data).astype(T))) for y in z]
    if name == "empirical":
        return [float(draws.empirical(y, empirical_numbers(data).astype(T))) for y in z]
    words, numbers, first = np.zeros(4, np.uint32), mixture_numbers(data).astype(T), 2**34
    drawn = [draws.word(words, first + r, first, PATH + lane, SEED) for r in range(len(z))]
    return [float(draws.mixture(T(y), w, numbers)) for y, w in zip(z, drawn, strict=True)]


def device_functions() -> dict[str, float]:
    """Largest errors of the functions of `functions` and `votes`, absolute or relative as their docstrings say."""
    found = {}
    rng = np.random.default_rng(7)
    small, wide = np.linspace(-50, 50, 301), rng.uniform(-(2.0**16), 2.0**16, 100)
    for T in PRECISIONS:
        values = np.concatenate([small, wide]).astype(T)
        exact = values.astype(np.float64)
        sin, cos, power = functions.sin_in(T), functions.cos_in(T), functions.power_in(T)
        whole = functions.whole_power_in(T)
        name = T.__name__
        found[f"sin {name}"] = float(max(abs(float(sin(v)) - math.sin(e)) for v, e in zip(values, exact, strict=True)))
        found[f"cos {name}"] = float(max(abs(float(cos(v)) - math.cos(e)) for v, e in zip(values, exact, strict=True)))
        cases = [(T(b), T(e)) for b in (1e-3, 0.5, 3.0, 700.0) for e in (-2.5, -1 / 3, 0.0, 0.7, 3.1)]
        logs = [abs(float(e) * math.log(b)) for b, e in cases]
        errors = [
            abs(float(power(b, e)) / float(b) ** float(e) - 1) / (2 + w) for (b, e), w in zip(cases, logs, strict=True)
        ]
        found[f"power {name}"] = max(errors)
        found[f"whole_power {name}"] = max(
            abs(float(whole(T(b), n)) / float(T(b)) ** n - 1) for b in (-1.7, 0.3, 1.1) for n in (0, 1, 5, 8, 13)
        )
        pairs = [(T(mu), n) for mu in (-0.9, -0.1, 0.0, 0.5, 0.99) for n in (1, 3, 11)]
        found[f"votes {name}"] = max(
            abs(
                float(getattr(device_votes, f"{kind}_in")(T)(abs(mu) / 2 if kind == "vote_error" else mu, T(n)))
                - getattr(votes, kind)(abs(float(mu)) / 2 if kind == "vote_error" else float(mu), float(n))
            )
            for mu, n in pairs
            for kind in ("vote", "vote_slope", "vote_error")
        )
        ends = [sin(T(math.nan)), cos(T(2.0**21)), power(T(-1), T(2)), power(T(math.nan), T(1))]
        found[f"NaN {name}"] = sum(math.isnan(v) for v in ends)
        powers = [power(T(b), T(e)) for b, e in ((0, 2), (0, 0), (0, -1), (math.inf, 0))]
        found[f"zero {name}"] = float(powers == [0, 1, math.inf, 1])
    return found


Compared = Callable[..., dict[str, float]]
Case = tuple[str, UpdateRule, list[SDE], Noise, str]
"""(name, rule, models, noise, model)."""


def rules_by_text() -> list[Case]:
    """What is generated here: every law's draws under rules of one and of three
    states, and models with closed forms, data, expectations, and expectations in expectations."""
    cases: list[Case] = []
    for law, noise in NOISES.items():
        for name in ("signsgd", "sgd", "adam"):
            cases.append((f"{name} algorithm {law}", registry()[name], [], noise, "algorithm"))
    for name in ("laplace", "mixture", "empirical"):
        noise, rule = NOISES[name], registry()["signsgd"]
        cases.append((f"signsgd sde {name}", rule, [derive(rule, law_named(noise.law_key)).sde], noise, "sde"))
    for law, order in (("laplace", 1), ("gaussian", 2)):
        sde = derive(soft, law_named(law), order).sde
        cases.append((f"soft {sde.model} {law}", soft, [sde], NOISES.get(law, gaussian(0.5)), sde.model))
    nested = derive(agreeing, law_named("gaussian")).sde
    cases.append(("agreeing sde gaussian", agreeing, [nested], gaussian(0.5), "sde"))
    cases.append(("mixed algorithm gaussian", mixed, [], gaussian(0.5), "algorithm"))
    return cases


def modules(rule: UpdateRule, sdes: list[SDE], noise: Noise) -> tuple[Any, Any]:
    """The CPU's module of a rule and the GPU's, both from their text."""
    texts = kernel_module(rule, sdes, {}, "0" * 12), cuda_module(rule, sdes, [law_named(noise.law_key)], "0" * 12)
    scopes: list[dict[str, Any]] = [{}, {}]
    for text, scope in zip(texts, scopes, strict=True):
        exec(compile(text, rule.name, "exec"), scope)
    return SimpleNamespace(**scopes[0]), SimpleNamespace(**scopes[1])


def under_data() -> tuple[Any, Any]:
    """The CPU's module of SignSGD and its model under data, and the GPU's models."""
    rule = registry()["signsgd"]
    cpu, gpu = modules(rule, [derive(rule, law_named("empirical")).sde], NOISES["empirical"])
    return cpu, gpu.MODELS


def other_rules(compared: Compared) -> dict[str, dict[str, float]]:
    """`compared` for each of `rules_by_text`, and how many nodes it sums expectations over."""
    found = {}
    for name, rule, sdes, noise, model in rules_by_text():
        cpu, gpu = modules(rule, sdes, noise)
        step = cpu.MODELS[model][noise.law] if sdes else cpu.algorithm
        assert (gpu.NODES, gpu.QUADRATURE, gpu.LAW) == (cpu.NODES, cpu.QUADRATURE, cpu.LAW)
        found[name] = compared(cpu, step, gpu.MODELS[model][noise.law], noise, model) | {"nodes": gpu.QUADRATURE}
    return found
