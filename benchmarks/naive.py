"""The same workloads as a competent user would write them by hand: numba loops over paths, and numpy batches.

The numba loops are the usual ones: `prange` over paths, `np.random.standard_normal` for the noise (numba's
own Mersenne twister, which numba seeds per thread from the system), the state in registers, bias corrections
computed once for all paths. With `generator_paths` the same loops draw from a numpy `Generator` (PCG64 and a
ziggurat), which few people know to be several times faster inside numba; one generator cannot be shared by
threads, so these loops are serial. The numpy versions hold a batch of paths as an array (2, n) and take each
time step for all of them at once. All `*_paths` return the moments of stored snapshots and are timed as a
whole.
"""
# ruff: noqa: NPY002 - inside numba, np.random.standard_normal is numba's own

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
from numba import njit, prange
from scipy.special import erf
from workloads import BETA1, BETA2, EPS, ETA, EVERY, RHO1, RHO2, SAVES, SIGMA, STEPS, V0, X0, Array, H, Result

ADAM = (V0, BETA1, BETA2, RHO1, RHO2, EPS)


def bias_corrections() -> tuple[Array, Array]:
    """gamma1, gamma2 = 1 - exp(-rho t) at t = eta k."""
    t = ETA * np.arange(STEPS)
    return -np.expm1(-RHO1 * t), -np.expm1(-RHO2 * t)


# numba ------------------------------------------------------------------------------------------------------


@njit(cache=True)
def normal(rng):
    """A standard normal from a numpy generator, or from numba's own where there is none; decided at compile time."""
    if rng is None:
        return np.random.standard_normal()
    return rng.standard_normal()


def sgd_loop(rng, out, steps, every, H, x0, eta, sigma):
    """dX = -H X dt + sqrt(eta) sigma dW, dt = eta; snapshots to out (T, 2, paths)."""
    for p in prange(out.shape[2]):
        x, y = x0[0], x0[1]
        out[0, 0, p], out[0, 1, p] = x, y
        for k in range(steps):
            gx = H[0, 0] * x + H[0, 1] * y
            gy = H[1, 0] * x + H[1, 1] * y
            x += -eta * gx + eta * sigma * normal(rng)
            y += -eta * gy + eta * sigma * normal(rng)
            if (k + 1) % every == 0:
                out[(k + 1) // every, 0, p], out[(k + 1) // every, 1, p] = x, y


def signsgd_loop(rng, out, steps, every, H, x0, eta, sigma):
    """dX = -mu dt + sqrt(eta) sqrt(1 - mu^2) dW with mu = erf(H X / (sqrt(2) sigma))."""
    scale = 1 / (math.sqrt(2.0) * sigma)
    for p in prange(out.shape[2]):
        x, y = x0[0], x0[1]
        out[0, 0, p], out[0, 1, p] = x, y
        for k in range(steps):
            mx = math.erf((H[0, 0] * x + H[0, 1] * y) * scale)
            my = math.erf((H[1, 0] * x + H[1, 1] * y) * scale)
            x += -eta * mx + eta * math.sqrt(1 - mx * mx) * normal(rng)
            y += -eta * my + eta * math.sqrt(1 - my * my) * normal(rng)
            if (k + 1) % every == 0:
                out[(k + 1) // every, 0, p], out[(k + 1) // every, 1, p] = x, y


@njit(cache=True)
def adam_optimizer(rng, x, m, v, g, s, eta, beta1, beta2, eps):
    """The first step of Adam itself, one coordinate."""
    g += s * normal(rng)
    m = beta1 * m + (1 - beta1) * g
    v = beta2 * v + (1 - beta2) * g * g
    return x - eta * m / (1 - beta1) / (math.sqrt(v / (1 - beta2)) + eps), m, v


@njit(cache=True)
def adam_full(rng, x, m, v, g, s, eta, rho1, rho2, eps, gamma1, gamma2):
    """The covariance of one step in full: x, m and v share dW1, v has its own dW2."""
    z1, z2 = normal(rng), normal(rng)
    P = math.sqrt(max(v, 0.0) / gamma2) + eps
    dx = -(m + eta * rho1 * (g - m + s * z1)) / (P * gamma1)
    dm = rho1 * (g - m + s * z1)
    dv = rho2 * (g * g + s * s - v + 2 * g * s * z1 + math.sqrt(2.0) * s * s * z2)
    return x + eta * dx, m + eta * dm, v + eta * dv


@njit(cache=True)
def adam_2025(rng, x, m, v, g, s, eta, rho1, rho2, eps, gamma1, gamma2):
    """As printed in Compagnoni et al. 2025: noise in m alone."""
    root = math.sqrt(gamma2)
    dx = -root / gamma1 * (m + eta * rho1 * (g - m)) / (math.sqrt(v) + eps * root)
    dm = rho1 * (g - m + s * normal(rng))
    dv = rho2 * (g * g + s * s - v)
    return x + eta * dx, m + eta * dm, v + eta * dv


def adam_loop(rng, out, steps, every, H, x0, eta, sigma, v0, beta1, beta2, rho1, rho2, eps, gamma1, gamma2, full):
    """One step of Adam, then its SDE: `adam_full` or `adam_2025`."""
    for p in prange(out.shape[2]):
        x, m, v = x0[0], 0.0, v0
        y, n, w = x0[1], 0.0, v0
        out[0, 0, p], out[0, 1, p] = x, y
        for k in range(steps):
            gx = H[0, 0] * x + H[0, 1] * y
            gy = H[1, 0] * x + H[1, 1] * y
            if k == 0:
                x, m, v = adam_optimizer(rng, x, m, v, gx, sigma, eta, beta1, beta2, eps)
                y, n, w = adam_optimizer(rng, y, n, w, gy, sigma, eta, beta1, beta2, eps)
            elif full:
                x, m, v = adam_full(rng, x, m, v, gx, sigma, eta, rho1, rho2, eps, gamma1[k], gamma2[k])
                y, n, w = adam_full(rng, y, n, w, gy, sigma, eta, rho1, rho2, eps, gamma1[k], gamma2[k])
            else:
                x, m, v = adam_2025(rng, x, m, v, gx, sigma, eta, rho1, rho2, eps, gamma1[k], gamma2[k])
                y, n, w = adam_2025(rng, y, n, w, gy, sigma, eta, rho1, rho2, eps, gamma1[k], gamma2[k])
            if (k + 1) % every == 0:
                out[(k + 1) // every, 0, p], out[(k + 1) // every, 1, p] = x, y


LOOPS = {"W1": sgd_loop, "W2": signsgd_loop, "W3": adam_loop, "W3-2025": adam_loop}
PARALLEL = {name: njit(parallel=True, cache=True)(loop) for name, loop in LOOPS.items()}
SERIAL = {name: njit(cache=True)(loop) for name, loop in LOOPS.items()}


def numba_paths(name: str, paths: int) -> Result:
    """Moments of one workload by its parallel loop with numba's own random numbers."""
    return looped(PARALLEL[name], name, paths, None)


def generator_paths(name: str, paths: int, seed: int = 0) -> Result:
    """Moments of one workload by its serial loop with a numpy generator."""
    return looped(SERIAL[name], name, paths, np.random.default_rng(seed))


def looped(loop: Callable[..., None], name: str, paths: int, rng: Any) -> Result:
    """Runs a compiled loop."""
    out = np.empty((SAVES, 2, paths))
    further = (*ADAM, *bias_corrections(), name == "W3") if name.startswith("W3") else ()
    loop(rng, out, STEPS, EVERY, H, X0, ETA, SIGMA, *further)
    return Result.of(out)


# numpy ------------------------------------------------------------------------------------------------------


def sgd_batch(x: Array, out: Array, rng: np.random.Generator) -> None:
    """W1 for the batch x (2, n)."""
    for k in range(STEPS):
        x += -ETA * (H @ x) + ETA * SIGMA * rng.standard_normal(x.shape)
        if (k + 1) % EVERY == 0:
            out[(k + 1) // EVERY] = x


def signsgd_batch(x: Array, out: Array, rng: np.random.Generator) -> None:
    """W2 for the batch x (2, n)."""
    for k in range(STEPS):
        mu = erf(H @ x / (math.sqrt(2) * SIGMA))
        x += -ETA * mu + ETA * np.sqrt(1 - mu * mu) * rng.standard_normal(x.shape)
        if (k + 1) % EVERY == 0:
            out[(k + 1) // EVERY] = x


def adam_batch(x: Array, out: Array, rng: np.random.Generator, full: bool) -> None:
    """W3 or, with ``full=False``, W3-2025 for the batch x (2, n)."""
    gamma1, gamma2 = bias_corrections()
    s = SIGMA
    g = H @ x + s * rng.standard_normal(x.shape)
    m, v = (1 - BETA1) * g, BETA2 * V0 + (1 - BETA2) * g * g
    x -= ETA * m / (1 - BETA1) / (np.sqrt(v / (1 - BETA2)) + EPS)
    for k in range(1, STEPS):
        g = H @ x
        z = s * rng.standard_normal(x.shape)
        pull = RHO1 * (g - m)
        noisy = pull + RHO1 * z
        x -= ETA * (m + ETA * (noisy if full else pull)) / (gamma1[k] * (np.sqrt(v / gamma2[k]) + EPS))
        m += ETA * noisy
        v_noise = 2 * g * z + math.sqrt(2) * s * s * rng.standard_normal(x.shape) if full else 0.0
        v += ETA * RHO2 * (g * g + s * s - v + v_noise)
        if (k + 1) % EVERY == 0:
            out[(k + 1) // EVERY] = x


def numpy_paths(name: str, paths: int, seed: int = 0) -> Result:
    """Moments of one workload by numpy, all paths in one batch."""
    rng = np.random.default_rng(seed)
    out = np.empty((SAVES, 2, paths))
    x = np.repeat(X0[:, None], paths, axis=1)
    out[0] = x
    if name == "W1":
        sgd_batch(x, out, rng)
    elif name == "W2":
        signsgd_batch(x, out, rng)
    else:
        adam_batch(x, out, rng, full=name == "W3")
    return Result.of(out)
