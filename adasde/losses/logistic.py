"""Binary logistic regression on data, with an optional ridge term.

A lane is one vector x of weights. With the rows z_n = y_n X_n for labels y_n = 1 or -1 and the margins m_n = z_n.x,

    f = mean_n ln(1 + e^-m_n) + l2 |x|^2/2
    grad f = -mean_n p_n z_n + l2 x,   p_n = 1/(1 + e^m_n): the probability of the other label
    Hess f u = mean_n p_n (1 - p_n) (z_n.u) z_n + l2 u

The flat array ``data`` holds (N, l2, z_1, ..., z_N). Samples pass through in blocks, so that the scratch does not grow
with N; every sum has one fixed order, and no exponential overflows, for any margin.
"""

# helpers 44ebe5fb0937: numba's cache watches this file only, so `adasde kernels --write` stamps what it inlines here.
from __future__ import annotations

import math

import numpy as np
from numpy.typing import ArrayLike

from adasde.domain import checked, spelled
from adasde.errors import InvalidParameter
from adasde.kernels.compilation import inlined
from adasde.kernels.lanes import covariance_kernel, field_kernel, hessian_vector_kernel, value_kernel
from adasde.kernels.products import add_product, device
from adasde.kernels.special import exp, log1p, sigmoid
from adasde.losses.base import Array, Loss
from adasde.losses.samples import breast_cancer_data, checked_samples

BLOCK = 16
"""Samples that pass through at once."""


@inlined()
def softplus(y: float) -> float:
    """ln(1 + e^y) = max(y, 0) + ln(1 + e^-|y|), which neither overflows nor cancels; NaN for NaN."""
    return (y if y > 0.0 else 0.0) + log1p(exp(-abs(y)))


@device
def rows(data: Array, d: int, first: int, n: int) -> Array:
    """z_first, ..., z_(first + n - 1) as a view, (n, d)."""
    return data[2 + first * d : 2 + (first + n) * d].reshape((n, d))


@device
def probabilities(p: Array, z: Array, x: Array) -> None:
    """p (n, L) <- p_n for the rows z (n, d) at x (d, L)."""
    p[:] = 0.0
    add_product(p, z, x)
    # By indices: over the rows as views, numba's loops take the compiler no vectors.
    for k in range(p.shape[0]):
        for j in range(p.shape[1]):
            p[k, j] = sigmoid(-p[k, j])


@device
def mean_pull(pull: Array, x: Array, data: Array) -> None:
    """pull (d, L) <- mean_n p_n z_n, minus the gradient without its ridge term."""
    samples, d, scratch = int(data[0]), x.shape[0], np.empty((BLOCK, x.shape[1]))
    pull[:] = 0.0
    for first in range(0, samples, BLOCK):
        n = min(BLOCK, samples - first)
        z, p = rows(data, d, first, n), scratch[:n]
        probabilities(p, z, x)
        add_product(pull, z.T, p)
    for i in range(d):
        for j in range(x.shape[1]):
            pull[i, j] /= samples


@value_kernel
def value(x: Array, f: Array, data: Array) -> None:
    """f per lane."""
    samples, d, scratch, half = int(data[0]), x.shape[0], np.empty((BLOCK, x.shape[1])), 0.5 * data[1]
    f[:] = 0.0
    for first in range(0, samples, BLOCK):
        n = min(BLOCK, samples - first)
        margins = scratch[:n]
        margins[:] = 0.0
        add_product(margins, rows(data, d, first, n), x)
        for k in range(n):
            for j in range(f.size):
                f[j] += softplus(-margins[k, j])
    for j in range(f.size):
        f[j] /= samples
    for i in range(d):
        for j in range(f.size):
            f[j] += half * x[i, j] * x[i, j]


@field_kernel
def gradient(x: Array, g: Array, data: Array) -> None:
    """grad f per lane."""
    mean_pull(g, x, data)
    for i in range(x.shape[0]):
        for j in range(x.shape[1]):
            g[i, j] = data[1] * x[i, j] - g[i, j]


@hessian_vector_kernel
def hessian_vector(x: Array, u: Array, out: Array, data: Array) -> None:
    """Hess f(x) u per lane; p (1 - p) = e/(1 + e)^2 with e = e^-|m| keeps its accuracy at every margin."""
    samples, d, scratch = int(data[0]), x.shape[0], np.empty((2, BLOCK, x.shape[1]))
    out[:] = 0.0
    for first in range(0, samples, BLOCK):
        n = min(BLOCK, samples - first)
        z, margins, along = rows(data, d, first, n), scratch[0, :n], scratch[1, :n]
        margins[:] = 0.0
        along[:] = 0.0
        add_product(margins, z, x)
        add_product(along, z, u)
        for k in range(n):
            for j in range(x.shape[1]):
                e = exp(-abs(margins[k, j]))
                along[k, j] *= e / ((1.0 + e) * (1.0 + e))
        add_product(out, z.T, along)
    for i in range(d):
        for j in range(x.shape[1]):
            out[i, j] = out[i, j] / samples + data[1] * u[i, j]


@field_kernel
def noise_scale(x: Array, s: Array, data: Array) -> None:
    """Per-sample standard deviation (ddof = 0) of every gradient coordinate: sqrt(mean (p_n z_n - mean p z)^2). The
    ridge term is the same in every sample. The mean goes first, for the difference of two means of squares cancels."""
    samples, d = int(data[0]), x.shape[0]
    scratch, mean = np.empty((BLOCK, x.shape[1])), np.empty(x.shape)
    mean_pull(mean, x, data)
    s[:] = 0.0
    for first in range(0, samples, BLOCK):
        n = min(BLOCK, samples - first)
        z, p = rows(data, d, first, n), scratch[:n]
        probabilities(p, z, x)
        for i in range(d):
            for k in range(n):
                a = z[k, i]
                for j in range(x.shape[1]):
                    gap = a * p[k, j] - mean[i, j]
                    s[i, j] += gap * gap
    for i in range(d):
        for j in range(x.shape[1]):
            s[i, j] = math.sqrt(s[i, j] / samples)


@covariance_kernel
def noise_covariance(x: Array, out: Array, data: Array) -> None:
    """Per-sample covariance (ddof = 0) of the gradient per lane, mean (p_n z_n - mean p z)(p_n z_n - mean p z)'."""
    samples, d, lanes = int(data[0]), x.shape[0], x.shape[1]
    scratch, mean, gaps = np.empty((BLOCK, lanes)), np.empty(x.shape), np.empty((BLOCK, d, lanes))
    mean_pull(mean, x, data)
    out[:] = 0.0
    for first in range(0, samples, BLOCK):
        n = min(BLOCK, samples - first)
        z, p = rows(data, d, first, n), scratch[:n]
        probabilities(p, z, x)
        for k in range(n):
            for i in range(d):
                for j in range(lanes):
                    gaps[k, i, j] = z[k, i] * p[k, j] - mean[i, j]
        for i in range(d):
            for l in range(i + 1):
                row = out[i, l]
                for k in range(n):
                    one, other = gaps[k, i], gaps[k, l]
                    for j in range(lanes):
                        row[j] += one[j] * other[j]
    for i in range(d):
        for l in range(i + 1):
            for j in range(lanes):
                out[i, l, j] /= samples
                out[l, i, j] = out[i, l, j]


def Logistic(X: ArrayLike, y: ArrayLike, l2: float = 0.0, name: str = "logistic") -> Loss:
    """Logistic regression f(x) = mean_n ln(1 + e^(-y_n X_n.x)) + l2 |x|^2/2, y_n = 1 or -1.

    X   (N, d), finite; a column of ones makes an intercept, to which the ridge term applies as to every weight
    y   (N,), each 0 or 1, or each -1 or 1, both of them present
    l2  weight of the ridge term, at least 0

    The start is 0, where f = ln 2. `Loss.minimum` is the lower bound 0. Raises InvalidParameter for anything else.
    """
    samples, signs, l2 = checked_samples("logistic", X), _signs(y), checked("logistic: l2", l2, "[0, inf)")
    if signs.size != len(samples):
        remedy = "give one label per row of X"
        raise InvalidParameter("logistic: len(y)", signs.size, f"{{{len(samples)}}}", remedy)
    header = np.array([len(samples), l2], dtype=np.float64)
    return Loss(
        name=name,
        dimension=samples.shape[1],
        data=np.concatenate([header, (signs[:, None] * samples).ravel()]),
        start=np.zeros(samples.shape[1]),
        value=value,
        gradient=gradient,
        hessian_vector=hessian_vector,
        noise_scale=noise_scale,
        noise_covariance=noise_covariance,
    )


def breast_cancer(l2: float = 0.0) -> Loss:
    """`Logistic` on scikit-learn's breast cancer data: N = 569, 30 inputs with mean 0 and deviation 1, an intercept.

    Raises MissingData without scikit-learn, InvalidParameter as `Logistic` does.
    """
    X, y = breast_cancer_data("logistic")
    l2 = checked("logistic: l2", l2, "[0, inf)")
    name = "logistic:breast_cancer" + (f":{spelled(l2)}" if l2 > 0 else "")
    return Logistic(np.column_stack([X, np.ones(len(X))]), y, l2, name)


def _signs(y: ArrayLike) -> Array:
    """Labels 0 and 1, or -1 and 1, as -1.0 and 1.0."""
    labels = np.asarray(y)
    if labels.ndim != 1 or labels.dtype.kind not in "biuf":
        found = f"{labels.dtype} of shape {labels.shape}"
        raise InvalidParameter("logistic: y", found, "numbers of shape (N,)", "give one label, 0 or 1, per row of X")
    classes = np.unique(labels)
    if classes.tolist() not in ([0, 1], [-1, 1]):
        remedy = "number two classes with numpy.unique(y, return_inverse=True)[1], or use MLP with hidden=()"
        shown = f"{classes[:5].tolist()}" + (" and more" if classes.size > 5 else "")
        raise InvalidParameter("logistic: set of labels", shown, "{0, 1} or {-1, 1}", remedy)
    return np.where(labels == 1, 1.0, -1.0)
