"""The equations of an average of the parameters, and its scaling rule in one step and in kappa steps."""

from __future__ import annotations

from functools import partial

import sympy as sp

from adasde.derive.averaging import average
from adasde.derive.branches import late
from adasde.derive.expansion import derive
from adasde.derive.notation import G, ema, eta, g, s, x
from adasde.derive.optimizers.averages import sgd_averaged
from adasde.papers.parts import Parts, coefficients, of_sde
from adasde.papers.statement import unnumbered

PAPER = "busbridge2023"
kappa, left = sp.symbols("kappa delta", positive=True)
"""delta = 1 - rho, the weight of the new parameters."""
STEPS = 3
RATE = next(h.rate for h in sgd_averaged.hyperparameters if h.symbol == ema)


def sde() -> Parts:
    """dX = -f' dt + sqrt(eta) s dW, da = rate (X - a) dt with rate = (1 - rho)/eta."""
    return coefficients((x, average), [-G, RATE * (x - average)], sp.diag(eta * s**2, 0))


def keeping_the_rate() -> sp.Expr:
    """1 - rho of the learning rate kappa eta that has the same rate, by the rule's own decay 1 - eta rate."""
    held = next(h for h in sgd_averaged.hyperparameters if h.symbol == ema)
    rate = held.rate_of_decay.subs(ema, 1 - left)
    return 1 - held.scaled.subs(eta, kappa * eta).subs(held.rate, rate)


def weight_after(steps: int) -> sp.Expr:
    """What is left of the average after some steps of the rule at parameters that do not move."""
    (update,) = (late(u, "") for y, u in zip(sgd_averaged.states, sgd_averaged.update, strict=True) if y == average)
    value: sp.Expr = average
    for _ in range(steps):
        value = update.subs(g, 0).subs(average, value)
    return sp.diff(value, average)


_statement = partial(unnumbered, PAPER)

STATEMENTS = (
    _statement("SGD with an average, SDE", sde(), lambda: of_sde(derive(sgd_averaged).sde), "1 - rho = eta rate"),
    _statement(
        "scaling rule, rate of the average",
        {"1 - rho": 1 - (1 - left) ** kappa},
        lambda: {"1 - rho": keeping_the_rate()},
        "rho -> rho^kappa with eta -> kappa eta, read in a text that reports on the paper; the equation keeps its rate "
        "to leading order in 1 - rho",
        "agrees to leading order",
        left,
        provenance="confirmed",
    ),
    _statement(
        "scaling rule, steps at fixed parameters",
        {"weight of the old average": ema**STEPS},
        lambda: {"weight of the old average": weight_after(STEPS)},
        "rho^kappa is what kappa = 3 steps of the rule leave of the average where the parameters stay",
    ),
)
