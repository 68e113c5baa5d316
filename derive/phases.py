"""Phases of a sign optimizer, one coordinate at a time, from its mean sign mu(y) at the signal over noise y = G/s.

    saturated     mu(y) is 1 up to a tolerance: the sign is certain, the step has no noise
    intermediate  mu(y) lies between two parallel lines, the chord below it and the tangent above it
    linear        mu(y) is mu'(0) y up to a tolerance: the noise dominates

mu comes from the derived SDE, whatever the noise law; where the borders are depends on the law, and on the tolerance.
With the line in place of mu the variance 1 - mu^2 becomes 1 - (mu'(0) y)^2, which is negative above y = 1/mu'(0).
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import sympy as sp

from adasde.derive.expansion import derive
from adasde.derive.law import Law, NotDerivable
from adasde.derive.noise import Gaussian
from adasde.derive.notation import G, eta, s, sign_of
from adasde.derive.rule import UpdateRule

y = sp.Symbol("y", positive=True)
"""Signal over noise, |G|/s."""


@dataclass(frozen=True)
class Phases:
    """The mean sign of one coordinate as a function of `y`; odd in G, and concave for y > 0."""

    law: Law
    mean: sp.Expr

    @property
    def variance(self) -> sp.Expr:
        """Of the sign."""
        return 1 - self.mean**2

    @cached_property
    def slope(self) -> sp.Expr:
        """mu'(0), twice the density of the noise at 0."""
        return sp.simplify(sp.diff(self.mean, y).subs(y, 0))

    @property
    def linear_mean(self) -> sp.Expr:
        return self.slope * y

    @property
    def linear_variance(self) -> sp.Expr:
        """1 - mu^2 with the line in place of mu: negative above `imaginary_from`."""
        return 1 - self.linear_mean**2

    @property
    def imaginary_from(self) -> sp.Expr:
        """The y from which on the linear phase has a diffusion that is the root of a negative number."""
        return 1 / self.slope

    def at(self, value: sp.Expr) -> sp.Expr:
        """mu at y = value."""
        return self.mean.subs(y, value)

    def saturated_from(self, tolerance: float) -> float:
        """The least y with mu(y) >= 1 - tolerance."""
        return _root(1 - tolerance - self.mean)

    def linear_up_to(self, tolerance: float) -> float:
        """The largest y with mu'(0) y <= (1 + tolerance) mu(y)."""
        return _root(self.linear_mean / self.mean - 1 - tolerance)

    def errors(self, linear_up_to: sp.Expr, saturated_from: sp.Expr) -> tuple[sp.Expr, sp.Expr]:
        """What the linear phase adds to mu at its border, relative to mu, and what the saturated one adds at its."""
        return self.linear_mean.subs(y, linear_up_to) / self.at(linear_up_to) - 1, 1 / self.at(saturated_from) - 1


@dataclass(frozen=True)
class Lines:
    """slope y + below <= mu(y) <= slope y + above between two values of y."""

    slope: sp.Expr
    below: sp.Expr
    above: sp.Expr


def phases(rule: UpdateRule, law: Law | None = None) -> Phases:
    """The phases of ``rule`` under a noise law.

    Raises `NotDerivable` where the step is no sign of the gradient alone, or the mean sign is not known to be concave:
    under a law that is not symmetric with a density that falls on both sides of 0.
    """
    law = law or Gaussian()
    sde = derive(rule, law).sde
    mean, square = (part.subs(G, s * y) for part in (-sde.full_drift[0], sde.full_covariance[0, 0] / eta))
    if len(sde.states) > 1 or mean.has(s, *sde.states) or sp.simplify(square + mean**2 - 1) != 0:
        raise NotDerivable(f"{rule.name}: phases are those of the sign of a gradient; its step is another function")
    if not law.smooth or mean.subs(y, 0) != 0 or sign_of(sp.simplify(sp.diff(mean, y, 2))) != -1:
        raise NotDerivable(f"{rule.name}: under {law.name} noise the mean sign is not known to bend down on both sides")
    return Phases(law, mean)


def lines(found: Phases, low: sp.Expr, high: sp.Expr) -> Lines:
    """The chord of mu from ``low`` to ``high`` and the tangent parallel to it: mu is concave between the two."""
    chord = (found.at(high) - found.at(low)) / (high - low)
    # mu' falls from above the chord's slope to below it: exact where sympy solves for where it is equal.
    slope = sp.Symbol("slope", positive=True)
    solutions = [y0.subs(slope, chord) for y0 in sp.solve(sp.Eq(sp.diff(found.mean, y), slope), y)]
    inside = [y0 for y0 in solutions if y0.evalf().is_real and low < y0.evalf() < high]
    touch = inside[0] if inside else sp.Float(_root(chord - sp.diff(found.mean, y)))
    return Lines(chord, found.at(low) - chord * low, found.at(touch) - chord * touch)


def _root(rising: sp.Expr) -> float:
    """The zero in (0, inf) of a monotone function of y."""
    function = sp.lambdify(y, rising, "mpmath") if not _special(rising) else lambda value: rising.subs(y, value).evalf()
    low, high = 1e-6, 1.0
    sign = function(low) > 0
    while (function(high) > 0) == sign:
        low, high = high, 2 * high
        if high > 1e12:
            raise NotDerivable(f"{rising} has no zero")
    for _ in range(60):
        middle = (low + high) / 2
        low, high = (middle, high) if (function(middle) > 0) == sign else (low, middle)
    return float((low + high) / 2)


def _special(expression: sp.Expr) -> bool:
    """Whether it has a function of our own, which mpmath does not know."""
    from adasde.derive.functions import Expectation, laplace_sign, student_t_sign

    return bool(expression.has(student_t_sign, laplace_sign, Expectation))
