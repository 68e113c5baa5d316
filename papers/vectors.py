"""Models in which a Hessian acts on vectors, and updates with sums over coordinates, written out in coordinates."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import sympy as sp

from adasde.derive.model import SDE
from adasde.derive.notation import G, H, Ht, g, s
from adasde.derive.operations import total

Vector = Sequence[sp.Expr]


def in_coordinates(sde: SDE, field: Vector, jacobian: sp.Matrix, scales: Vector) -> tuple[sp.Matrix, sp.Matrix]:
    """Drift (d x 1) and covariance (d x d) of a model in one state.

    ``field`` stands for G and ``scales`` for s, coordinate by coordinate; H is the ``jacobian`` of the field and Ht its
    transpose, to the left of H, and both act on the vector of what they multiply.
    """
    drift = _applied(sde.full_drift[0], field, scales, jacobian, sp.Matrix)
    columns = [_applied(entry, field, scales, jacobian, lambda v: sp.diag(*v)) for entry in sde.full_diffusion]
    return drift, sum((column * column.T for column in columns), sp.zeros(len(field), len(field)))


def _applied(
    entry: sp.Expr, field: Vector, scales: Vector, jacobian: sp.Matrix, shape: Callable[[list[sp.Expr]], sp.Matrix]
) -> sp.Matrix:
    """sum Ht^i H^j [c_ij] of a polynomial in Ht and H, with the coefficients c_ij as a vector or a diagonal matrix."""
    terms = sp.Poly(sp.expand(entry), Ht, H).terms()
    vectors = [
        [c.subs({G: first, s: scale}, simultaneous=True) for first, scale in zip(field, scales, strict=True)]
        for _, c in terms
    ]
    parts = [jacobian.T**i * jacobian**j * shape(v) for ((i, j), _), v in zip(terms, vectors, strict=True)]
    return sum(parts[1:], parts[0])


def of_gradient(expression: sp.Expr, gradient: Vector) -> sp.Matrix:
    """An expression in g, coordinate by coordinate, with its sums over coordinates written out for this gradient."""
    sums = {node: sum(node.args[0].subs(g, entry) for entry in gradient) for node in expression.atoms(total)}
    written = expression.xreplace(sums)
    return sp.Matrix([written.subs(g, entry) for entry in gradient])
