"""A network as a `Loss` of compiled functions, so that `simulate`, `compare` and `verify` take it like any other.

The compiled functions call back into Python, where torch works out one lane after the other. Which network that is,
they read from ``data``: the characters of its name, so that another process can build the same one.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
from numba import njit, objmode

from adasde.kernels.lanes import FIELD, HESSIAN_VECTOR, VALUE
from adasde.losses.base import Array, Loss
from adasde.nets.catalog import network
from adasde.nets.loss import TorchLoss, cross_entropy

SEPARATOR = "\0"


def net_loss(name: str) -> Loss:
    """The loss ``net:name`` of `adasde.nets.network`, in float64. Its minimum counts as 0 for cross-entropy, and as
    unknown for a loss of one's own. Raises as `network` does."""
    if ":" in name:
        file, _, function = name.rpartition(":")
        path = Path(file).expanduser()
        text = path.read_bytes() if path.is_file() else b""
        name, stamp = f"{path.resolve()}:{function}", hashlib.sha256(text).hexdigest()
    else:
        stamp = ""
    data = np.array([ord(letter) for letter in name + SEPARATOR + stamp], dtype=np.float64)
    found = _network(data.tobytes())
    minimum = 0.0 if found._per_sample is cross_entropy else -np.inf
    return Loss(
        name=f"net:{name}",
        dimension=found.dimension,
        data=data,
        start=found.start,
        value=net_value,
        gradient=net_gradient,
        hessian_vector=net_hessian_vector,
        noise_scale=net_noise_scale,
        minimum=minimum,
    )


@lru_cache(maxsize=4)
def _network(data: bytes) -> TorchLoss:
    name, _, _ = "".join(chr(int(code)) for code in np.frombuffer(data)).partition(SEPARATOR)
    return network(name)


def _lane_by_lane(out: Array, data: Array, work: Callable[[TorchLoss, int], Any]) -> None:
    """out[..., j] = work(network, j). An error cannot pass through compiled code: it gives nan, and so a path that
    counts as diverged."""
    for j in range(out.shape[-1]):
        try:
            out[..., j] = work(_network(data.tobytes()), j)
        except Exception:
            out[..., j] = np.nan


def _value(x: Array, f: Array, data: Array) -> None:
    _lane_by_lane(f, data, lambda loss, j: loss.value(x[:, j]))


def _gradient(x: Array, g: Array, data: Array) -> None:
    _lane_by_lane(g, data, lambda loss, j: loss.gradient(x[:, j]))


def _hessian_vector(x: Array, u: Array, out: Array, data: Array) -> None:
    _lane_by_lane(out, data, lambda loss, j: loss.hessian_vector(x[:, j], u[:, j]))


def _noise_scale(x: Array, s: Array, data: Array) -> None:
    _lane_by_lane(s, data, lambda loss, j: np.sqrt(loss.variance(x[:, j])))


@njit(VALUE, cache=True, error_model="numpy")
def net_value(x, f, data):
    """f per lane, by torch."""
    with objmode():
        _value(x, f, data)


@njit(FIELD, cache=True, error_model="numpy")
def net_gradient(x, g, data):
    """grad f per lane, by torch."""
    with objmode():
        _gradient(x, g, data)


@njit(HESSIAN_VECTOR, cache=True, error_model="numpy")
def net_hessian_vector(x, u, out, data):
    """Hess f(x) u per lane, by torch."""
    with objmode():
        _hessian_vector(x, u, out, data)


@njit(FIELD, cache=True, error_model="numpy")
def net_noise_scale(x, s, data):
    """Per-sample standard deviation of every gradient coordinate per lane, by torch."""
    with objmode():
        _noise_scale(x, s, data)
