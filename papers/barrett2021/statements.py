"""The modified loss of gradient descent in one and two positions, with an arbitrary loss E."""

from __future__ import annotations

import sympy as sp

from adasde.derive.generator import Chain, expand, root
from adasde.derive.laws import ANY
from adasde.derive.notation import eta, x
from adasde.papers.parts import Parts, coefficients, of_expansion
from adasde.papers.statement import Statement

PAPER = "barrett2021"
y = sp.Symbol("y", real=True)
Positions = tuple[sp.Symbol, ...]


def loss(positions: Positions) -> sp.Expr:
    """E, an arbitrary function."""
    return sp.Function("E", real=True)(*positions)


def gradient_descent(positions: Positions) -> Chain:
    """theta' = theta - h grad E."""
    changes = tuple(-(root**2) * sp.diff(loss(positions), position) for position in positions)
    return Chain("gradient descent", positions, changes, noises=())


def printed(positions: Positions) -> Parts:
    """-grad(E + (h/4) |grad E|^2), and no noise."""
    energy = loss(positions)
    modified = energy + eta / 4 * sum(sp.diff(energy, position) ** 2 for position in positions)
    drift = [-sp.diff(modified, position) for position in positions]
    return coefficients(positions, drift, sp.zeros(len(positions), len(positions)))


def derived(positions: Positions) -> Parts:
    """L0 + h L1 of gradient descent."""
    return of_expansion(expand(gradient_descent(positions), ANY), eta, order=2)


STATEMENTS = (
    Statement(
        PAPER,
        "gradient descent, modified loss, one position",
        "",
        "confirmed",
        printed((x,)),
        lambda: derived((x,)),
        "agrees",
        "read as quoted by Cattaneo, Klusowski and Shigida 2024; its number was not",
    ),
    Statement(
        PAPER,
        "gradient descent, modified loss, two positions",
        "",
        "confirmed",
        printed((x, y)),
        lambda: derived((x, y)),
        "agrees",
        "for an arbitrary loss of both",
    ),
)
