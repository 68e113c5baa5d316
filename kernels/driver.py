"""The one CPU driver: noise, gradient and step over blocks of lanes.

It serves every model and every loss, which reach it as typed function pointers. A *leaf* is a run of consecutive
paths; it is worked through in blocks of lanes that stay in the cache; `statistics` adds up what a block gives.
Path j draws the same numbers whatever leaf, block or thread it lands in.
"""

# helpers 818be4741a58: numba's cache watches this file only, so `adasde kernels --write` stamps what it inlines here.
from __future__ import annotations

import math

import numpy as np
from numba import float64, int64, types

from adasde.kernels.compilation import compiled
from adasde.kernels.lanes import (
    CORRELATE,
    COVARIANCE,
    FIELD,
    FILL,
    HESSIAN_VECTOR,
    LANE_STACK,
    LANES,
    PLAN,
    SCALARS,
    STEP,
    SUBSTEPS,
    VALUE,
    covariance_kernel,
    field_kernel,
    hessian_vector_kernel,
)

_NOISE_ROWS = 16
_PROBE = 1e-5
"""Time by which the noise scale is looked ahead and back along the drift."""
_ROUNDING = 1e-12
"""Variances below 0, relative to the largest, that count as rounding of 0."""


@field_kernel
def constant_scale(x, s, data):
    """A noise scale that does not depend on x: leaves ``s`` as it was filled."""


@covariance_kernel
def no_covariance(x, out, data):
    """Stands in for the covariance of noise that has none depending on x; never called as such."""


@hessian_vector_kernel
def no_hessian(x, u, out, data):
    """Stands in for the Hessian of a loss that has none; models of weak order one never ask for it."""
    out[:] = 0.0


@compiled(CORRELATE)
def no_correlation(draws, degrees, factors, gradient, scale):
    """Stands in for `correlated.correlate` where coordinates are independent; never called as such."""


@compiled(types.void(LANE_STACK, LANES))
def standard_deviations(sigma, s):
    """s (d, L): roots of the diagonals of sigma (d, d, L); NaN for a variance below 0 by more than rounding."""
    d, lanes = s.shape
    for j in range(lanes):
        largest = 0.0
        for i in range(d):
            largest = max(largest, sigma[i, i, j])
        for i in range(d):
            variance = sigma[i, i, j]
            s[i, j] = 0.0 if -_ROUNDING * largest <= variance <= 0.0 else math.sqrt(variance)


@compiled(
    types.void(types.FunctionType(FIELD), types.FunctionType(COVARIANCE), LANES, LANES, LANE_STACK, SCALARS, float64),
)
def _scales(scale, covariance, x, s, sigma, data, scale_factor):
    """s: scale_factor times the standard deviations at x, by ``scale``, or where sigma has room by ``covariance``."""
    if sigma.size > 0:
        covariance(x, sigma, data)
        standard_deviations(sigma, s)
    else:
        scale(x, s, data)
    for i in range(s.shape[0]):
        for j in range(s.shape[1]):
            s[i, j] *= scale_factor


@compiled(
    types.void(
        types.FunctionType(FIELD),
        types.FunctionType(FIELD),
        types.FunctionType(COVARIANCE),
        LANES,
        LANES,
        LANES,
        LANE_STACK,
        SCALARS,
        float64,
    ),
)
def _fields(gradient, scale, covariance, x, g, s, sigma, data, scale_factor):
    gradient(x, g, data)
    if scale_factor > 0:
        _scales(scale, covariance, x, s, sigma, data, scale_factor)


@compiled(
    types.void(
        types.FunctionType(HESSIAN_VECTOR),
        types.FunctionType(FIELD),
        types.FunctionType(COVARIANCE),
        LANES,
        LANES,
        LANE_STACK,
        LANE_STACK,
        LANES,
        SCALARS,
        float64,
    ),
)
def _second_derivatives(hessian_vector, scale, covariance, x, s, sigma, curvature, drift, data, scale_factor):
    """curvature (2, d, L): from the position drift b in its first layer to (Hess f b, grad s . b).

    The slope of a noise scale that depends on x is a central difference along b, exact to about 1e-10. What sigma held
    is lost.
    """
    d, lanes = drift.shape
    # Loops, because numba compiles the assignment of a slice ten times as long.
    for i in range(d):
        for j in range(lanes):
            drift[i, j] = curvature[0, i, j]
            curvature[1, i, j] = 0.0
    hessian_vector(x, drift, curvature[0], data)
    if scale_factor == 0:
        return
    moved, ahead = np.empty((d, lanes)), np.empty((d, lanes))
    for sign in (-1.0, 1.0):
        for i in range(d):
            for j in range(lanes):
                moved[i, j] = x[i, j] + sign * _PROBE * drift[i, j]
        _scales(scale, covariance, moved, ahead, sigma, data, 1.0)
        for i in range(d):
            for j in range(lanes):
                curvature[1, i, j] += sign * ahead[i, j] * (0.5 * scale_factor / _PROBE)


@compiled(
    types.void(types.FunctionType(VALUE), LANES, LANES, SCALARS, SCALARS), cache=True, nogil=True, error_model="numpy"
)
def store(value, x, xs, losses, data):
    """xs <- x (d, L) and losses <- f(x) (L,)."""
    for i in range(x.shape[0]):
        for j in range(x.shape[1]):
            xs[i, j] = x[i, j]
    value(x, losses, data)


@compiled(int64(int64))
def steps_per_chunk(d):
    """Steps whose draws are made together: whole generator blocks of four numbers, about `_NOISE_ROWS` rows."""
    whole = 4 // math.gcd(d, 4)
    return whole * max(1, _NOISE_ROWS // (whole * d))


@compiled(
    types.void(
        types.FunctionType(STEP),
        types.FunctionType(STEP),
        types.FunctionType(STEP),
        types.FunctionType(FIELD),
        types.FunctionType(HESSIAN_VECTOR),
        types.FunctionType(FIELD),
        types.FunctionType(COVARIANCE),
        types.FunctionType(VALUE),
        types.FunctionType(FILL),
        types.FunctionType(FILL),
        types.FunctionType(SUBSTEPS),
        types.FunctionType(CORRELATE),
        SCALARS,
        SCALARS,
        float64,
        LANE_STACK,
        LANES,
        LANE_STACK,
        int64[::1],
        LANE_STACK,
        LANES,
        int64,
        PLAN,
        SCALARS,
        int64[::1],
        LANE_STACK,
    ),
)
def run_block(
    algorithm,
    model,
    along,
    gradient,
    hessian_vector,
    scale,
    covariance,
    value,
    fill_optimizer,
    fill_model,
    fill_substeps,
    correlate,
    data,
    p,
    scale_factor,
    state,
    s,
    sigma,
    saves,
    xs,
    losses,
    first_path,
    plan,
    law_data,
    degrees,
    factors,
):
    """Runs one block of lanes in place and stores x (T, d, L) and f(x) (T, L) after the steps in ``saves``.

    state (n, d, L) and s (d, L) hold the start; scale_factor > 0 asks for s = scale_factor * scale(x) at every step.
    degrees (1 + m,) and factors (1 + m, d, d) correlate the coordinates of the optimizer's Z and of the model's m
    motions, see `correlated.correlate`; where factors is empty they are independent. Room for sigma (d, d, L) asks for
    the covariance at every step instead, which gives s and the correlations, see `correlated.correlate_lanes`.
    """
    start, steps, substeps, noises, order = plan[:5]
    _, d, lanes = state.shape
    per_chunk = steps_per_chunk(d)
    noise_algorithm = np.empty((per_chunk, d, lanes))
    noise_model = np.empty((per_chunk * noises, d, lanes))
    fine = np.empty((substeps * noises, d, lanes))
    g = np.empty((d, lanes))
    curvature = np.zeros((2 if order == 2 else 0, d, lanes))
    drift = np.empty((d if order == 2 else 0, lanes))
    eta = p[0]
    dt = eta / substeps
    saved = 0
    for k in range(steps + 1):
        if saved < saves.size and saves[saved] == k:
            store(value, state[0], xs[saved], losses[saved], data)
            saved += 1
        if k == steps:
            break
        place = k % per_chunk
        if k < start:
            if place == 0:
                fill_optimizer(noise_algorithm, d, k // per_chunk, first_path, True, plan, law_data)
            _fields(gradient, scale, covariance, state[0], g, s, sigma, data, scale_factor)
            if sigma.size > 0:
                correlate(noise_algorithm[place : place + 1], degrees[:1], sigma, g, s)
            elif factors.size > 0:
                correlate(noise_algorithm[place : place + 1], degrees[:1], factors[:1], g, s)
            algorithm(state, g, s, curvature, noise_algorithm[place : place + 1], p, k + 1, eta * k, eta)
            continue
        if place == 0 or k == start:
            fill_model(noise_model, d, k // per_chunk, first_path, False, plan, law_data)
        coarse = noise_model[place * noises : (place + 1) * noises]
        if substeps > 1:
            fill_substeps(fine, coarse, k, first_path, plan)
        for part in range(substeps):
            _fields(gradient, scale, covariance, state[0], g, s, sigma, data, scale_factor)
            draws = coarse if substeps == 1 else fine[part * noises : (part + 1) * noises]
            if sigma.size > 0:
                correlate(draws, degrees[1:], sigma, g, s)
            elif factors.size > 0:
                correlate(draws, degrees[1:], factors[1:], g, s)
            if order == 2:
                along(state, g, s, curvature, draws, p, k + 1, eta * k + dt * part, dt)
                _second_derivatives(
                    hessian_vector, scale, covariance, state[0], s, sigma, curvature, drift, data, scale_factor
                )
            model(state, g, s, curvature, draws, p, k + 1, eta * k + dt * part, dt)
