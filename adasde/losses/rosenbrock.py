"""The Rosenbrock function, chained: a curved valley whose floor is nearly flat."""

# helpers 818be4741a58: numba's cache watches this file only, so `adasde kernels --write` stamps what it inlines here.
from __future__ import annotations

import numpy as np

from adasde.domain import checked, spelled, whole
from adasde.kernels.lanes import field_kernel, hessian_vector_kernel, value_kernel
from adasde.losses.base import Loss

A, B = 1.0, 100.0
"""Rosenbrock's own numbers."""


@value_kernel
def rosenbrock_value(x, f, data):
    """f = sum_i b (x_{i+1} - x_i^2)^2 + (a - x_i)^2, i < d; data = (a, b)."""
    a, b = data[0], data[1]
    f[:] = 0.0
    for i in range(x.shape[0] - 1):
        for j in range(x.shape[1]):
            gap, rest = x[i + 1, j] - x[i, j] * x[i, j], x[i, j] - a
            f[j] += b * gap * gap + rest * rest


@field_kernel
def rosenbrock_gradient(x, g, data):
    """With the slopes r_i = 2 b (x_{i+1} - x_i^2): g_i = 2 (x_i - a) - 2 r_i x_i up to the last coordinate but one, and
    r_{i-1} in addition from the second on."""
    a, slope, last = data[0], 2.0 * data[1], x.shape[0] - 1
    # One row is written at a time: with two, the compiler does not see that they are apart, and uses no vectors.
    for i in range(last):
        for j in range(x.shape[1]):
            r = slope * (x[i + 1, j] - x[i, j] * x[i, j])
            g[i, j] = 2.0 * (x[i, j] - a) - 2.0 * r * x[i, j]
    g[last] = 0.0
    for i in range(last):
        for j in range(x.shape[1]):
            g[i + 1, j] += slope * (x[i + 1, j] - x[i, j] * x[i, j])


@hessian_vector_kernel
def rosenbrock_hessian_vector(x, u, out, data):
    """The derivative of the gradient along u, with that of each slope, r'_i = 2 b (u_{i+1} - 2 x_i u_i)."""
    slope, last = 2.0 * data[1], x.shape[0] - 1
    for i in range(last):
        for j in range(x.shape[1]):
            r = slope * (x[i + 1, j] - x[i, j] * x[i, j])
            along = slope * (u[i + 1, j] - 2.0 * x[i, j] * u[i, j])
            out[i, j] = 2.0 * (u[i, j] - r * u[i, j] - along * x[i, j])
    out[last] = 0.0
    for i in range(last):
        for j in range(x.shape[1]):
            out[i + 1, j] += slope * (u[i + 1, j] - 2.0 * x[i, j] * u[i, j])


def Rosenbrock(d: int = 2, a: float = A, b: float = B) -> Loss:
    """f(x) = sum_i b (x_{i+1} - x_i^2)^2 + (a - x_i)^2 for i = 1, ..., d - 1 (Rosenbrock 1960, b > 0).

    Its least value is 0 at (a, a^2) for d = 2 and, with a = 1, at (1, ..., 1) for any d; elsewhere 0 is a lower bound.
    The default start (-1.2, 1, -1.2, 1, ...) is across the bend of the valley. The Hessian at the minimum has the
    largest eigenvalue 1002 for d = 2, a = 1, b = 100: SGD needs a learning rate below 2e-3 there. Raises
    `InvalidParameter` for a d below 2, a b that is not positive, or numbers that are not finite.
    """
    d = whole("rosenbrock: d", d, "{2, 3, 4, ...}", "the chain has a link between two coordinates", 2)
    a, b = checked("rosenbrock: a", a, "(-inf, inf)"), checked("rosenbrock: b", b, "(0, inf)")
    numbers = [str(d)] if (a, b) == (A, B) else [str(d), spelled(a), spelled(b)]
    name = "rosenbrock" if numbers == ["2"] else "rosenbrock:" + ",".join(numbers)
    start = np.where(np.arange(d) % 2 == 0, -1.2, 1.0)
    functions = rosenbrock_value, rosenbrock_gradient, rosenbrock_hessian_vector
    return Loss(name, d, np.array([a, b]), start, *functions)
