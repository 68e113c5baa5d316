"""Hyperparameters by optimal control on f = a x^2/2 (2017): learning rate u eta of cSGD, momentum mu of cMSGD."""

from __future__ import annotations

import sympy as sp

from adasde.derive.generator import Chain, expand, root
from adasde.derive.noise import Gaussian
from adasde.derive.notation import Z, eta, s, t, x
from adasde.papers.li2019.momentum import PAPER, V, expansion, mu_hat
from adasde.papers.parts import Parts, of_expansion
from adasde.papers.statement import Statement

a, u, t_star = sp.symbols("a u t_star", positive=True)
mean_loss = sp.Symbol("y", positive=True)
PRINTED_RATE = 1 / (1 + a * (t - t_star))
"""u after the time t_star at which it leaves 1."""


def printed_rate() -> Parts:
    """u at t_star, and its derivative by t written with u."""
    elapsed = sp.solve(sp.Eq(PRINTED_RATE, u), t)[0]
    return {"u at t_star": PRINTED_RATE.subs(t, t_star), "du/dt": sp.diff(PRINTED_RATE, t).subs(t, elapsed)}


def controlled_rate() -> Parts:
    """The u that lets E f = y fall fastest, dy/dt = a x drift + (a/2) variance with x^2 = 2 y/a, and how it moves."""
    step = -(root**2) * u * (a * x + s * Z)
    model = of_expansion(expand(Chain("sgd with u", (x,), (step,)), Gaussian()), eta)
    fall = sp.expand(a * x * model["drift of x"] + a / 2 * model["variance of x"]).subs(x**2, 2 * mean_loss / a)
    best = sp.solve(sp.diff(fall, u), u)[0]
    at_best = sp.solve(sp.Eq(best, u), mean_loss)[0]
    moved = sp.diff(best, mean_loss) * fall.subs(mean_loss, at_best)
    return {"u at t_star": best.subs(mean_loss, at_best.subs(u, 1)), "du/dt": sp.expand(moved)}


def controlled_momentum() -> Parts:
    """mu = 1 - mu_hat sqrt(eta) where the order-1 model of momentum is critically damped."""
    model = of_expansion(expansion(0), eta)
    f = sp.Function("f", real=True)(x)
    drift = sp.Matrix([model[f"drift of {y}"].subs(f, a * x**2 / 2).doit() for y in (x, V)])
    slope = drift.jacobian([x, V])
    damping = sp.solve(slope.trace() ** 2 - 4 * slope.det(), mu_hat)[0]
    return {"mu": 1 - damping * sp.sqrt(eta)}


STATEMENTS = (
    Statement(
        paper=PAPER,
        name="cSGD, learning rate on a quadratic",
        number="",
        provenance="recalled and checked",
        printed=printed_rate(),
        derived=controlled_rate,
        expected="agrees",
        remark="for a > 0 and in the model of order one",
    ),
    Statement(
        paper=PAPER,
        name="cMSGD, momentum on a quadratic",
        number="",
        provenance="recalled and checked",
        printed={"mu": 1 - 2 * sp.sqrt(a * eta)},
        derived=controlled_momentum,
        expected="agrees",
        remark="for 4 a eta < 1; where the order-one model is critically damped",
    ),
)
