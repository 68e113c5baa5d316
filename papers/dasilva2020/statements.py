"""The members of the family, held against the models of the rules without noise."""

from __future__ import annotations

from functools import partial

import sympy as sp

from adasde.derive.expansion import derive
from adasde.derive.notation import G, eps, eta, m, rho1, rho2, s, t, v
from adasde.derive.optimizers.adagrad import adagrad_continuous
from adasde.derive.optimizers.adam import adam
from adasde.derive.optimizers.momentum import heavy_ball
from adasde.derive.rule import UpdateRule
from adasde.papers.claim import BIAS, gamma1, gamma2
from adasde.papers.parts import Parts, of_sde
from adasde.papers.statement import unnumbered
from adasde.papers.su2016.rules import nesterov_fading

PAPER = "dasilva2020"


def flow(rule: UpdateRule) -> Parts:
    """The drift of the rule's model with s = 0."""
    parts = of_sde(derive(rule).sde)
    return {part: value.subs(s, 0) for part, value in parts.items() if part.startswith("drift")}


def momentum(h: sp.Expr, r: sp.Expr) -> Parts:
    """x' = -m, m' = h f' - r m: no second moment."""
    return {"drift of x": -m, "drift of m": h * G - r * m}


def in_corrected_averages() -> Parts:
    """Adam's flow in M = m/gamma1 and V = v/gamma2, written m and v again: (b - gamma' y)/gamma at y = gamma y."""
    found, factors = flow(adam), {m: gamma1, v: gamma2}
    back = {y: factor * y for y, factor in factors.items()}
    parts = {"drift of x": found["drift of x"].subs(back, simultaneous=True)}
    for y, factor in factors.items():
        growth = sp.diff(dict(BIAS)[factor], t)
        parts[f"drift of {y}"] = (found[f"drift of {y}"].subs(back, simultaneous=True) - growth * y) / factor
    return {part: value.subs(dict(BIAS)) for part, value in parts.items()}


def adam_as_printed() -> Parts:
    """h = r = rho1/(1 - e^(-rho1 t)), p = q = rho2/(1 - e^(-rho2 t))."""
    first, second = (rho / (1 - sp.exp(-rho * t)) for rho in (rho1, rho2))
    return {"drift of x": -m / (sp.sqrt(v) + eps), "drift of m": first * (G - m), "drift of v": second * (G**2 - v)}


_statement = partial(unnumbered, PAPER)

STATEMENTS = (
    _statement(
        "heavy ball, h = 1 and constant r", momentum(sp.S.One, rho1), lambda: flow(heavy_ball), "r = (1 - beta)/eta"
    ),
    _statement(
        "Nesterov's method, h = 1 and r = 3/t",
        momentum(sp.S.One, 3 / t),
        lambda: flow(nesterov_fading),
        "momentum (k - 1)/(k + 2)",
    ),
    _statement(
        "Adagrad, p = 1 and q = 0",
        {"drift of x": -G / (sp.sqrt(v) + eps), "drift of v": G**2},
        lambda: flow(adagrad_continuous),
        "without a first moment; the learning rate is the square root of the clock's step",
    ),
    _statement(
        "Adam, rates of the corrected averages",
        adam_as_printed(),
        in_corrected_averages,
        "bias corrections as rates that fall with time, eps outside of the root (form recalled); the derivation keeps "
        "the look-ahead eta rho1 (f' - m) of the updated first moment",
        "agrees to leading order",
        eta,
    ),
)
