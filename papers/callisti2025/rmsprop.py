"""RMSprop, v' = (1 - c tau) v + c tau g^2, x' = x - tau g D(v), D = 1/(sqrt(v) + eps), with v from before the step.

Ballistic: g = f' + S Z. Batch-equivalent: g = f' + S Z/sqrt(tau), and tau^2 c g^2 in place of c tau g^2. The scale of
the noise is a constant s, or S(x) as in the experiments with a polynomial.
"""

from __future__ import annotations

from functools import cache

import sympy as sp

from adasde.derive.generator import Chain, Expansion, expand, root
from adasde.derive.noise import Gaussian
from adasde.derive.notation import Z, eps, rho2, s, v, x
from adasde.derive.notation import eta as tau
from adasde.derive.scalings import S, slope
from adasde.papers.claim import P
from adasde.papers.parts import Parts, noise, of_expansion, to_first_order
from adasde.papers.statement import Statement

PAPER = "callisti2025"
STATES = (x, v)
D = 1 / P
curvature, third = sp.diff(slope, x), sp.diff(slope, x, 2)
BALLISTIC, BATCH_EQUIVALENT = "ballistic", "batch-equivalent"
SCALES = {s: "", S: ", noise S(x)"}


@cache
def expansion(scaling: str) -> Expansion:
    """One step of the chain with noise S(x), and with 1/D as the name P."""
    scale = 1 if scaling == BALLISTIC else 1 / root
    gradient = slope + S * scale * Z
    square = sp.expand((gradient / scale) ** 2)
    changes = (sp.expand(-(root**2) * gradient) * D, root**2 * rho2 * (square - v))
    return expand(Chain(f"rmsprop, {scaling}", STATES, changes, named=((P, sp.sqrt(v) + eps),)), Gaussian())


def with_noise(parts: Parts, scale: sp.Expr) -> Parts:
    """The parts for the noise ``scale``, s or S(x), without operators of higher order that vanish for it."""
    found = {part: c.subs(S, scale).doit() for part, c in parts.items()}
    return {part: c for part, c in found.items() if c != 0 or not part.startswith("coefficient")}


def ballistic(order: int, scale: sp.Expr) -> Parts:
    """D' enters as -D^3/2; the noise of V is that of the gradient alone."""
    excess = slope**2 + scale**2 - v
    drift = [-slope * D, rho2 * excess]
    if order == 2:
        drift[0] -= tau / 2 * (curvature * D**2 * slope + rho2 / 2 * D**3 * excess * slope)
        drift[1] += tau / 2 * (2 * rho2 * slope * curvature * slope * D + rho2**2 * excess)
    return noise(STATES, drift, sp.sqrt(tau) * sp.Matrix([[D * scale, 0], [-2 * rho2 * slope * scale, 0]]))


def batch_equivalent(order: int, scale: sp.Expr) -> Parts:
    """Order 2 adds tau c Lambda_1 to the noise of X, and to V a Brownian motion of its own."""
    variance = scale**2
    drift, diffusion = [-slope * D, rho2 * (variance - v)], sp.Matrix([[D * scale, 0], [0, 0]])
    if order == 2:
        memory = rho2 / 2 * D**3 * slope * (variance - v)
        drift[0] -= tau / 2 * (curvature * D**2 * slope + memory + 2 * variance * third * D**3)
        drift[1] += tau * (rho2 * slope**2 + rho2**2 / 2 * (variance - v))
        drift[1] -= tau / 2 * (sp.diff(variance, x) * slope * D + tau * D**2 * variance * sp.diff(variance, x, 2))
        diffusion[0, 0] += tau * rho2 * _lambda1(scale)
        in_v = -2 * slope * scale - sp.diff(variance, x) * D * scale / 2
        diffusion[1, :] = sp.Matrix([[tau * rho2 * in_v, sp.sqrt(tau) * rho2 * sp.sqrt(2) * variance]])
    return to_first_order(noise(STATES, drift, diffusion), tau)


def _lambda1(scale: sp.Expr) -> sp.Expr:
    """D^2 f'' S/2 + D^3 (S^2 - v) S/4 - D^2 f' S'/2 + D^3 S^2 S'' + D S S'^2."""
    first, second = sp.diff(scale, x), sp.diff(scale, x, 2)
    constant = D**2 * curvature * scale / 2 + D**3 * (scale**2 - v) * scale / 4
    return constant - D**2 * slope * first / 2 + D**3 * scale**2 * second + D * scale * first**2


def without_eps(parts: Parts) -> Parts:
    """The position's drift where eps = 0."""
    return {"drift of x": parts["drift of x"].subs(P, sp.sqrt(v))}


def _statement(scaling: str, order: int, scale: sp.Expr, printed: Parts, expected: str, remark: str = "") -> Statement:
    return Statement(
        paper=PAPER,
        name=f"RMSprop, {scaling}, order {order}{SCALES[scale]}",
        number="",
        provenance="public code",
        printed=printed,
        derived=lambda: with_noise(of_expansion(expansion(scaling), tau, order), scale),
        expected=expected,
        remark=remark,
    )


OWN_NOISE = "drops the Brownian motion of its own in V, c Var(Z^2)"
NO_EPS = "D' is taken as -D^3/2 where it is -D^2/(2 sqrt(v)), which is the same for eps = 0 only"
OBSTRUCTION = {"coefficient of d_x^2 d_v": sp.S.Zero}
"""An SDE has no such term."""

STATEMENTS = (
    _statement(BALLISTIC, 1, s, ballistic(1, s), "differs", f"{OWN_NOISE}; order one allows any noise of this size"),
    _statement(BALLISTIC, 2, s, ballistic(2, s), "differs", f"{OWN_NOISE}: computed and overwritten by 0; {NO_EPS}"),
    Statement(
        paper=PAPER,
        name="RMSprop, ballistic, order 2, drift of x for eps = 0",
        number="",
        provenance="public code",
        printed=without_eps(ballistic(2, S)),
        derived=lambda: without_eps(of_expansion(expansion(BALLISTIC), tau, 2)),
        expected="agrees",
    ),
    _statement(
        BALLISTIC,
        2,
        S,
        ballistic(2, S),
        "differs",
        "besides what differs for constant noise, V's drift lacks (tau/2) c (S^2)' f' D; the error of one step shows "
        "it",
    ),
    _statement(
        BATCH_EQUIVALENT,
        2,
        s,
        batch_equivalent(2, s) | OBSTRUCTION,
        "differs",
        "no SDE has order two: d_x^2 d_v remains whatever the coefficients. Of these, f''' enters as -s^2 f''' D^3 for "
        f"+ s^2 f''' D^3/4; a factor c stands before (1/2) f'' D^2 s in the noise of X; {NO_EPS}",
    ),
    _statement(BATCH_EQUIVALENT, 1, S, batch_equivalent(1, S), "agrees"),
    _statement(
        BATCH_EQUIVALENT,
        2,
        S,
        batch_equivalent(2, S) | OBSTRUCTION | {"coefficient of d_x^3": sp.S.Zero},
        "differs",
        "d_x^3 remains besides. Where constant noise has no term, V's drift has -(1/2) (S^2)' f' D for "
        "+(c/2) (S^2)' f' D and lacks -(c/4) D^2 S^2 (S^2)'', and no term of the noise of X in S' or S'' is right; the "
        "error of one step shows it in the mean of X, V and X^2",
    ),
)
