"""The quadratic on which a scaling rule is tried out: noise or signal dominates, and every hyperparameter matters."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

from adasde.errors import InvalidParameter
from adasde.scaling import Scaling
from adasde.scaling_slope import smoothed_slope

COORDINATES = 16
POINTS = 4
"""Equal numbers of samples at which losses are compared."""
WORK = 2.5e9
"""Steps of one coordinate that the simulations may take in all."""
LANES = (16_384, 131_072)
"""Least and most coordinates of all paths together, at the old batch and for the rule."""
FEWER = 4
"""How many times fewer paths the alternatives have: they are off by more."""
STEPS = (2_000, 24_000)
"""Least and most steps at the smaller batch."""
TIMES = 1.0
"""The mean position falls by 1/e in the run, its start being two stationary standard deviations."""
DECAY_SHARE = 2 / 3
"""Of the rate of the mean, what weight decay makes, where it is fast enough to be seen."""
FAR = 1e3
"""How many times larger the noise is that tells by which power of it the position slows down."""
STRONG = 100.0
"""Signal over noise where the signal dominates."""


@dataclass(frozen=True)
class Problem:
    """f = curvature |x|^2/2 in `COORDINATES` dimensions with Gaussian noise.

    scale      per-sample standard deviation of a gradient's coordinate
    start      of every coordinate
    steps      at the old batch and at the new one, for the same samples
    averaged   whether v starts at the noise's variance: rules without bias correction
    """

    curvature: float
    scale: float
    start: float
    steps: tuple[int, int]
    paths: int
    averaged: bool


def alternatives(found: Scaling) -> list[tuple[str, dict[str, float]]]:
    """The rule first; then nothing changed, the learning rate alone, and the rule without weight decay."""
    before, after = found.before, found.after
    factor = found.multipliers["lr"]
    cases = [("the rule", after), ("nothing changed", before)]
    if len(before) > 1 and factor != 1:
        cases.append((f"lr x {factor:.4g} alone", {**before, "lr": after["lr"]}))
    if factor != found.kappa:
        cases.append((f"lr x {found.kappa:.4g} alone", {**before, "lr": before["lr"] * found.kappa}))
    if before.get("weight_decay") and after["weight_decay"] != before["weight_decay"]:
        kept = before["weight_decay"]
        cases.append(("the rule, weight decay kept", {**after, "weight_decay": kept}))
    return cases


def problem_for(found: Scaling) -> Problem:
    """A quadratic in the rule's regime, at the user's own hyperparameters, on which all of them matter that can."""
    values = found.rule_values(found.before)
    eps = values.get("eps") or 0.0
    # eps is a tenth of the noise, so that it counts.
    noise = 10 * eps if eps > 0 else 1.0
    decays = [1 - v[name] for v in (found.before, found.after) for name in found.linear]
    slower = max(1.0, 1 / found.kappa)
    least = max(STEPS[0], *(10 / d for d in decays if d > 0), 0) if decays else STEPS[0]
    shrinking, coupled = _decays(found, values)
    if coupled and found.derived.regime == "noise-dominated":
        noise = _noise_for(found, values, noise, coupled, TIMES * DECAY_SHARE / least)
    speed = linear_speed(found, values, noise) if found.derived.regime == "noise-dominated" else 0.0
    decay_rate = shrinking + coupled * speed
    wanted = TIMES * DECAY_SHARE / decay_rate if decay_rate else least
    steps = math.ceil(min(max(wanted, least), STEPS[1] / slower))
    if found.derived.regime == "signal-dominated":
        curvature, scale, start = _strong_signal(found, values, steps, decay_rate)
        # What the coupled decay adds to the curvature is none of the loss.
        curvature = max(curvature - coupled, coupled * (1 / DECAY_SHARE - 1))
    else:
        rate = max(TIMES / steps, decay_rate / DECAY_SHARE)
        curvature, scale = (rate - decay_rate) / speed, noise
        start = 2 * speed * noise / math.sqrt(2 * rate)
    work = steps * (1 + (1 + (len(alternatives(found)) - 1) / FEWER) / found.kappa)
    lanes = int(min(max(WORK / work, LANES[0]), LANES[1]))
    counts = (steps, max(POINTS, round(steps / found.kappa)))
    averaged = bool(found.rule.nonnegative) and not any(
        str(s) == "k" for u in found.rule.update for s in u.free_symbols
    )
    root = math.sqrt(found.batch[0])
    return Problem(curvature, scale * root, start, counts, lanes // COORDINATES, averaged)


def _decays(found: Scaling, values: dict[str, float]) -> tuple[float, float]:
    """(what decoupled weight decay takes of the position per step, lambda of a decay that is added to the gradient)."""
    from adasde.derive.one_step import decay_in_the_loss

    coupled = decay_in_the_loss(found.rule)
    if coupled is not None:
        return 0.0, values[coupled.name]
    return values["lr"] * (values.get("weight_decay") or 0.0), 0.0


def _noise_for(found: Scaling, values: dict[str, float], noise: float, coupled: float, fastest: float) -> float:
    """The noise under which a decay lambda that is added to the gradient moves the position by ``fastest`` of itself
    in a step at most: mu lambda falls with the noise like a power of it, in methods that divide by it."""
    speed, slower = (linear_speed(found, values, size * noise) for size in (1.0, FAR))
    power = math.log(speed / slower) / math.log(FAR)
    if power < 1e-3 or speed * coupled <= fastest:
        return noise
    return noise * float((speed * coupled / fastest) ** (1 / power))


def linear_speed(found: Scaling, values: dict[str, float], noise: float) -> float:
    """mu in the mean step -mu G of the position, the other states being at rest."""
    import sympy as sp

    from adasde.derive.notation import G, x

    speed = _speed(found, values, noise)
    slope = -sp.diff(speed, G)
    if not slope.is_number or not slope > 0 or sp.diff(speed, x).has(G):
        smoothed = smoothed_slope(found, values, noise)
        if smoothed is None:
            remedy = "its mean step at rest is not proportional to a weak gradient; try --regime signal-dominated"
            raise InvalidParameter(f"{found.rule.name}: check", "noise-dominated", "{signal-dominated}", remedy)
        return smoothed
    return float(slope)


def _strong_signal(
    found: Scaling, values: dict[str, float], steps: int, decay_rate: float
) -> tuple[float, float, float]:
    """(curvature, noise, start) for a mean that falls to a third or so without much noise."""
    import sympy as sp

    from adasde.derive.notation import G, x

    speed = _speed(found, values, 0.0).subs(x, 0)
    one, two = (-float(speed.subs(G, size)) for size in (1.0, 2.0))
    if one <= 0:
        raise InvalidParameter(f"{found.rule.name}: check", one, "(0, inf)", "no gradient pulls its position back")
    if abs(two / one - 2) < 1e-6:
        return TIMES / steps / one, TIMES / steps / one / STRONG, 1.0
    # A step that does not grow with the gradient: the position falls by as much in every step.
    start = TIMES * steps * float(sp.N(-speed.subs(G, 1e6)))
    return 1.0, start / STRONG, start


def _speed(found: Scaling, values: dict[str, float], noise: float) -> Any:
    """`adasde.derive.one_step.speed_at_rest` with numbers, in G and x."""
    from adasde.derive.law import NotDerivable
    from adasde.derive.noise import Gaussian
    from adasde.derive.notation import s
    from adasde.derive.one_step import OneStep, speed_at_rest

    try:
        speed = speed_at_rest(found.rule, found.derived.regime, Gaussian())
    except NotDerivable as reason:
        raise InvalidParameter(
            "check: optimizer", found.rule.name, "the rules that come to rest", str(reason)
        ) from None
    step = OneStep(found.rule)
    numbers = {s: noise}
    for h in found.rule.hyperparameters:
        numbers[step.symbol(h)] = 1 - values[h.name] if h.rate is not None else values[h.name]
    return speed.subs(numbers)
