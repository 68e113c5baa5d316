"""SignSGD in one dimension step by step, without sampling: on f = lambda x^2/2 it walks on the lattice x0 + lr Z.

P(up) = P(Z < -lambda x/s), so that the law after k steps is a vector of k + 1 probabilities, and means are sums.
"""

from __future__ import annotations

import numpy as np

from adasde.ensemble import Array
from adasde.noise import Noise
from adasde.verify.distribution import distribution


def mean_curves(
    noise: Noise, scale: float, curvature: float, lr: float, start: float, steps: int
) -> tuple[Array, Array, Array]:
    """(E x, E f, Var f) after 0 ... steps steps, (steps + 1,) each, up to rounding. For a law with a density."""
    law = distribution(noise)
    x: Array = start + lr * np.arange(-steps, steps + 1, dtype=np.float64)
    up, down = law.below(-curvature * x / scale), law.above(-curvature * x / scale)
    probability = np.zeros_like(x)
    probability[steps] = 1.0
    values = curvature / 2 * x**2
    position, loss, spread = (np.empty(steps + 1) for _ in range(3))
    for k in range(steps + 1):
        reached = slice(steps - k, steps + k + 1, 2)
        position[k] = probability[reached] @ x[reached]
        loss[k] = probability[reached] @ values[reached]
        spread[k] = probability[reached] @ (values[reached] - loss[k]) ** 2
        if k < steps:
            after = np.zeros_like(x)
            after[1:] += (probability * up)[:-1]
            after[:-1] += (probability * down)[1:]
            probability = after
    return position, loss, spread
