"""Losses as device functions, for one path: gradient and Hessian-vector product in the kernel's precision, the value
in float64 for the moments.

gradient(y, g, data, d) writes grad f(x) to g, x being the row y[0]; hessian_vector(y, u, out, data, d) writes
Hess f(x) u to out; value(xs, k, path, data, d) is f of xs[k, :, path]. ``data`` is that of the loss of the same name
in `adasde.losses`, in the precision of the kernel or in float64.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from numpy import float64, int64

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


@device
def _rosenbrock_gradient(y, g, data, d):
    slope = data[1] + data[1]
    for i in range(d - 1):
        x = y[0, i]
        r, rest = slope * (y[0, i + 1] - x * x), x - data[0]
        own = rest + rest - (r + r) * x
        g[i] = own if i == 0 else g[i] + own
        g[i + 1] = r


@device
def _rosenbrock_hessian_vector(y, u, out, data, d):
    slope = data[1] + data[1]
    for i in range(d - 1):
        x, v = y[0, i], u[i]
        r, along = slope * (y[0, i + 1] - x * x), slope * (u[i + 1] - (x + x) * v)
        half = v - r * v - along * x
        out[i] = half + half if i == 0 else out[i] + half + half
        out[i + 1] = along


@device
def _rosenbrock_value(xs, k, path, data, d):
    f = float64(0)
    for i in range(d - 1):
        x = float64(xs[k, i, path])
        gap, rest = float64(xs[k, i + 1, path]) - x * x, x - data[0]
        f += data[1] * gap * gap + rest * rest
    return f


@device
def _margin(y, data, d, row):
    """z_n.x for the row z_n that starts at data[row]."""
    margin = data[row] * y[0, 0]
    for i in range(1, d):
        margin += data[row + i] * y[0, i]
    return margin


@device
def _logistic_gradient(y, g, data, d):
    samples = data[0]
    one = samples / samples  # in the precision of the kernel, as every number here
    for i in range(d):
        g[i] = samples - samples
    for row in range(2, 2 + int64(samples) * d, d):
        margin = _margin(y, data, d, row)
        e = math.exp(-abs(margin))
        p = (e if margin > 0 else one) / (one + e)
        for i in range(d):
            g[i] += p * data[row + i]
    for i in range(d):
        g[i] = data[1] * y[0, i] - g[i] / samples


@device
def _logistic_hessian_vector(y, u, out, data, d):
    samples = data[0]
    one = samples / samples
    for i in range(d):
        out[i] = samples - samples
    for row in range(2, 2 + int64(samples) * d, d):
        e = math.exp(-abs(_margin(y, data, d, row)))
        along = data[row] * u[0]
        for i in range(1, d):
            along += data[row + i] * u[i]
        along *= e / ((one + e) * (one + e))
        for i in range(d):
            out[i] += along * data[row + i]
    for i in range(d):
        out[i] = out[i] / samples + data[1] * u[i]


@device
def _logistic_value(xs, k, path, data, d):
    f, square = float64(0), float64(0)
    for row in range(2, 2 + int64(data[0]) * d, d):
        margin = float64(0)
        for i in range(d):
            margin += data[row + i] * float64(xs[k, i, path])
        f += max(-margin, float64(0)) + math.log1p(math.exp(-abs(margin)))
    for i in range(d):
        square += float64(xs[k, i, path]) * float64(xs[k, i, path])
    return f / data[0] + 0.5 * data[1] * square


DIAGONAL = LossFamily(_diagonal_gradient, _diagonal_hessian_vector, _diagonal_value)
DENSE = LossFamily(_dense_gradient, _dense_hessian_vector, _dense_value)
SADDLE = LossFamily(_saddle_gradient, _saddle_hessian_vector, _saddle_value)
ROSENBROCK = LossFamily(_rosenbrock_gradient, _rosenbrock_hessian_vector, _rosenbrock_value)
LOGISTIC = LossFamily(_logistic_gradient, _logistic_hessian_vector, _logistic_value)
