"""Losses as device functions, for one path: gradient and Hessian-vector product in the kernel's precision, the value
in float64 for the moments.

gradient(y, g, data, d) writes grad f(x) to g, x being the row y[0]; hessian_vector(y, u, out, data, d) writes
Hess f(x) u to out; value(xs, k, path, data, d) is f of xs[k, :, path]. ``data`` is that of the loss of the same name
in `adasde.losses`, in the precision of the kernel or in float64.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from numpy import float64

from adasde.kernels.cuda.device.arithmetic import device


@dataclass(frozen=True)
class LossFamily:
    """The device functions of one family of losses."""

    gradient: Callable[..., Any]
    hessian_vector: Callable[..., Any]
    value: Callable[..., Any]


@device
def _diagonal_gradient(y, g, data, d):
    for i in range(d):
        g[i] = data[i] * y[0, i]


@device
def _diagonal_hessian_vector(y, u, out, data, d):
    for i in range(d):
        out[i] = data[i] * u[i]


@device
def _diagonal_value(xs, k, path, data, d):
    f = float64(0)
    for i in range(d):
        x = float64(xs[k, i, path])
        f += 0.5 * data[i] * x * x
    return f


@device
def _dense_gradient(y, g, data, d):
    for i in range(d):
        total = data[i * d] * y[0, 0]
        for l in range(1, d):
            total += data[i * d + l] * y[0, l]
        g[i] = total


@device
def _dense_hessian_vector(y, u, out, data, d):
    for i in range(d):
        total = data[i * d] * u[0]
        for l in range(1, d):
            total += data[i * d + l] * u[l]
        out[i] = total


@device
def _dense_value(xs, k, path, data, d):
    f = float64(0)
    for i in range(d):
        for l in range(d):
            f += 0.5 * data[i * d + l] * float64(xs[k, i, path]) * float64(xs[k, l, path])
    return f


@device
def _saddle_gradient(y, g, data, d):
    for i in range(d):
        x = y[0, i]
        g[i] = x * (data[2 + i] + x * (data[0] * x - data[1]))


@device
def _saddle_hessian_vector(y, u, out, data, d):
    quartic, cubic = data[0] + data[0] + data[0], data[1] + data[1]
    for i in range(d):
        x = y[0, i]
        out[i] = (data[2 + i] + x * (quartic * x - cubic)) * u[i]


@device
def _saddle_value(xs, k, path, data, d):
    f = float64(0)
    for i in range(d):
        x = float64(xs[k, i, path])
        f += x * x * (0.5 * data[2 + i] + x * (0.25 * data[0] * x - data[1] / 3.0))
    return f


DIAGONAL = LossFamily(_diagonal_gradient, _diagonal_hessian_vector, _diagonal_value)
DENSE = LossFamily(_dense_gradient, _dense_hessian_vector, _dense_value)
SADDLE = LossFamily(_saddle_gradient, _saddle_hessian_vector, _saddle_value)
