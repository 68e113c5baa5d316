"""The SDE of momentum with its buffer averaged out, and the stationary variance of the algorithm itself."""

from __future__ import annotations

from functools import cache, partial

import sympy as sp

from adasde.derive.branches import late
from adasde.derive.expansion import derive
from adasde.derive.notation import G, Z, beta1, eta, g, m, s, x
from adasde.derive.optimizers.momentum import momentum
from adasde.papers.parts import Parts, coefficients, of_sde
from adasde.papers.statement import unnumbered

PAPER = "wang2024"
lamda = sp.Symbol("lamda", positive=True)
PLAIN = {h.symbol: 0 for h in momentum.hyperparameters if h.name in ("dampening", "weight_decay")}
EFFECTIVE = eta / (1 - beta1)


def sde() -> Parts:
    """Of the rule, with its buffer averaged out at a fixed beta."""
    parts = of_sde(derive(momentum, average_out=("m",)).sde)
    return {part: value.subs(PLAIN) for part, value in parts.items()}


def sgd_at_effective_rate() -> Parts:
    """In units of time eta a step: dX = (1/(1 - beta)) (-f' dt + sqrt(eta) s dW)."""
    gain = EFFECTIVE / eta
    return coefficients((x,), [-gain * G], sp.Matrix([[gain**2 * eta * s**2]]))


@cache
def stationary_variance() -> sp.Expr:
    """Of x under the rule on lamda x^2/2, from C = A C A^T + B B^T for one step (x, m)' = A (x, m) + B Z."""
    states = (x, m)
    step = sp.Matrix([late(update, "").subs(PLAIN).subs(g, lamda * x + s * Z) for update in momentum.update])
    A, B = step.jacobian(states), step.diff(Z)
    c = sp.symbols("c11 c12 c22", real=True)
    C = sp.Matrix(2, 2, [c[0], c[1], c[1], c[2]])
    found = sp.solve(list(C - A * C * A.T - B * B.T), c, dict=True)[0]
    return sp.factor(found[c[0]])


def of_sgd() -> sp.Expr:
    """eta_P s^2/(2 lamda), eta_P = eta/(1 - beta)."""
    return EFFECTIVE * s**2 / (2 * lamda)


_statement = partial(unnumbered, PAPER)

STATEMENTS = (
    _statement("SGD with momentum, SDE", sgd_at_effective_rate(), sde, "fixed beta, that of SGD at eta/(1 - beta)"),
    _statement(
        "SGD with momentum, stationary variance of the algorithm",
        {"variance of x": of_sgd()},
        lambda: {"variance of x": stationary_variance()},
        "on lamda x^2/2, against eta s^2/(2 lamda (1 - beta))",
        "agrees to leading order",
        eta,
    ),
    _statement(
        "SGD with momentum, stationary variance in full",
        {"variance of x": of_sgd() * (1 + beta1) / (1 + beta1 - eta * lamda / 2)},
        lambda: {"variance of x": stationary_variance()},
        "on lamda x^2/2, any learning rate: the excess over SGD's is smaller than that of SGD at eta/(1 - beta) itself",
        provenance="derived",
    ),
)
