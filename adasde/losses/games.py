"""Two-player games: f(x, y) with x minimising and y maximising, as the field F = (f_x, -f_y) that both follow.

A `Loss` whose gradient is a field that need not be a gradient: SGD on it is SGDA, the extragradient rule is SEG. Its
value is half the squared distance from the saddle at 0, its Hessian-vector product that of the Jacobian J of F, and
``adjoint`` that of J^T.
"""

# helpers 818be4741a58: numba's cache watches this file only, so `adasde kernels --write` stamps what it inlines here.
from __future__ import annotations

import numpy as np

from adasde.domain import checked, spelled
from adasde.kernels.lanes import hessian_vector_kernel, value_kernel
from adasde.losses.base import Loss
from adasde.losses.quadratic import plane_gradient, plane_hessian_vector


@value_kernel
def half_squared_distance(z, f, data):
    """|z|^2/2 per lane."""
    f[:] = 0.0
    for i in range(z.shape[0]):
        for j in range(z.shape[1]):
            f[j] += 0.5 * z[i, j] * z[i, j]


@hessian_vector_kernel
def transposed_product(z, u, out, data):
    """out = J^T u per lane; data = J row by row."""
    d = z.shape[0]
    out[:] = 0.0
    for l in range(d):
        for i in range(d):
            for j in range(z.shape[1]):
                out[i, j] += data[l * d + i] * u[l, j]


def Game(coupling: float, own: tuple[float, float] = (0.0, 0.0)) -> Loss:
    """f(x, y) = a x^2/2 + lambda x y - b y^2/2: F = (a x + lambda y, -lambda x + b y), J = ((a, lambda), (-lambda, b)).

    coupling is lambda, own are a and b. Raises `InvalidParameter` for numbers that are not finite.
    """
    names = ("lambda", "a", "b")
    lam, a, b = (
        checked(f"game: {name}", value, "(-inf, inf)") for name, value in zip(names, (coupling, *own), strict=True)
    )
    data = np.array([a, lam, -lam, b])
    return Loss(
        f"game:{','.join(map(spelled, (lam, a, b)))}",
        2,
        data,
        np.array([1.0, -1.0]),
        half_squared_distance,
        plane_gradient,
        plane_hessian_vector,
        adjoint=transposed_product,
    )
