"""The SDEs of USAM, DNSAM and SAM as printed:

    dX = -grad f~ dt + sqrt(eta) (Sigma + rho (S + S^T))^(1/2) dW

    USAM   f~ = f + (rho/2) E|grad f_gamma|^2   S = E[(grad f - grad f_gamma)(E[H_gamma d] - H_gamma d)^T]
    DNSAM  f~ = f + rho |grad f|                with the direction d of each: see `perturbed`
    SAM    f~ = f + rho E|grad f_gamma|

written out for f_gamma' = f' + S(x) Z in one position, and for two equally likely batches in two.
"""

from __future__ import annotations

from collections.abc import Sequence

import sympy as sp

from adasde.derive.notation import eta, moment_symbol, x
from adasde.derive.scalings import slope
from adasde.papers.compagnoni2023.perturbed import norm, rho
from adasde.papers.parts import Parts, coefficients

CURVATURE = sp.diff(slope, x)
PLANE = (x, sp.Symbol("y", real=True))
SIZE = norm(sp.Matrix([slope]))


def usam(scale: sp.Expr) -> Parts:
    """E f_gamma'^2 = f'^2 + S^2; d = f' + S Z."""
    change = scale * CURVATURE + sp.diff(scale, x) * (slope + moment_symbol(3) * scale)
    return _in_one_position(scale, (slope**2 + scale**2) / 2, scale * change)


def dnsam(scale: sp.Expr) -> Parts:
    """d = (f' + S Z)/|f'|."""
    change = scale * CURVATURE + sp.diff(scale, x) * (slope + moment_symbol(3) * scale)
    return _in_one_position(scale, SIZE, scale * change / SIZE)


def sam(scale: sp.Expr) -> Parts:
    """Gaussian noise, c = f'/S: E|f_gamma'| = f' E sign(Z + c) + S E[Z sign(Z + c)] and d = sign(Z + c), with
    E sign = erf(c/sqrt 2), E[Z sign] = sqrt(2/pi) e^(-c^2/2), E[Z^2 sign] = E sign - c E[Z sign]."""
    c = slope / scale
    sign = sp.erf(c / sp.sqrt(2))
    once = sp.sqrt(2 / sp.pi) * sp.exp(-(c**2) / 2)
    change = CURVATURE * once + sp.diff(scale, x) * (sign - c * once)
    return _in_one_position(scale, slope * sign + scale * once, scale * change)


def _in_one_position(scale: sp.Expr, penalty: sp.Expr, cross: sp.Expr) -> Parts:
    """f~ = f + rho penalty, and S = cross."""
    return coefficients((x,), [-slope - rho * sp.diff(penalty, x)], eta * sp.Matrix([scale**2 + 2 * rho * cross]))


def usam_of_batches(losses: Sequence[sp.Expr]) -> Parts:
    """d = grad f_gamma."""
    sampled = _gradients(losses)
    return _of_batches(sampled, sampled, _gradient(_mean_square(sampled) / 2))


def dnsam_of_batches(losses: Sequence[sp.Expr]) -> Parts:
    """d = grad f_gamma/|grad f|, with grad E|grad f_gamma|^2/(2 |grad f|) in place of grad |grad f|, which is the same
    where the noise does not depend on the position."""
    sampled = _gradients(losses)
    size = norm(_average(sampled))
    return _of_batches(sampled, [g / size for g in sampled], _gradient(_mean_square(sampled)) / (2 * size))


def sam_of_batches(losses: Sequence[sp.Expr]) -> Parts:
    """d = grad f_gamma/|grad f_gamma|."""
    sampled = _gradients(losses)
    mean_norm = sum(norm(g) for g in sampled) / len(sampled)
    return _of_batches(sampled, [g / norm(g) for g in sampled], _gradient(mean_norm))


def _of_batches(sampled: list[sp.Matrix], directions: list[sp.Matrix], slope_of_penalty: sp.Matrix) -> Parts:
    """The module's formula for equally likely batches in the plane."""
    full = _average(sampled)
    moved = [g.jacobian(PLANE) * d for g, d in zip(sampled, directions, strict=True)]
    across = _average([(full - g) * (_average(moved) - change).T for g, change in zip(sampled, moved, strict=True)])
    sigma = _average([(full - g) * (full - g).T for g in sampled])
    return coefficients(PLANE, -full - rho * slope_of_penalty, eta * (sigma + rho * (across + across.T)))


def _gradients(losses: Sequence[sp.Expr]) -> list[sp.Matrix]:
    return [_gradient(loss) for loss in losses]


def _gradient(potential: sp.Expr) -> sp.Matrix:
    return sp.Matrix([sp.diff(potential, position) for position in PLANE])


def _average(matrices: list[sp.Matrix]) -> sp.Matrix:
    return sum(matrices[1:], matrices[0]) / len(matrices)


def _mean_square(sampled: list[sp.Matrix]) -> sp.Expr:
    return sum(g.dot(g) for g in sampled) / len(sampled)
