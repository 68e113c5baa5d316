"""The ODE, and the energy that falls along it."""

from __future__ import annotations

from functools import partial

import sympy as sp

from adasde.derive.expansion import derive
from adasde.derive.laws import ANY
from adasde.derive.notation import G, eps, eta, m, rho1, rho2, s, v
from adasde.derive.optimizers.adam import adam
from adasde.papers.claim import gamma1, gamma2
from adasde.papers.parts import Parts, of_sde
from adasde.papers.statement import unnumbered

PAPER = "barakat2021"


def printed() -> Parts:
    """x' = -(m/gamma1)/(sqrt(v/gamma2) + eps), m' = rho1 (f' - m), v' = rho2 (S - v), gamma_i = 1 - e^(-rho_i t)."""
    return {
        "drift of x": -m / gamma1 / (sp.sqrt(v / gamma2) + eps),
        "drift of m": rho1 * (G - m),
        "drift of v": rho2 * (G**2 + s**2 - v),
    }


def drift() -> Parts:
    """Of Adam's model, whatever the law of the noise."""
    return {part: value for part, value in of_sde(derive(adam, ANY).sde).items() if part.startswith("drift")}


_statement = partial(unnumbered, PAPER)

STATEMENTS = (
    _statement(
        "Adam, ODE",
        printed(),
        drift,
        "any noise law, S = f'^2 + s^2; the derivation keeps the look-ahead eta rho1 (f' - m) of the updated average",
        "agrees to leading order",
        eta,
    ),
)
