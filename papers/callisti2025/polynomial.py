"""The polynomial of the experiments: g = f1' or f2' with probability 1/2 each, f1 = 2 c (x - a)^2 (x - b)^4."""

from __future__ import annotations

import sympy as sp

from adasde.derive.atomic import Rademacher
from adasde.derive.expectation import expectation
from adasde.derive.notation import Z, s, x
from adasde.derive.scalings import S
from adasde.papers.callisti2025.rmsprop import PAPER
from adasde.papers.parts import Parts
from adasde.papers.statement import Statement

a, b = sp.symbols("a b", real=True)
c = sp.Symbol("c", positive=True)


def printed_third() -> sp.Expr:
    """The third derivative of f1, with the second term to the power one."""
    left, right = x - a, x - b
    terms = (8 * right**3, 8 * right, 24 * left * right**2, 24 * right * left**2, 24 * left * right**2, 8 * right**3)
    return 2 * c * (sp.Add(*terms) + 24 * right**2 * left)


def printed_second() -> sp.Expr:
    """S'' by way of S^2, as ((S^2)''/S + S' (S^2)'/S^2)/2."""
    variance = S**2
    return (sp.diff(variance, x, 2) / S + sp.diff(S, x) * sp.diff(variance, x) / variance) / 2


def variance_of_square() -> Parts:
    """Var z^2 for z = (f1' - f2')/2 or its negative, s = |f1' - f2'|/2."""
    mean = expectation((s * Z) ** 2, Rademacher())
    return {"variance of z^2": expectation((s * Z) ** 4, Rademacher()) - mean**2}


STATEMENTS = (
    Statement(
        paper=PAPER,
        name="polynomial, third derivative of f1",
        number="",
        provenance="public code",
        printed={"third derivative": printed_third()},
        derived=lambda: {"third derivative": sp.diff(2 * c * (x - a) ** 2 * (x - b) ** 4, x, 3)},
        expected="differs",
        remark="one of the terms, 8 (x - b)^3, lacks its power",
    ),
    Statement(
        paper=PAPER,
        name="polynomial, variance of the squared noise",
        number="",
        provenance="public code",
        printed={"variance of z^2": (sp.Rational(3, 4) * (2 * s) ** 2) ** 2},
        derived=variance_of_square,
        expected="differs",
        remark="noise of two values +-s has a constant square",
    ),
    Statement(
        paper=PAPER,
        name="polynomial, second derivative of the noise scale",
        number="",
        provenance="public code",
        printed={"S''": printed_second()},
        derived=lambda: {"S''": sp.diff(S, x, 2)},
        expected="differs",
        remark="its second term has the wrong sign",
    ),
)
