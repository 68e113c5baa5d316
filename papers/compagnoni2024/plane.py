"""Models of two-player games on the plane: G becomes the field F = (f_x, -f_y) and H its Jacobian J, F = J z."""

from __future__ import annotations

import sympy as sp

from adasde.derive.model import SDE
from adasde.derive.notation import s, x
from adasde.papers.parts import Parts, coefficients
from adasde.papers.vectors import in_coordinates

PLANE = (x, sp.Symbol("y", real=True))
lambda_ = sp.Symbol("lambda", positive=True)
a, c = sp.symbols("a c", real=True)
BILINEAR = sp.Matrix([[0, lambda_], [-lambda_, 0]])
"""Of f = lambda x y, where F = (lambda y, -lambda x)."""
QUADRATIC = sp.Matrix([[a, lambda_], [-lambda_, c]])
"""Of f = a x^2/2 + lambda x y - c y^2/2."""
SCALES = sp.symbols("s_x s_y", positive=True)
"""Noise of the two players."""


def field(jacobian: sp.Matrix) -> sp.Matrix:
    """F = J z."""
    return jacobian * sp.Matrix(PLANE)


def on_plane(sde: SDE, jacobian: sp.Matrix = QUADRATIC, scales: tuple[sp.Symbol, sp.Symbol] = SCALES) -> Parts:
    """Drift and covariance in x and y."""
    drift, covariance = in_coordinates(sde, list(field(jacobian)), jacobian, scales)
    return coefficients(PLANE, list(drift.applyfunc(sp.expand)), covariance.applyfunc(sp.expand))


def energy(sde: SDE) -> Parts:
    """d E r/dt = C - k E r for r = (x^2 + y^2)/2 on f = lambda x y, with noise of scale s for both players."""
    drift, covariance = in_coordinates(sde, list(field(BILINEAR)), BILINEAR, (s, s))
    change = sp.expand((sp.Matrix(PLANE).T * drift)[0])
    return {"rate k": -2 * change.coeff(x, 2), "level C": sp.expand(covariance.trace() / 2)}
