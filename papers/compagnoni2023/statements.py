"""USAM, DNSAM and SAM: the printed SDEs, and the problems on which the derivation is made."""

from __future__ import annotations

import sympy as sp

from adasde.derive.atomic import Rademacher
from adasde.derive.law import Law
from adasde.derive.laws import ANY
from adasde.derive.noise import Gaussian
from adasde.derive.notation import Z, s, x
from adasde.derive.scalings import S, slope
from adasde.papers.compagnoni2023 import printed
from adasde.papers.compagnoni2023.perturbed import Direction, Sampled, derived, dnsam, norm, rho, sam, usam
from adasde.papers.compagnoni2023.printed import PLANE
from adasde.papers.parts import Parts, coefficients
from adasde.papers.statement import Statement

PAPER = "compagnoni2023"
LOSS, SPREAD = (sp.Function(name, real=True)(*PLANE) for name in "fh")
BATCHES = (LOSS + SPREAD, LOSS - SPREAD)
lambda1, lambda2 = sp.symbols("lambda1 lambda2", real=True)


def one_position(scale: sp.Expr, law: Law) -> Sampled:
    """f_gamma' = f'(x) + scale Z."""
    return Sampled((x,), sp.ImmutableDenseMatrix([slope + scale * Z]), law)


def two_batches() -> Sampled:
    """f_gamma = f(x, y) + Z h(x, y), Z = 1 or -1: two equally likely batches with arbitrary losses."""
    return Sampled(PLANE, sp.ImmutableDenseMatrix([sp.diff(LOSS + Z * SPREAD, y) for y in PLANE]), Rademacher())


def quadratic() -> Sampled:
    """f = (lambda1 x^2 + lambda2 y^2)/2 without noise."""
    return Sampled(PLANE, sp.ImmutableDenseMatrix([lambda1 * PLANE[0], lambda2 * PLANE[1]]), ANY)


def sam_flow() -> Parts:
    """dx/dt = -H (x + rho H x/|H x|)."""
    hessian, position = sp.diag(lambda1, lambda2), sp.Matrix(PLANE)
    drift = -hessian * (position + rho * hessian * position / norm(hessian * position))
    return coefficients(PLANE, drift, sp.zeros(2, 2))


def _statement(
    name: str, parts: Parts, problem: Sampled, direction: Direction, remark: str, expected: str = "agrees"
) -> Statement:
    def check() -> Parts:
        return derived(problem, direction)

    return Statement(PAPER, name, "", "recalled and checked", parts, check, expected, remark)


_FIXED, _SCALED = "one position, additive noise", "one position, noise of scale S(x)"
_ANY_LAW = "any noise with a third moment"
_TWO = "two equally likely batches with arbitrary losses"

STATEMENTS = (
    _statement(f"USAM, {_FIXED}", printed.usam(s), one_position(s, ANY), usam, _ANY_LAW),
    _statement(f"DNSAM, {_FIXED}", printed.dnsam(s), one_position(s, ANY), dnsam, _ANY_LAW),
    _statement(f"SAM, {_FIXED}", printed.sam(s), one_position(s, Gaussian()), sam, "Gaussian noise"),
    _statement(f"USAM, {_SCALED}", printed.usam(S), one_position(S, ANY), usam, _ANY_LAW),
    _statement(
        f"DNSAM, {_SCALED}",
        printed.dnsam(S),
        one_position(S, ANY),
        dnsam,
        "lacks the drift -rho grad tr Sigma/(2 |grad f|), here -rho S S'/|f'|: it needs a tr Sigma that does not "
        "depend on x",
        "differs",
    ),
    _statement(f"SAM, {_SCALED}", printed.sam(S), one_position(S, Gaussian()), sam, "Gaussian noise"),
    _statement("USAM, two positions", printed.usam_of_batches(BATCHES), two_batches(), usam, _TWO),
    _statement(
        "DNSAM, two positions",
        printed.dnsam_of_batches(BATCHES),
        two_batches(),
        dnsam,
        f"{_TWO}; with grad E|grad f_gamma|^2/(2 |grad f|) in the drift",
    ),
    _statement("SAM, two positions", printed.sam_of_batches(BATCHES), two_batches(), sam, _TWO),
    _statement("SAM on a quadratic, full batch", sam_flow(), quadratic(), sam, "DNSAM is the same without noise"),
)
