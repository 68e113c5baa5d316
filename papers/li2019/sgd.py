"""SGD, x' = x - eta grad f_gamma(x), with state-dependent noise: in one position and in two."""

from __future__ import annotations

from functools import cache

import sympy as sp

from adasde.derive.generator import Chain, Expansion, expand, root
from adasde.derive.noise import Gaussian
from adasde.derive.notation import eta, x
from adasde.derive.optimizers import registry
from adasde.derive.scalings import S, ballistic, slope
from adasde.papers.parts import Parts, coefficients, of_expansion
from adasde.papers.statement import Statement

PAPER = "li2019"
x1, x2 = POSITIONS = sp.symbols("x1 x2", real=True)
NOISES = sp.symbols("Z1 Z2", real=True)
LOSS = sp.Function("f", real=True)(x1, x2)
GRADIENT = sp.Matrix([LOSS.diff(y) for y in POSITIONS])
ROOT_SIGMA = sp.Matrix(
    [[sp.Function("S11", positive=True)(x1, x2), 0], [*(sp.Function(n, real=True)(x1, x2) for n in ("S21", "S22"))]]
)
"""A factor of Sigma(x1, x2), any covariance."""


@cache
def one_position() -> Expansion:
    return expand(ballistic(registry()["sgd"], state_dependent=True), Gaussian())


@cache
def two_positions() -> Expansion:
    changes = -(root**2) * (GRADIENT + ROOT_SIGMA * sp.Matrix(NOISES))
    return expand(Chain("sgd in two positions", POSITIONS, tuple(changes), NOISES), Gaussian())


def printed_in_one(order: int) -> Parts:
    """dX = -f' dt [- (eta/4) (f'^2)' dt] + sqrt(eta) S(X) dW."""
    drift = -slope if order == 1 else -slope - eta / 4 * sp.diff(slope**2, x)
    return coefficients([x], [drift], sp.Matrix([[eta * S**2]]))


def printed_in_two(order: int) -> Parts:
    """dX = -grad (f + (eta/4) |grad f|^2) dt + sqrt(eta) Sigma(X)^(1/2) dW, without the square for order 1."""
    potential = LOSS if order == 1 else LOSS + eta / 4 * GRADIENT.dot(GRADIENT)
    drift = [-potential.diff(y) for y in POSITIONS]
    return coefficients(POSITIONS, drift, eta * ROOT_SIGMA * ROOT_SIGMA.T)


def _statements(order: int) -> tuple[Statement, ...]:
    return (
        Statement(
            paper=PAPER,
            name=f"SGD, order {order}",
            number="",
            provenance="recalled and checked",
            printed=printed_in_one(order),
            derived=lambda: of_expansion(one_position(), eta, order),
            expected="agrees",
        ),
        Statement(
            paper=PAPER,
            name=f"SGD in two positions, order {order}",
            number="",
            provenance="recalled and checked",
            printed=printed_in_two(order),
            derived=lambda: of_expansion(two_positions(), eta, order),
            expected="agrees",
        ),
    )


STATEMENTS = (*_statements(1), *_statements(2))
