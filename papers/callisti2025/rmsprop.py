"""RMSprop, v' = (1 - c tau) v + c tau g^2, x' = x - tau g D(v), D = 1/(sqrt(v) + eps), with v from before the step.

Ballistic: g = f' + s Z. Batch-equivalent: g = f' + s Z/sqrt(tau), and tau^2 c g^2 in place of c tau g^2.
"""

from __future__ import annotations

from functools import cache

import sympy as sp

from adasde.derive.generator import Chain, Expansion, expand, root
from adasde.derive.noise import Gaussian
from adasde.derive.notation import Z, eps, rho2, s, v, x
from adasde.derive.notation import eta as tau
from adasde.derive.scalings import slope
from adasde.papers.claim import P
from adasde.papers.parts import Parts, noise, of_expansion, to_first_order
from adasde.papers.statement import Statement

PAPER = "callisti2025"
STATES = (x, v)
D = 1 / P
curvature, third = sp.diff(slope, x), sp.diff(slope, x, 2)
BALLISTIC, BATCH_EQUIVALENT = "ballistic", "batch-equivalent"


@cache
def expansion(scaling: str) -> Expansion:
    """One step of the chain, with 1/D as the name P."""
    scale = 1 if scaling == BALLISTIC else 1 / root
    gradient = slope + s * scale * Z
    square = sp.expand((gradient / scale) ** 2)
    changes = (sp.expand(-(root**2) * gradient) * D, root**2 * rho2 * (square - v))
    return expand(Chain(f"rmsprop, {scaling}", STATES, changes, named=((P, sp.sqrt(v) + eps),)), Gaussian())


def ballistic(order: int) -> Parts:
    """D' enters as -D^3/2; the noise of V is that of the gradient alone."""
    excess = slope**2 + s**2 - v
    drift = [-slope * D, rho2 * excess]
    if order == 2:
        drift[0] -= tau / 2 * (curvature * D**2 * slope + rho2 / 2 * D**3 * excess * slope)
        drift[1] += tau / 2 * (2 * rho2 * slope * curvature * slope * D + rho2**2 * excess)
    return noise(STATES, drift, sp.sqrt(tau) * sp.Matrix([[D * s, 0], [-2 * rho2 * slope * s, 0]]))


def batch_equivalent(order: int) -> Parts:
    """Order 2 corrects the noise of X by tau c Lambda and has an independent Brownian motion in V."""
    drift, diffusion = [-slope * D, rho2 * (s**2 - v)], sp.Matrix([[D * s, 0], [0, 0]])
    if order == 2:
        memory = rho2 / 2 * D**3 * slope * (s**2 - v)
        drift[0] -= tau / 2 * (curvature * D**2 * slope + memory + 2 * s**2 * third * D**3)
        drift[1] += tau * (rho2 * slope**2 + rho2**2 / 2 * (s**2 - v))
        correction = D**2 * curvature * s / 2 + D**3 * (s**2 - v) * s / 4
        diffusion[0, 0] += tau * rho2 * correction
        diffusion[1, :] = sp.Matrix([[-2 * tau * rho2 * slope * s, sp.sqrt(tau) * rho2 * sp.sqrt(2) * s**2]])
    return to_first_order(noise(STATES, drift, diffusion), tau)


def with_obstruction(parts: Parts, scaling: str) -> Parts:
    """The parts, and 0 for what the derivation has of order three and above: an SDE has none."""
    higher = set(of_expansion(expansion(scaling), tau, 2)) - set(parts)
    return parts | dict.fromkeys(sorted(higher), sp.S.Zero)


def _statement(scaling: str, order: int, printed: Parts, expected: str, remark: str) -> Statement:
    return Statement(
        paper=PAPER,
        name=f"RMSprop, {scaling}, order {order}",
        number="",
        provenance="public code",
        printed=printed,
        derived=lambda: of_expansion(expansion(scaling), tau, order),
        expected=expected,
        remark=remark,
    )


def without_eps(parts: Parts) -> Parts:
    """The position's drift where eps = 0."""
    return {"drift of x": parts["drift of x"].subs(P, sp.sqrt(v))}


STATEMENTS = (
    _statement(
        BALLISTIC,
        1,
        ballistic(1),
        "differs",
        "drops the Brownian motion of its own in V, c Var(Z^2); weak order one allows any noise of this size",
    ),
    _statement(
        BALLISTIC,
        2,
        ballistic(2),
        "differs",
        "the Brownian motion of its own in V is computed and then overwritten by zero; D' is taken as -D^3/2 where it "
        "is -D^2/(2 sqrt(v)), which is the same for eps = 0 only",
    ),
    Statement(
        paper=PAPER,
        name="RMSprop, ballistic, order 2, drift of x for eps = 0",
        number="",
        provenance="public code",
        printed=without_eps(ballistic(2)),
        derived=lambda: without_eps(of_expansion(expansion(BALLISTIC), tau, 2)),
        expected="agrees",
    ),
    _statement(BATCH_EQUIVALENT, 1, batch_equivalent(1), "agrees", ""),
    _statement(
        BATCH_EQUIVALENT,
        2,
        with_obstruction(batch_equivalent(2), BATCH_EQUIVALENT),
        "differs",
        "no SDE has order two: d_x^2 d_v remains whatever the coefficients. Of these, f''' enters as -s^2 f''' D^3 for "
        "+ s^2 f''' D^3/4; a factor c stands before (1/2) f'' D^2 s in the noise of X; D' is taken as -D^3/2",
    ),
)
