"""The five functions of a multilayer perceptron's loss, compiled over lanes.

A lane is one parameter vector theta. Layer l = 0..m-1 maps sizes[l] to sizes[l + 1] units and owns W_l
(row-major, [in, out]) and then b_l in theta; the layers follow each other:

    h_0 = X,   h_{l+1} = phi(h_l W_l + b_l),   logits = h_{m-1} W_{m-1} + b_{m-1}
    f = mean over n of logsumexp(logits_n) - logits_n[y_n],   phi = tanh or max(0, .)

The flat array ``data`` holds [N, code, m, sizes (m + 1), X (N * sizes[0], row-major), y (N)]; code 1 is ReLU.

Samples pass through in blocks, so the scratch does not grow with N and stays in cache: layer l of a scratch
array is the (n, sizes[l]) array that starts at BLOCK * sum(sizes[:l]). Every sum has one fixed order: the
result of a lane depends neither on the other lanes nor on the number of threads, nor, without a call of the C library,
on the machine.
"""

# helpers 44ebe5fb0937: numba's cache watches this file only, so `adasde kernels --write` stamps what it inlines here.
from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from adasde.kernels.lanes import covariance_kernel, field_kernel, hessian_vector_kernel, value_kernel
from adasde.kernels.products import add_product, device
from adasde.kernels.special import exp, log1p, tanh
from adasde.losses.base import Array

Sizes = NDArray[np.int64]

BLOCK = 64
TANH, RELU = 0, 1


@device
def copy(out: Array, source: Array) -> None:
    """out <- source for vectors. Slice assignment takes numba seconds more to compile: it also broadcasts."""
    for i in range(out.size):
        out[i] = source[i]


@device
def layer_sizes(data: Array) -> Sizes:
    return data[3 : 4 + int(data[2])].astype(np.int64)


@device
def labels_of(data: Array, start: int, n: int) -> Array:
    first = data.size - int(data[0]) + start
    return data[first : first + n]


@device
def units(scratch: Array, sizes: Sizes, l: int, n: int) -> Array:
    """Layer l of a scratch array for n samples, (n, sizes[l])."""
    first = BLOCK * sizes[:l].sum()
    return scratch[first : first + n * sizes[l]].reshape((n, sizes[l]))


@device
def offset(sizes: Sizes, l: int) -> int:
    """Where the parameters of layer l start."""
    first = 0
    for k in range(l):
        first += (sizes[k] + 1) * sizes[k + 1]
    return first


@device
def weights(theta: Array, sizes: Sizes, l: int) -> Array:
    """W_l as a view, (sizes[l], sizes[l + 1])."""
    first = offset(sizes, l)
    return theta[first : first + sizes[l] * sizes[l + 1]].reshape((sizes[l], sizes[l + 1]))


@device
def biases(theta: Array, sizes: Sizes, l: int) -> Array:
    """b_l as a view, (sizes[l + 1],)."""
    last = offset(sizes, l + 1)
    return theta[last - sizes[l + 1] : last]


@device
def transposed(flipped: Array, sizes: Sizes, l: int) -> Array:
    """W_l^T as a view of what `transpose` wrote, (sizes[l + 1], sizes[l])."""
    first = offset(sizes, l)
    return flipped[first : first + sizes[l] * sizes[l + 1]].reshape((sizes[l + 1], sizes[l]))


@device
def transpose(theta: Array, flipped: Array, sizes: Sizes) -> None:
    """Writes each W_l^T to the place that W_l has in theta, so that the backward pass reads whole rows."""
    for l in range(sizes.size - 1):
        columns = weights(theta, sizes, l).T
        rows = transposed(flipped, sizes, l)
        for k in range(rows.shape[0]):
            copy(rows[k], columns[k])


@device
def add_weight_sums(out: Array, h: Array, delta: Array, sizes: Sizes, n: int, first: int) -> None:
    """Adds h_l^T delta_{l+1} to the weights of out, in the layers l >= first."""
    for l in range(first, sizes.size - 1):
        add_product(weights(out, sizes, l), units(h, sizes, l, n).T, units(delta, sizes, l + 1, n))


@device
def add_bias_sums(out: Array, delta: Array, sizes: Sizes, n: int) -> None:
    """Adds delta_{l+1}, summed over the samples, to the biases of out."""
    for l in range(sizes.size - 1):
        bias = biases(out, sizes, l)
        for row in units(delta, sizes, l + 1, n):
            bias += row


@device
def activate(z: Array, relu: bool) -> None:
    """z <- phi(z). A NaN stays a NaN under ReLU, hence the sense of the comparison."""
    for row in z:
        for i in range(row.size):
            if relu:
                row[i] = 0.0 if row[i] < 0.0 else row[i]
            else:
                row[i] = tanh(row[i])


@device
def scale_by_slope(v: Array, h: Array, relu: bool) -> None:
    """v <- v phi'(z), the slope being read from h = phi(z): 1 - h^2, or 1 where h > 0 and else 0."""
    for k in range(v.shape[0]):
        row, unit = v[k], h[k]
        for i in range(row.size):
            if relu:
                row[i] = row[i] if unit[i] > 0.0 else 0.0
            else:
                row[i] *= 1.0 - unit[i] * unit[i]


@device
def forward(h: Array, theta: Array, data: Array, sizes: Sizes, start: int, n: int) -> Array:
    """Fills h for the samples start..start+n-1; returns its last layer, the logits (n, classes)."""
    first = 3 + sizes.size + start * sizes[0]
    copy(h[: n * sizes[0]], data[first : first + n * sizes[0]])
    for l in range(sizes.size - 1):
        above = units(h, sizes, l + 1, n)
        for row in above:
            copy(row, biases(theta, sizes, l))
        add_product(above, units(h, sizes, l, n), weights(theta, sizes, l))
        if l < sizes.size - 2:
            activate(above, data[1] == RELU)
    return units(h, sizes, sizes.size - 1, n)


@device
def cross_entropy(logits: Array, labels: Array) -> float:
    """Sum over samples of logsumexp(z) - z_y = z_top - z_y + log1p(sum of exp(z_c - z_top) over c != top)."""
    total = 0.0
    for k in range(labels.size):
        z = logits[k]
        top = np.argmax(z)
        rest = 0.0
        for c in range(z.size):
            if c != top:
                rest += exp(z[c] - z[top])
        total += z[top] - z[int(labels[k])] + log1p(rest)
    return total


@device
def softmax(logits: Array) -> None:
    """Replaces each row z by exp(z) / sum exp(z)."""
    for z in logits:
        shift = z.max()
        for c in range(z.size):
            z[c] = exp(z[c] - shift)
        z /= z.sum()


@device
def residual(delta: Array, p: Array, labels: Array) -> None:
    """delta <- p - onehot(y). Entry y is minus the sum of the others: p_y - 1 cancels for a good fit."""
    for k in range(labels.size):
        y = int(labels[k])
        copy(delta[k], p[k])
        delta[k, y] = 0.0
        delta[k, y] = -delta[k].sum()


@device
def residual_tangent(out: Array, p: Array, z_dot: Array) -> None:
    """out <- p (z' - sum p z'). The largest class gets minus the sum of the others, as in `residual`."""
    for k in range(p.shape[0]):
        mean = 0.0
        for c in range(p.shape[1]):
            mean += p[k, c] * z_dot[k, c]
        for c in range(p.shape[1]):
            out[k, c] = p[k, c] * (z_dot[k, c] - mean)
        top = np.argmax(p[k])
        out[k, top] = 0.0
        out[k, top] = -out[k].sum()


@device
def deltas(delta: Array, h: Array, theta: Array, flipped: Array, data: Array, sizes: Sizes, start: int, n: int) -> None:
    """Fills h, and delta_l with the gradient of each sample's loss in z_l: phi'(z_l) (delta_{l+1} W_l^T)."""
    p = forward(h, theta, data, sizes, start, n)
    softmax(p)
    residual(units(delta, sizes, sizes.size - 1, n), p, labels_of(data, start, n))
    for l in range(sizes.size - 2, 0, -1):
        below = units(delta, sizes, l, n)
        below[:] = 0.0
        add_product(below, units(delta, sizes, l + 1, n), transposed(flipped, sizes, l))
        scale_by_slope(below, units(h, sizes, l, n), data[1] == RELU)


@device
def forward_tangent(h: Array, theta: Array, sizes: Sizes, n: int, relu: bool) -> Array:
    """h[1], the derivative of h[0] when theta[0] moves along theta[1]; returns that of the logits.

    h'_{l+1} = phi'(z) (h_l W'_l + b'_l + h'_l W_l), and h'_0 = 0.
    """
    for l in range(sizes.size - 1):
        above = units(h[1], sizes, l + 1, n)
        for row in above:
            copy(row, biases(theta[1], sizes, l))
        add_product(above, units(h[0], sizes, l, n), weights(theta[1], sizes, l))
        if l > 0:
            add_product(above, units(h[1], sizes, l, n), weights(theta[0], sizes, l))
        if l < sizes.size - 2:
            scale_by_slope(above, units(h[0], sizes, l + 1, n), relu)
    return units(h[1], sizes, sizes.size - 1, n)


@device
def add_curvature(out: Array, e: Array, h: Array, h_dot: Array) -> None:
    """out += phi''(z) z' e for tanh, where phi'' z' = -2 h phi' z' = -2 h h'."""
    for k in range(e.shape[0]):
        row, error, unit, unit_dot = out[k], e[k], h[k], h_dot[k]
        for i in range(row.size):
            row[i] -= 2.0 * unit[i] * unit_dot[i] * error[i]


@device
def backward_tangent(delta: Array, h: Array, flipped: Array, sizes: Sizes, n: int, relu: bool) -> None:
    """Both delta[0] and its derivative delta[1], from the last layer down; with e = delta_{l+1} W_l^T,

    delta_l = phi' e,   delta'_l = phi' (delta'_{l+1} W_l^T + delta_{l+1} W'_l^T) + phi'' z' e.
    """
    for l in range(sizes.size - 2, 0, -1):
        e, e_dot = units(delta[0], sizes, l, n), units(delta[1], sizes, l, n)
        e[:] = 0.0
        e_dot[:] = 0.0
        add_product(e, units(delta[0], sizes, l + 1, n), transposed(flipped[0], sizes, l))
        add_product(e_dot, units(delta[1], sizes, l + 1, n), transposed(flipped[0], sizes, l))
        add_product(e_dot, units(delta[0], sizes, l + 1, n), transposed(flipped[1], sizes, l))
        scale_by_slope(e_dot, units(h[0], sizes, l, n), relu)
        if not relu:
            add_curvature(e_dot, e, units(h[0], sizes, l, n), units(h[1], sizes, l, n))
        scale_by_slope(e, units(h[0], sizes, l, n), relu)


@device
def sample_gradients(rows: Array, h: Array, delta: Array, sizes: Sizes, n: int) -> None:
    """rows (n, d): each sample's gradient, h_l delta_{l+1} in the weights of layer l, delta_{l+1} in its biases."""
    for l in range(sizes.size - 1):
        below, above = units(h, sizes, l, n), units(delta, sizes, l + 1, n)
        for k in range(n):
            copy(biases(rows[k], sizes, l), above[k])
            weight = weights(rows[k], sizes, l)
            for a in range(weight.shape[0]):
                for b in range(weight.shape[1]):
                    weight[a, b] = below[k, a] * above[k, b]


@value_kernel
def value(x: Array, f: Array, data: Array) -> None:
    """f per lane."""
    samples, sizes = int(data[0]), layer_sizes(data)
    theta, h = np.empty(x.shape[0]), np.zeros(BLOCK * sizes.sum())
    for lane in range(x.shape[1]):
        copy(theta, x[:, lane])
        total = 0.0
        for start in range(0, samples, BLOCK):
            n = min(BLOCK, samples - start)
            total += cross_entropy(forward(h, theta, data, sizes, start, n), labels_of(data, start, n))
        f[lane] = total / samples


@field_kernel
def gradient(x: Array, g: Array, data: Array) -> None:
    """grad f per lane: h_l^T delta_{l+1} / N for the weights of layer l, mean delta_{l+1} for its biases."""
    samples, sizes = int(data[0]), layer_sizes(data)
    theta, flipped, total = np.empty(x.shape[0]), np.empty(x.shape[0]), np.empty(x.shape[0])
    h, delta = np.zeros(BLOCK * sizes.sum()), np.zeros(BLOCK * sizes.sum())
    for lane in range(x.shape[1]):
        copy(theta, x[:, lane])
        transpose(theta, flipped, sizes)
        total[:] = 0.0
        for start in range(0, samples, BLOCK):
            n = min(BLOCK, samples - start)
            deltas(delta, h, theta, flipped, data, sizes, start, n)
            add_weight_sums(total, h, delta, sizes, n, 0)
            add_bias_sums(total, delta, sizes, n)
        for i in range(total.size):
            g[i, lane] = total[i] / samples


@hessian_vector_kernel
def hessian_vector(x: Array, u: Array, out: Array, data: Array) -> None:
    """Hess f(x) u per lane: the derivative of the gradient along u, forward mode over `deltas` (R-operator).

    Row 0 of each scratch array is the quantity, row 1 its derivative. ReLU has phi'' = 0.
    """
    samples, relu, sizes = int(data[0]), data[1] == RELU, layer_sizes(data)
    theta, flipped, total = np.empty((2, x.shape[0])), np.empty((2, x.shape[0])), np.empty(x.shape[0])
    h, delta = np.zeros((2, BLOCK * sizes.sum())), np.zeros((2, BLOCK * sizes.sum()))
    for lane in range(x.shape[1]):
        copy(theta[0], x[:, lane])
        copy(theta[1], u[:, lane])
        transpose(theta[0], flipped[0], sizes)
        transpose(theta[1], flipped[1], sizes)
        total[:] = 0.0
        for start in range(0, samples, BLOCK):
            n = min(BLOCK, samples - start)
            p = forward(h[0], theta[0], data, sizes, start, n)
            softmax(p)
            residual(units(delta[0], sizes, sizes.size - 1, n), p, labels_of(data, start, n))
            z_dot = forward_tangent(h, theta, sizes, n, relu)
            residual_tangent(units(delta[1], sizes, sizes.size - 1, n), p, z_dot)
            backward_tangent(delta, h, flipped, sizes, n, relu)
            add_weight_sums(total, h[0], delta[1], sizes, n, 0)
            add_weight_sums(total, h[1], delta[0], sizes, n, 1)
            add_bias_sums(total, delta[1], sizes, n)
        for i in range(total.size):
            out[i, lane] = total[i] / samples


@field_kernel
def noise_scale(x: Array, s: Array, data: Array) -> None:
    """Per-sample standard deviation (ddof = 0) of every gradient coordinate, sqrt(mean g_n^2 - (mean g_n)^2).

    A sample's weight gradient is g_n = h delta, so the squares sum to (h^2)^T delta^2: no g_n is stored.
    The subtraction loses what is below 1e-8 of the root mean square of g_n; it is clipped at 0, a NaN stays.
    """
    samples, sizes = int(data[0]), layer_sizes(data)
    theta, flipped = np.empty(x.shape[0]), np.empty(x.shape[0])
    total, squares = np.empty(x.shape[0]), np.empty(x.shape[0])
    h, delta = np.zeros(BLOCK * sizes.sum()), np.zeros(BLOCK * sizes.sum())
    for lane in range(x.shape[1]):
        copy(theta, x[:, lane])
        transpose(theta, flipped, sizes)
        total[:] = 0.0
        squares[:] = 0.0
        for start in range(0, samples, BLOCK):
            n = min(BLOCK, samples - start)
            deltas(delta, h, theta, flipped, data, sizes, start, n)
            add_weight_sums(total, h, delta, sizes, n, 0)
            add_bias_sums(total, delta, sizes, n)
            h *= h
            delta *= delta
            add_weight_sums(squares, h, delta, sizes, n, 0)
            add_bias_sums(squares, delta, sizes, n)
        for i in range(total.size):
            mean = total[i] / samples
            variance = squares[i] / samples - mean * mean
            s[i, lane] = 0.0 if variance < 0.0 else math.sqrt(variance)


@covariance_kernel
def noise_covariance(x: Array, out: Array, data: Array) -> None:
    """Per-sample covariance (ddof = 0) of the gradient per lane, mean (g_n - mean g)(g_n - mean g)', singular where
    there are fewer samples than parameters, and for any softmax: its logits have one direction to spare."""
    samples, sizes, d = int(data[0]), layer_sizes(data), x.shape[0]
    theta, flipped, mean = np.empty(d), np.empty(d), np.empty(x.shape)
    h, delta = np.zeros(BLOCK * sizes.sum()), np.zeros(BLOCK * sizes.sum())
    rows, total = np.empty((BLOCK, d)), np.empty((d, d))
    gradient(x, mean, data)
    for lane in range(x.shape[1]):
        copy(theta, x[:, lane])
        transpose(theta, flipped, sizes)
        total[:] = 0.0
        for start in range(0, samples, BLOCK):
            n = min(BLOCK, samples - start)
            deltas(delta, h, theta, flipped, data, sizes, start, n)
            sample_gradients(rows, h, delta, sizes, n)
            for k in range(n):
                for i in range(d):
                    rows[k, i] -= mean[i, lane]
            add_product(total, rows[:n].T, rows[:n])
        for i in range(d):
            for k in range(d):
                out[i, k, lane] = total[i, k] / samples
