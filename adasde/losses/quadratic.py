"""f(x) = x'Hx / 2 with H diagonal or dense."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from adasde.domain import spelled
from adasde.errors import InvalidParameter
from adasde.kernels.lanes import field_kernel, hessian_vector_kernel, value_kernel
from adasde.losses.base import Array, Loss

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
def dense_gradient(x, g, data):
    """g = H x per lane; data = H row by row."""
    d = x.shape[0]
    for i in range(d):
        h = data[i * d]
        for j in range(x.shape[1]):
            g[i, j] = h * x[0, j]
        for l in range(1, d):
            h = data[i * d + l]
            for j in range(x.shape[1]):
                g[i, j] += h * x[l, j]


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
    functions = (
        (diagonal_value, diagonal_gradient, diagonal_hessian_vector)
        if h.ndim == 1
        else (dense_value, dense_gradient, dense_hessian_vector)
    )
    curvature = h if h.ndim == 1 else np.linalg.eigvalsh(h)
    minimum = 0.0 if curvature.min() >= 0 else -np.inf
    return Loss(name, len(h), np.ascontiguousarray(h.ravel()), start, *functions, minimum=minimum)
