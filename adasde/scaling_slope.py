"""How fast the mean position falls under a weak gradient while the averaged gradient fluctuates, and whether a scaling
rule, which takes the mean step to first order in that average, may do so. Loads sympy when called."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from adasde.scaling import Scaling


def smoothed_slope(found: Scaling, values: Mapping[str, float], noise: float) -> float | None:
    """-d/dG of the mean step of the position at G = 0, averaged over the fluctuations of the averaged gradient m.

    m is normal with the mean G gain/rate: the slope of E f(m) in its mean is E[m f(m)]/Var m, also where f jumps, such
    as sign(m). None where the rule has no such state, or other states besides.
    """
    import sympy as sp

    from adasde.derive.notation import G

    parts = _averaged(found, values, noise)
    if parts is None:
        return None
    m, step, variance, gain = parts
    deviation = math.sqrt(variance)
    # Half of the law, on which f is smooth; 10 standard deviations by the trapezoidal rule.
    y = np.linspace(0.0, 10.0, 2001)[1:-1] * deviation
    odd = (step.subs(G, 0) - step.subs({G: 0, m: -m}, simultaneous=True)) / 2
    function: Any = sp.lambdify(m, odd, "scipy")
    density = np.exp(-(y**2) / (2 * variance)) / (deviation * math.sqrt(2 * math.pi))
    through_m = 2 * float(np.trapezoid(function(y) * y * density, y)) / variance
    direct: Any = sp.lambdify(m, sp.diff(step, G).subs(G, 0), "scipy")
    both = np.concatenate([-y[::-1], [0.0], y])
    weights = np.exp(-(both**2) / (2 * variance)) / (deviation * math.sqrt(2 * math.pi))
    own = float(np.trapezoid(direct(both) * np.ones_like(both) * weights, both))
    return -(through_m * gain + own)


def linear_share(found: Scaling, values: Mapping[str, float], noise: float) -> float | None:
    """What is left of the slope that the rule counts on, to first order in m, once m fluctuates: 1 where the mean step
    is linear in m, near 0 where its own fluctuations are far above the noise that is to smooth the step. None where
    the first order does not exist, or the rule has no averaged gradient."""
    import sympy as sp

    from adasde.derive.notation import G

    parts = _averaged(found, values, noise)
    if parts is None:
        return None
    m, step, _, gain = parts
    slopes = [sp.diff(step, y).subs({G: 0, m: 0}) for y in (m, G)]
    if any(not slope.is_number or not slope.is_finite or slope.has(sp.DiracDelta) for slope in slopes):
        return None
    smoothed = smoothed_slope(found, values, noise)
    return None if smoothed is None else smoothed / -float(slopes[0] * gain + slopes[1])


def _averaged(found: Scaling, values: Mapping[str, float], noise: float) -> tuple[Any, Any, float, float] | None:
    """(m, mean step in m and G, Var m, mean of m per G) with numbers."""
    from adasde.derive.law import NotDerivable
    from adasde.derive.noise import Gaussian
    from adasde.derive.notation import s, x
    from adasde.derive.one_step import OneStep, averaged_gradient, mean_step

    try:
        parts, step = averaged_gradient(found.rule, Gaussian()), mean_step(found.rule, Gaussian())
    except NotDerivable:
        return None
    if parts is None or len(found.rule.states) > 2:
        return None
    symbols = OneStep(found.rule)
    numbers: dict[Any, Any] = {s: noise, x: 0}
    for h in found.rule.hyperparameters:
        numbers[symbols.symbol(h)] = 1 - values[h.name] if h.rate is not None else values[h.name]
    variance, gain = (float(part.subs(numbers)) for part in parts[1:])
    return parts[0], step.subs(numbers), variance, gain
