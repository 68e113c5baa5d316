"""f(x) = x'Hx / 2 with H diagonal or dense."""

# helpers 818be4741a58: numba's cache watches this file only, so `adasde kernels --write` stamps what it inlines here.
from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from adasde.domain import spelled
from adasde.errors import InvalidParameter
from adasde.kernels.lanes import field_kernel, hessian_vector_kernel, value_kernel
from adasde.losses.base import Array, Loss

BLAS_FROM, BLAS_LANES = 64, 128
"""Dimension from which H x is a product by BLAS, 1.3 to 2 times as fast from there on (measured), and the lanes that
such a product wants. Smaller ones give the same bytes on every CPU."""

ROUNDING = 1e-12
"""Asymmetry of H, relative to its largest entry, that counts as rounding and is averaged out."""


@value_kernel
def diagonal_value(x, f, data):
    """f = sum_i h_i x_i^2 / 2; data = h."""
    f[:] = 0.0
    for i in range(x.shape[0]):
        half = 0.5 * data[i]
        for j in range(x.shape[1]):
            f[j] += half * x[i, j] * x[i, j]


@field_kernel
def diagonal_gradient(x, g, data):
    """g_i = h_i x_i."""
    for i in range(x.shape[0]):
        h = data[i]
        for j in range(x.shape[1]):
            g[i, j] = h * x[i, j]


@hessian_vector_kernel
def diagonal_hessian_vector(x, u, out, data):
    """out_i = h_i u_i."""
    for i in range(x.shape[0]):
        h = data[i]
        for j in range(x.shape[1]):
            out[i, j] = h * u[i, j]


@field_kernel
def plane_gradient(x, g, data):
    """g = H x per lane for d = 2, all four numbers of H in registers."""
    a, b, c, e = data[0], data[1], data[2], data[3]
    for j in range(x.shape[1]):
        g[0, j] = a * x[0, j] + b * x[1, j]
        g[1, j] = c * x[0, j] + e * x[1, j]


@field_kernel
def dense_gradient(x, g, data):
    """g = H x per lane; data = H row by row.

    Four columns of H at a time, two rows of g: three loads from the cache per eight products instead of sixteen.
    """
    d, lanes = x.shape
    whole = d // 4 * 4
    g[:] = 0.0
    for i in range(0, d - 1, 2):
        for l in range(0, whole, 4):
            a0, a1, a2, a3 = data[i * d + l], data[i * d + l + 1], data[i * d + l + 2], data[i * d + l + 3]
            k = i * d + d + l
            b0, b1, b2, b3 = data[k], data[k + 1], data[k + 2], data[k + 3]
            for j in range(lanes):
                x0, x1, x2, x3 = x[l, j], x[l + 1, j], x[l + 2, j], x[l + 3, j]
                g[i, j] = g[i, j] + a0 * x0 + a1 * x1 + a2 * x2 + a3 * x3
                g[i + 1, j] = g[i + 1, j] + b0 * x0 + b1 * x1 + b2 * x2 + b3 * x3
        for l in range(whole, d):
            a0, b0 = data[i * d + l], data[i * d + d + l]
            for j in range(lanes):
                g[i, j] += a0 * x[l, j]
                g[i + 1, j] += b0 * x[l, j]
    if d % 2 == 1:
        for l in range(d):
            a0 = data[(d - 1) * d + l]
            for j in range(lanes):
                g[d - 1, j] += a0 * x[l, j]


@field_kernel
def blas_gradient(x, g, data):
    """g = H x per lane as one matrix product by BLAS, whose rounding depends on the CPU that it runs on."""
    d = x.shape[0]
    np.dot(data.reshape(d, d), x, g)


@value_kernel
def dense_value(x, f, data):
    """f = x'Hx / 2 per lane."""
    d = x.shape[0]
    f[:] = 0.0
    for i in range(d):
        for l in range(d):
            half = 0.5 * data[i * d + l]
            for j in range(x.shape[1]):
                f[j] += half * x[i, j] * x[l, j]


@hessian_vector_kernel
def dense_hessian_vector(x, u, out, data):
    """out = H u per lane."""
    dense_gradient(u, out, data)


@hessian_vector_kernel
def plane_hessian_vector(x, u, out, data):
    """out = H u per lane for d = 2."""
    plane_gradient(u, out, data)


@hessian_vector_kernel
def blas_hessian_vector(x, u, out, data):
    """out = H u per lane by BLAS."""
    blas_gradient(u, out, data)


def Quadratic(H: ArrayLike) -> Loss:
    """The quadratic f(x) = x'Hx / 2.

    H is a vector (its entries are the diagonal) or a symmetric finite matrix, definite or not. The default
    start is (1, -1, 1, ...). Raises `InvalidParameter` for a non-symmetric or non-finite H.
    """
    try:
        h: Array = np.array(H, dtype=np.float64)
    except (TypeError, ValueError):
        remedy = "give a diagonal or a square matrix"
        raise InvalidParameter("quadratic: H", repr(H), "the arrays of numbers", remedy) from None
    if h.ndim not in (1, 2) or h.size == 0 or (h.ndim == 2 and h.shape[0] != h.shape[1]):
        raise InvalidParameter("quadratic: shape of H", h.shape, "{(d,), (d, d)}", "give a diagonal or a square matrix")
    if not np.isfinite(h).all():
        place = tuple(int(i) for i in np.argwhere(~np.isfinite(h))[0])
        where = f"quadratic: H[{', '.join(map(str, place))}]"
        raise InvalidParameter(where, h[place], "the finite numbers", "mend this entry")
    if h.ndim == 2:
        gap, rounding = np.abs(h - h.T).max(), ROUNDING * np.abs(h).max()
        if gap > rounding:
            domain = f"[0, {rounding:.1g}], H must be symmetric up to rounding"
            remedy = "symmetrise it: H = (H + H.T)/2"
            raise InvalidParameter("quadratic: max |H - H'|", f"{gap:.3g}", domain, remedy)
        h = (h + h.T) / 2
    start = np.where(np.arange(len(h)) % 2 == 0, 1.0, -1.0)
    name = "quadratic:" + (",".join(spelled(a) for a in h) if h.ndim == 1 else f"dense({len(h)})")
    curvature = h if h.ndim == 1 else np.linalg.eigvalsh(h)
    minimum = 0.0 if curvature.min() >= 0 else -np.inf
    blas = h.ndim == 2 and len(h) >= BLAS_FROM
    data, lanes = np.ascontiguousarray(h.ravel()), BLAS_LANES if blas else 8
    family = "diagonal" if h.ndim == 1 else "plane" if len(h) == 2 else None
    return Loss(name, len(h), data, start, *_functions(h), minimum=minimum, lanes=lanes, family=family)


def _functions(h: Array) -> tuple[Any, Any, Any]:
    """Value, gradient and Hessian-vector product for this shape of H."""
    if h.ndim == 1:
        return diagonal_value, diagonal_gradient, diagonal_hessian_vector
    if len(h) == 2:
        return dense_value, plane_gradient, plane_hessian_vector
    if len(h) < BLAS_FROM:
        return dense_value, dense_gradient, dense_hessian_vector
    return dense_value, blas_gradient, blas_hessian_vector
