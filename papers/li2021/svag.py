"""SVAG at a fixed learning rate: l steps of eta/l take the time eta, and their limit is the Ito SDE of SGD."""

from __future__ import annotations

from functools import cache

import sympy as sp

from adasde.derive.expectation import expectation
from adasde.derive.generator import Chain, Expansion, expand, root
from adasde.derive.laws import ANY
from adasde.derive.notation import G, Z, eta, s, x
from adasde.derive.scalings import S, slope
from adasde.papers.parts import Parts, coefficients, of_expansion
from adasde.papers.statement import Statement

PAPER = "li2021"
ell = sp.Symbol("l", positive=True)
NOISES = (Z, sp.Symbol("Z2", real=True))


def weights(number: sp.Expr, scale: sp.Expr) -> list[sp.Expr]:
    """scale r1 and scale r2 for l = number."""
    return [(scale + sign * sp.sqrt(sp.expand(scale**2 * (2 * number - 1)))) / 2 for sign in (1, -1)]


def combined_gradient() -> Parts:
    """Mean and variance of r1 g1 + r2 g2, relative to those of g."""
    combined = sum(r * (G + s * noise) for r, noise in zip(weights(ell, sp.S.One), NOISES, strict=True))
    mean, square = (_mean(combined**n) for n in (1, 2))
    return {"mean": mean / G, "variance": sp.expand((square - mean**2) / s**2)}


def _mean(expression: sp.Expr) -> sp.Expr:
    for noise in NOISES:
        expression = expectation(sp.expand(expression).subs(noise, Z), ANY)
    return expression


def with_a_coin() -> Parts:
    """Mean and variance of (1 + R sqrt(l - 1)) g with a fair coin R = +-1, as the code has it as a choice."""
    coin = 1 + NOISES[1] * sp.sqrt(ell - 1)
    mean, square = (_mean((coin * (G + s * Z)) ** n) for n in (1, 2))
    return {"mean": mean / G, "variance": sp.expand((square - mean**2) / s**2)}


@cache
def expansion() -> Expansion:
    """One step of SVAG with root^2 = eta/l, in which root (r1 Z1 + r2 Z2) has a limit."""
    noise = sum(r * variable for r, variable in zip(weights(eta / root**2, root), NOISES, strict=True))
    return expand(Chain("svag", (x,), (-(root**2) * slope - root * S * noise,), NOISES), ANY)


STATEMENTS = (
    Statement(
        paper=PAPER,
        name="SVAG, combined gradient",
        number="",
        provenance="public code",
        printed={"mean": sp.S.One, "variance": ell},
        derived=combined_gradient,
        expected="agrees",
    ),
    Statement(
        paper=PAPER,
        name="SVAG, one gradient and a coin",
        number="",
        provenance="public code",
        printed={"mean": sp.S.One, "variance": ell},
        derived=with_a_coin,
        expected="differs",
        remark="held against l Sigma, what SVAG has: the coin multiplies the gradient too, which adds (l - 1) grad f^2",
    ),
    Statement(
        paper=PAPER,
        name="SVAG, limit of many steps",
        number="",
        provenance="public code",
        printed=coefficients([x], [-slope], sp.Matrix([[eta * S**2]])),
        derived=lambda: of_expansion(expansion(), eta / ell),
        expected="agrees",
        remark="the Ito SDE of SGD at the same learning rate, whatever the law of the noise",
    ),
)
