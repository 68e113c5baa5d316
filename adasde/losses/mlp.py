"""Multilayer perceptrons on data: softmax cross-entropy averaged over N samples, biases included."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from adasde.errors import InvalidParameter
from adasde.losses import mlp_kernels
from adasde.losses.base import Array, Loss
from adasde.losses.samples import breast_cancer_data, checked_samples

ACTIVATIONS = {"tanh": mlp_kernels.TANH, "relu": mlp_kernels.RELU}


def MLP(
    X: ArrayLike,
    y: ArrayLike,
    hidden: Sequence[int] = (20,),
    activation: str = "tanh",
    name: str = "mlp",
    seed: int = 0,
) -> Loss:
    """The classifier h_{l+1} = phi(h_l W_l + b_l), f = mean_n logsumexp(z_n) - z_n[y_n] of its logits z.

    X           (N, inputs), finite
    y           (N,), integer labels 0..C-1, each of them present, C at least 2
    hidden      units of each hidden layer; () is multinomial logistic regression
    activation  phi of the hidden layers, "tanh" or "relu" (with phi'(0) = 0 and phi'' = 0)
    seed        of the starting point, see `initial_parameters`

    A parameter vector holds, for one layer after the other, W_l row-major as [in, out] and then b_l; so the
    dimension is the sum of (in + 1) out. Raises InvalidParameter for anything else.
    """
    samples, labels = checked_samples("mlp", X), _labels(y)
    if labels.size != len(samples):
        domain = f"{{{len(samples)}}}"
        raise InvalidParameter("mlp: len(y)", labels.size, domain, "give one label per row of X")
    if activation not in ACTIVATIONS:
        raise InvalidParameter("mlp: activation", repr(activation), "{tanh, relu}", "choose one of these")
    sizes = [samples.shape[1], *_widths(hidden), int(labels.max()) + 1]
    start = initial_parameters(sizes, activation, seed)
    header = [len(samples), ACTIVATIONS[activation], len(sizes) - 1, *sizes]
    return Loss(
        name=name,
        dimension=start.size,
        data=np.concatenate([np.array(header, dtype=np.float64), samples.ravel(), labels.astype(np.float64)]),
        start=start,
        value=mlp_kernels.value,
        gradient=mlp_kernels.gradient,
        hessian_vector=mlp_kernels.hessian_vector,
        noise_scale=mlp_kernels.noise_scale,
        noise_covariance=mlp_kernels.noise_covariance,
    )


def breast_cancer(hidden: Sequence[int] = (20,), activation: str = "tanh", seed: int = 0) -> Loss:
    """`MLP` on scikit-learn's breast cancer data: N = 569, 30 inputs with mean 0 and deviation 1, 2 classes.

    Raises MissingData without scikit-learn, InvalidParameter as `MLP` does.
    """
    X, y = breast_cancer_data("mlp")
    widths = _widths(hidden)
    name = "mlp:breast_cancer"
    if (widths, activation) != ((20,), "tanh"):
        name += f":{','.join(map(str, widths))}:{activation}"
    return MLP(X, y, widths, activation, name, seed)


def initial_parameters(sizes: Sequence[int], activation: str, seed: int) -> Array:
    """Zero biases and normal weights, of variance 2 / in before a ReLU (He), else 2 / (in + out) (Glorot)."""
    rng = np.random.default_rng(seed)
    parts: list[Array] = []
    for l, (fan_in, fan_out) in enumerate(pairwise(sizes)):
        rectified = activation == "relu" and l < len(sizes) - 2
        scale = np.sqrt(2.0 / (fan_in if rectified else fan_in + fan_out))
        parts += [scale * rng.standard_normal(fan_in * fan_out), np.zeros(fan_out)]
    return np.concatenate(parts)


def _labels(y: ArrayLike) -> NDArray[np.int64]:
    labels = np.asarray(y)
    if labels.ndim != 1 or labels.dtype.kind not in "biu":
        found = f"{labels.dtype} of shape {labels.shape}"
        remedy = "give the index of each sample's class"
        raise InvalidParameter("mlp: y", found, "integers of shape (N,)", remedy)
    classes = np.unique(labels)
    if classes.size < 2 or not np.array_equal(classes, np.arange(classes.size)):
        renumber = "renumber two or more classes with numpy.unique(y, return_inverse=True)[1]"
        raise InvalidParameter("mlp: set of labels", classes.tolist(), "{0, ..., C-1}, C >= 2", renumber)
    return labels.astype(np.int64)


def _widths(hidden: Any) -> tuple[int, ...]:
    widths = tuple(hidden) if np.ndim(hidden) == 1 else (hidden,)
    integers = all(isinstance(width, int | np.integer) and width > 0 for width in widths)
    if np.ndim(hidden) != 1 or not integers:
        remedy = "give one width per hidden layer, such as (20,)"
        raise InvalidParameter("mlp: hidden", hidden, "the tuples of positive integers", remedy)
    return tuple(int(width) for width in widths)
