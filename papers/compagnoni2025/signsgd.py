"""SignSGD under any noise law (Thm 3.2), and under Student-t noise."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache

import sympy as sp

from adasde.derive.expansion import derive
from adasde.derive.functions import laplace_sign, student_t_sign
from adasde.derive.law import Law
from adasde.derive.laws import LAWS
from adasde.derive.noise import Mixture, StudentT
from adasde.derive.notation import G, eta, nu, p, s
from adasde.derive.optimizers import registry
from adasde.papers.compagnoni2025.claims import PAPER
from adasde.papers.parts import Parts, of_sde
from adasde.papers.statement import Statement

WEIGHT, OTHER_WEIGHT = Mixture().parameters[:2]


def _gaussian(y: sp.Expr) -> sp.Expr:
    return (1 + sp.erf(y / sp.sqrt(2))) / 2


def _student_t(y: sp.Expr) -> sp.Expr:
    """1/2 + y Gamma((nu+1)/2)/(sqrt(pi nu) Gamma(nu/2)) 2F1(1/2, (nu+1)/2; 3/2; -y^2/nu)."""
    series = sp.hyper((sp.S.Half, (nu + 1) / 2), (sp.Rational(3, 2),), -(y**2) / nu)
    return sp.S.Half + y * sp.gamma((nu + 1) / 2) / (sp.sqrt(sp.pi * nu) * sp.gamma(nu / 2)) * series


def _mixture(y: sp.Expr) -> sp.Expr:
    _, _, m1, m2, d1, d2 = Mixture().parameters
    return WEIGHT * _gaussian((y - m1) / d1) + (1 - WEIGHT) * _gaussian((y - m2) / d2)


def _two_point(y: sp.Expr) -> sp.Expr:
    high, low = sp.sqrt(1 - p) / sp.sqrt(p), -sp.sqrt(p) / sp.sqrt(1 - p)
    return (1 + p * sp.sign(y - high) + (1 - p) * sp.sign(y - low)) / 2


CDF: dict[str, Callable[[sp.Expr], sp.Expr]] = {
    "gaussian": _gaussian,
    "student-t": _student_t,
    "laplace": lambda y: (1 + sp.sign(y) * (1 - sp.exp(-sp.sqrt(2) * sp.Abs(y)))) / 2,
    "exponential": lambda y: 1 - sp.exp(-sp.Max(y, -1) - 1),
    "mixture": _mixture,
    "rademacher": lambda y: (2 + sp.sign(y + 1) + sp.sign(y - 1)) / 4,
    "two-point": _two_point,
}
"""P(Z < y), half of an atom counted, from textbooks: not what the derivation uses."""


@cache
def model(law: Law) -> Parts:
    """The derived SDE in closed form: mean signs written with elementary or hypergeometric functions."""
    return {part: _closed(c) for part, c in of_sde(derive(registry()["signsgd"], law).sde).items()}


def _closed(expression: sp.Expr) -> sp.Expr:
    expression = expression.replace(student_t_sign, lambda y, n: student_t_sign(y, n).rewrite(sp.hyper))
    expression = expression.replace(laplace_sign, lambda c, n: laplace_sign(c, n).closed_form())
    return expression.subs(OTHER_WEIGHT, 1 - WEIGHT)


def printed_sde(cdf: Callable[[sp.Expr], sp.Expr]) -> Parts:
    """dX = -(1 - 2 P(g < 0)) dt + sqrt(eta) sqrt(1 - (1 - 2 P(g < 0))^2) dW, P(g < 0) = F(-G/s)."""
    mean = 1 - 2 * cdf(-G / s)
    mean = mean.subs(sp.Max(-1, -G / s), -sp.Min(1, G / s))
    return {"drift of x": -mean, "variance of x": eta * (1 - mean**2)}


def student_t(degrees: int) -> Parts:
    """The derived SDE and the slope of its mean sign at zero, from the hypergeometric function at nu = degrees."""
    parts = {part: sp.hyperexpand(c.subs(nu, degrees)) for part, c in model(StudentT()).items()}
    return parts | {"slope at zero": 2 * StudentT(sp.Integer(degrees)).density(sp.S.Zero)}


def printed_student_t(mean: sp.Expr, slope: sp.Expr) -> Parts:
    return {"drift of x": -mean, "variance of x": eta * (1 - mean**2), "slope at zero": slope}


ATOMS = ("rademacher", "two-point")
WITH_ATOMS = (
    "the printed 1 - mu^2 takes sign(g)^2 for 1; where an atom of the noise meets -G/s, so that g = 0 with probability "
    "P(g = 0), the variance of sign(g) is 1 - P(g = 0) - mu^2. Everywhere else they agree"
)


def _statement(name: str, number: str, printed: Parts, derived, remark: str = "") -> Statement:  # type: ignore[no-untyped-def]
    provenance = "confirmed" if number else "reconstructed"
    return Statement(PAPER, name, number, provenance, printed, derived, "differs" if remark else "agrees", remark)


STATEMENTS = (
    *(
        _statement(
            f"SignSGD, {name} noise",
            "Thm 3.2",
            printed_sde(cdf),
            lambda name=name: model(LAWS[name]()),
            WITH_ATOMS if name in ATOMS else "",
        )
        for name, cdf in CDF.items()
    ),
    _statement(
        "SignSGD, Student-t noise, nu = 1",
        "",
        printed_student_t(2 / sp.pi * sp.atan(G / s), 2 / sp.pi),
        lambda: student_t(1),
    ),
    _statement(
        "SignSGD, Student-t noise, nu = 2",
        "",
        printed_student_t(G / s / sp.sqrt(2 + (G / s) ** 2), 1 / sp.sqrt(2)),
        lambda: student_t(2),
    ),
)
