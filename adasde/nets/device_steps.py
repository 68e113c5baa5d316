"""The generated steps of the CPU as CUDA kernels on torch's tensors, one thread a lane. Loads numba.cuda.

The text of a step is compiled as it is, with CUDA's functions in place of those of `adasde.kernels.special`. These
kernels were run in numba's simulator and compiled for compute capability 9.0; they have not run on a GPU yet.
"""

from __future__ import annotations

import math
import types
from collections.abc import Callable
from functools import cache
from typing import Any

import numpy as np
from numba import cuda

from adasde.cuda import require_gpu, require_package, simulated
from adasde.kernels.cuda.device.arithmetic import device
from adasde.kernels.cuda.device.special import sign_in
from adasde.kernels.lanes import StepKernel

THREADS = 128
"""Threads of a block."""


def launch(step: StepKernel, tensors: tuple[Any, ...], k: int, t: float, dt: float) -> None:
    """One step of a model of weak order one, in place: tensors are state, gradient, scale, noise and p of
    `adasde.kernels.lanes.STEP`. Torch and the kernel work on the same default stream, in order.

    Raises `MissingData` without numba-cuda or a GPU.
    """
    lanes = tensors[1].shape[1]
    threads = min(THREADS, lanes)
    # A tensor has a CUDA array interface, but none in the simulator: a numpy array on its memory stands in.
    given = [tensor.numpy() if simulated() else tensor.detach() for tensor in tensors]
    device_kernel(step)[-(-lanes // threads), threads](*given, k, t, dt)


@cache
def device_kernel(step: StepKernel) -> Any:
    """The step as a CUDA kernel, compiled when it is first launched."""
    require_package()
    require_gpu()
    return cuda.jit(lane_function(step))


def lane_function(step: StepKernel) -> Callable[..., None]:
    """What each thread does: the generated step on one lane."""
    body: Any = step.body
    advance = device(types.FunctionType(body.__code__, {**body.__globals__, **FUNCTIONS}, body.__name__))

    def lane(state, gradient, scale, noise, p, k, t, dt):  # type: ignore[no-untyped-def]
        j = cuda.grid(1)
        if j < gradient.shape[1]:
            one, draws = state[:, :, j : j + 1], noise[:, :, j : j + 1]
            # No model of weak order one reads the curvature: the state takes its place.
            advance(one, gradient[:, j : j + 1], scale[:, j : j + 1], one, draws, p, k, t, dt)

    return lane


@device
def whole_power(x, n):  # type: ignore[no-untyped-def]
    """x^n for whole n >= 0."""
    return x**n


FUNCTIONS = {
    "erf": math.erf,
    "exp": math.exp,
    "expm1": math.expm1,
    "log1p": math.log1p,
    "sign": sign_in(np.float64),
    "whole_power": whole_power,
}
"""CUDA's own functions by the names that generated steps under Gaussian noise have for them."""
