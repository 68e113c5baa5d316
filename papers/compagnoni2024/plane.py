"""Models with the Hessian as an operator, on a game in the plane: H becomes the Jacobian J of F = J z."""

from __future__ import annotations

import sympy as sp

from adasde.derive.model import SDE
from adasde.derive.notation import G, H, Ht, x
from adasde.papers.parts import Parts, coefficients

PLANE = (x, sp.Symbol("y", real=True))
lambda_ = sp.Symbol("lambda", positive=True)
JACOBIAN = sp.Matrix([[0, lambda_], [-lambda_, 0]])
"""Of f = lambda x y, where F = (lambda y, -lambda x)."""
FIELD = JACOBIAN * sp.Matrix(PLANE)


def operator(entry: sp.Expr) -> sp.Matrix:
    """A polynomial in Ht and H with scalar coefficients as a matrix, Ht = J^T to the left of H = J."""
    terms = sp.Poly(sp.expand(entry), Ht, H).terms()
    return sum((c * JACOBIAN.T**i * JACOBIAN**j for (i, j), c in terms), sp.zeros(2, 2))


def drift_and_covariance(sde: SDE) -> tuple[sp.Matrix, sp.Matrix]:
    """b and a of a model in one state with a drift linear in G and the same noise scale for both players."""
    drift = operator(sde.full_drift[0].coeff(G, 1)) * FIELD if sde.full_drift[0].has(G) else sp.zeros(2, 1)
    columns = [operator(entry) for entry in sde.full_diffusion]
    return drift, sum((column * column.T for column in columns), sp.zeros(2, 2))


def on_plane(sde: SDE) -> Parts:
    """Drift and covariance in x and y."""
    drift, covariance = drift_and_covariance(sde)
    return coefficients(PLANE, list(drift.applyfunc(sp.expand)), covariance.applyfunc(sp.expand))


def energy(sde: SDE) -> Parts:
    """d E r/dt = C - k E r for r = (x^2 + y^2)/2."""
    drift, covariance = drift_and_covariance(sde)
    change = sp.expand((sp.Matrix(PLANE).T * drift)[0])
    return {"rate k": -2 * change.coeff(x, 2), "level C": sp.expand(covariance.trace() / 2)}
