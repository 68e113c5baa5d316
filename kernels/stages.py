"""Steps in stages: loops over lanes with further gradients, sums over coordinates and workers between them.

What a rule needs that goes beyond one coordinate and one gradient (`adasde.derive.operations`) cannot be a step with
the signature `lanes.STEP`. Its generated step has the signature `STAGED` instead: it gets the loss's functions, and
draws of every kind it asks for.
"""

# helpers 295fb022f19a: numba's cache watches this file only, so `adasde kernels --write` stamps what it inlines here.
from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numba import float64, int64, types

from adasde.kernels.compilation import compiled
from adasde.kernels.lanes import FIELD, HESSIAN_VECTOR, LANE_STACK, LANES, SCALARS, StepKernel
from adasde.kernels.special import normal_tail

STAGED = types.void(
    LANE_STACK,
    LANES,
    LANES,
    types.FunctionType(FIELD),
    types.FunctionType(FIELD),
    types.FunctionType(HESSIAN_VECTOR),
    types.FunctionType(HESSIAN_VECTOR),
    float64,
    SCALARS,
    LANE_STACK,
    LANE_STACK,
    LANE_STACK,
    LANE_STACK,
    SCALARS,
    int64,
    float64,
    float64,
)
"""``step(state, gradient, scale, field, spread, hessian, transposed, factor, data, noise, normal, uniform, exponential,
p, k, t, dt)``: advances the lanes in place by one step, like `lanes.STEP`, where

field, spread, hessian, transposed are the loss's gradient, noise scale, Hessian-vector product and that of the
transposed Jacobian (of a game; else the Hessian again) with its ``data``; factor > 0 times spread is the noise scale
elsewhere, which for factor = 0 is ``scale`` everywhere; noise (m, d, L): layer 0 the noise Z of the minibatch (of a
model: its first Brownian motion), then that of further ones; normal, uniform and exponential: the rule's own draws,
the last of mean 0."""

Counts = tuple[int, int, int, int]
Sizes = tuple[tuple[str, str, int], ...]


@dataclass(eq=False)
class StagedKernel(StepKernel):
    """A generated step with signature `STAGED`.

    draws  ``draws(p)``: the layers of noise, normal, uniform and exponential that it takes
    sizes  ``sizes(p)``: (operation, the rule's name for n, n) where the dimension must fit to n, which `keep_largest`
           and `newton_schulz` do not check; None where it has neither
    """

    draws: Callable[[Any], Counts] | None = None
    sizes: Callable[[Any], Sizes] | None = None

    @cached_property
    def compiled(self) -> Any:
        return compiled(STAGED)(self.body)


def staged_kernel(
    *,
    draws: Callable[[Any], Counts],
    noises: int,
    moments: int,
    singular: bool,
    degrees: tuple[int, ...] | None = None,
    sizes: Callable[[Any], Sizes] | None = None,
) -> Callable[[Callable[..., None]], StagedKernel]:
    """Decorator of generated steps in stages."""
    return lambda body: StagedKernel(body, noises, moments, singular, None, degrees, draws, sizes)


@compiled(
    types.void(types.FunctionType(FIELD), types.FunctionType(FIELD), float64, SCALARS, LANES, LANES, LANES, LANES),
)
def gradient_at(field, spread, factor, data, y, scale, slope, width):
    """slope (d, L): the gradient at y; width (d, L): the noise scale there, which for factor = 0 is ``scale``."""
    field(y, slope, data)
    if factor > 0.0:
        spread(y, width, data)
    for i in range(y.shape[0]):
        for j in range(y.shape[1]):
            width[i, j] = width[i, j] * factor if factor > 0.0 else scale[i, j]


@compiled(types.void(LANES, float64, LANES))
def keep_largest(u, k, out):
    """out (d, L): 1 in the k coordinates where u is largest, else 0; of equal ones the first."""
    d, lanes = u.shape
    for j in range(lanes):
        for i in range(d):
            rank = 0
            for l in range(d):
                rank += u[l, j] > u[i, j] or (u[l, j] == u[i, j] and l < i)
            out[i, j] = 1.0 if rank < k else 0.0


@compiled(types.void(LANES, float64, LANES))
def newton_schulz(u, rows, out):
    """out (d, L): five iterations X <- a X + (b A + c A A) X, A = X X^T, on X = u/|u| as a matrix of so many rows.

    (a, b, c) = (3.4445, -4.7750, 2.0315); the smaller side is that of A. Singular values of at least 0.01 |u|
    end in [0.68, 1.14], not at 1. The norm counts as 1e-7 at least.
    """
    d, lanes = u.shape
    n = int(rows)
    for j in range(lanes):
        x = np.empty((n, d // n))
        size = 0.0
        for i in range(d):
            size += u[i, j] * u[i, j]
        for i in range(d):
            x[i // (d // n), i % (d // n)] = u[i, j] / max(np.sqrt(size), 1e-7)
        tall = n > d // n
        y = np.ascontiguousarray(x.T) if tall else x
        for _ in range(5):
            a = y @ np.ascontiguousarray(y.T)
            y = 3.4445 * y + (-4.775 * a + 2.0315 * (a @ a)) @ y
        x = np.ascontiguousarray(y.T) if tall else y
        for i in range(d):
            out[i, j] = x[i // (d // n), i % (d // n)]


@compiled(types.void(LANE_STACK))
def to_uniform(z):
    """Standard normals become uniform on (-1, 1): 1 - 2 (1 - Phi(z))."""
    for c in range(z.shape[0]):
        for i in range(z.shape[1]):
            for j in range(z.shape[2]):
                z[c, i, j] = 1.0 - 2.0 * normal_tail(z[c, i, j])
