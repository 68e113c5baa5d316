"""The embedded saddle: a quadratic saddle with a quartic wall."""

# helpers 818be4741a58: numba's cache watches this file only, so `adasde kernels --write` stamps what it inlines here.
from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from adasde.domain import checked, spelled
from adasde.errors import InvalidParameter
from adasde.kernels.lanes import field_kernel, hessian_vector_kernel, value_kernel
from adasde.losses.base import Array, Loss


@value_kernel
def saddle_value(x, f, data):
    """f = sum_i h_i x_i^2/2 + (lambda/4) x_i^4 - (xi/3) x_i^3; data = (lambda, xi, h_1, ..., h_d)."""
    quartic, cubic = 0.25 * data[0], data[1] / 3.0
    f[:] = 0.0
    for i in range(x.shape[0]):
        half = 0.5 * data[2 + i]
        for j in range(x.shape[1]):
            y = x[i, j]
            f[j] += y * y * (half + y * (quartic * y - cubic))


@field_kernel
def saddle_gradient(x, g, data):
    """g_i = h_i x_i + lambda x_i^3 - xi x_i^2."""
    quartic, cubic = data[0], data[1]
    for i in range(x.shape[0]):
        h = data[2 + i]
        for j in range(x.shape[1]):
            y = x[i, j]
            g[i, j] = y * (h + y * (quartic * y - cubic))


@hessian_vector_kernel
def saddle_hessian_vector(x, u, out, data):
    """out_i = (h_i + 3 lambda x_i^2 - 2 xi x_i) u_i."""
    quartic, cubic = 3.0 * data[0], 2.0 * data[1]
    for i in range(x.shape[0]):
        h = data[2 + i]
        for j in range(x.shape[1]):
            y = x[i, j]
            out[i, j] = (h + y * (quartic * y - cubic)) * u[i, j]


def EmbeddedSaddle(h: ArrayLike = (-1.0, 2.0), quartic: float = 1.0, cubic: float = 0.1) -> Loss:
    """f(x) = x'Hx/2 + (lambda/4) sum x_i^4 - (xi/3) sum x_i^3, H = diag(h), lambda = quartic > 0, xi = cubic.

    The defaults are those of Compagnoni et al. 2025: a saddle at the origin, minima on the first axis. The
    default start, 0.1 in each coordinate, is near the saddle.
    """
    diagonal = _vector(h)
    quartic, cubic = (
        checked("saddle: quartic", quartic, "(0, inf)"),
        checked("saddle: cubic", cubic, "(-inf, inf)"),
    )
    data = np.concatenate([[quartic, cubic], diagonal])
    name = "saddle" if diagonal.tolist() == [-1.0, 2.0] else "saddle:" + ",".join(spelled(a) for a in diagonal)
    if (quartic, cubic) != (1.0, 0.1):
        name += f" with quartic {spelled(quartic)}, cubic {spelled(cubic)}"
    start = np.full(len(diagonal), 0.1)
    minimum = sum(_least(a, quartic, cubic) for a in diagonal)
    return Loss(
        name,
        len(diagonal),
        data,
        start,
        saddle_value,
        saddle_gradient,
        saddle_hessian_vector,
        minimum=minimum,
    )


def _least(h: float, quartic: float, cubic: float) -> float:
    """Least value over y of h y^2/2 + lambda y^4/4 - xi y^3/3, at one of its critical points."""
    critical = np.concatenate([[0.0], np.roots([quartic, -cubic, h]).real])
    return float(np.min(critical**2 * (h / 2 + critical * (quartic * critical / 4 - cubic / 3))))


def _vector(h: ArrayLike) -> Array:
    try:
        vector: Array = np.atleast_1d(np.asarray(h, dtype=np.float64))
    except (TypeError, ValueError):
        vector = np.empty(0)
    if vector.ndim != 1 or vector.size == 0 or not np.isfinite(vector).all():
        raise InvalidParameter("saddle: h", h, "the finite vectors", "give the diagonal of H")
    return vector
