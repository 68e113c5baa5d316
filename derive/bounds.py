"""Bounds of the expected loss S = E f - min f: Ito's formula on a derived SDE, then inequalities for the loss.

    dS/dt = E[b . grad f + a : Hess f / 2] <= -rate S + source,   S_t <= S_0 e^(-rate t) + level (1 - e^(-rate t)),

level = source/rate, for f mu-strongly convex and L-smooth with trace Hess f <= L_tau, in d coordinates. Every term of
the sum over coordinates is bounded by one rule of `INEQUALITIES`; s stands for the largest noise scale.

For the optimizer itself, on f = sum h_i x_i^2/2, the mean of f after a step is exact with two terms of Taylor's series,
E f(x') - f(x) = sum G E[dx] + h E[dx^2]/2. A step whose mean is -eta kappa x contracts less than its SDE, by the factor
1 - eta kappa/2; the step of a sign has E[dx^2] = eta^2. So there are bounds that hold where those of the SDE do not.
"""

from __future__ import annotations

from dataclasses import dataclass

import sympy as sp

from adasde.derive.expansion import derive
from adasde.derive.law import Law, NotDerivable
from adasde.derive.noise import Gaussian
from adasde.derive.notation import G, eps, eta, s, t, v, x
from adasde.derive.phases import Phases
from adasde.derive.rule import UpdateRule

mu, L, L_tau, d = sp.symbols("mu L L_tau d", positive=True)
LOSS, CURVATURE = sp.symbols("S f''", positive=True)
INEQUALITIES: dict[tuple[int, int, int], tuple[sp.Expr, sp.Expr | None]] = {
    (2, 0, 0): (2 * mu * LOSS, None),
    (1, 1, 0): ((1 + mu / L) * LOSS, None),
    (1, 0, 0): (sp.S.Zero, None),
    (0, 0, 1): (d * mu, L_tau),
    (1, 0, 1): (sp.S.Zero, None),
    (2, 0, 1): (2 * mu**2 * LOSS, None),
}
"""{(powers of |f'|, x, f''): (what the sum over coordinates is at least, at most)}: |f'|^2 >= 2 mu S; by convexity
x . f' >= S + mu x^2/2 >= (1 + mu/L) S, the minimum being at 0; mu <= f''."""


@dataclass(frozen=True)
class Bound:
    """dS/dt <= -rate S + source."""

    rate: sp.Expr
    source: sp.Expr

    @property
    def level(self) -> sp.Expr:
        """Where S ends, at most."""
        return sp.factor(self.source / self.rate)

    def at(self, start: sp.Expr) -> sp.Expr:
        """The bound of S_t from S_0 = ``start``."""
        left = sp.exp(-self.rate * t)
        return start * left + self.level * (1 - left)


def ito(drift: sp.Expr, variance: sp.Expr) -> sp.Expr:
    """One coordinate of dS/dt in f' = G, x and f''."""
    return sp.expand(drift * G + variance * CURVATURE / 2)


def bounded(change: sp.Expr) -> Bound:
    """``change`` <= -rate S + source. Raises `NotDerivable` for a term that no inequality bounds."""
    total = sp.S.Zero
    for term in sp.Add.make_args(sp.expand(change)):
        ((powers, coefficient),) = sp.Poly(term, G, x, CURVATURE).terms()
        least, most = INEQUALITIES[powers]
        # What is subtracted is bounded from below, what is added from above.
        side = least if coefficient.could_extract_minus_sign() else most
        if side is None:
            raise NotDerivable(f"{term} has no upper bound")
        total += coefficient * side
    return Bound(-sp.diff(total, LOSS), total.subs(LOSS, 0))


def at_rest(rule: UpdateRule, law: Law | None = None, coupled: sp.Expr = sp.S.Zero) -> tuple[sp.Expr, sp.Expr]:
    """(drift, variance) of x in the derived SDE with eps = 0 and V at s^2 E Z^2; ``coupled`` weight decay is part of
    the gradient."""
    law = law or Gaussian()
    sde = derive(rule, law).sde
    still = {v: s**2 * law.moment(2)} if sde.nonnegative else {}
    drift, variance = (part.subs(eps, 0).subs(still) for part in (sde.full_drift[0], sde.full_covariance[0, 0]))
    if any(part.has(*(set(sde.states) - {x})) for part in (drift, variance)):
        raise NotDerivable(f"{rule.name}: its position moves by further states, which this bound of the loss lacks")
    return drift.subs(G, G + coupled * x), variance.subs(G, G + coupled * x)


def sde_bound(rule: UpdateRule, law: Law | None = None, coupled: sp.Expr = sp.S.Zero) -> Bound:
    """Of the derived SDE of a rule with a linear step once V is at rest."""
    return bounded(ito(*at_rest(rule, law, coupled)))


def optimizer_bound(rule: UpdateRule, law: Law | None = None, coupled: sp.Expr = sp.S.Zero) -> Bound:
    """Of the optimizer itself on a diagonal quadratic, V at rest, as long as eta kappa < 2: with the mean step
    -eta kappa x, E[dx^2] = eta^2 kappa^2 x^2 + eta^2 variance, and the first term takes eta kappa/2 of the descent."""
    drift, variance = at_rest(rule, law, coupled)
    kappa = sp.expand(-drift.subs(G, L * x) / x)
    if kappa.has(x) or variance.has(x, G):
        raise NotDerivable(f"{rule.name}: its mean step is not linear in the distance from the minimum")
    found = bounded(ito(drift, variance))
    return Bound(found.rate * (1 - eta * kappa / 2), found.source)


def sign_bound(found: Phases, up_to: sp.Expr) -> Bound:
    """Of the optimizer and of its SDE while |G_i| <= ``up_to`` s in every coordinate: mu is concave, so that it is at
    least the secant from 0, y mu(up_to)/up_to; and E[dx^2] <= eta^2."""
    secant = found.at(up_to) / up_to
    return bounded(ito(-secant * G / s, eta))


def flow_speed(least: sp.Expr) -> sp.Expr:
    """-d sqrt(S)/dt of a flow whose mean signs are at least ``least``: dS/dt <= -least |grad f| <= -least sqrt(2 mu S).

    It is without noise, as where signs are certain (least = 1).
    """
    return least * sp.sqrt(mu / 2)


def flow_end(start: sp.Expr, least: sp.Expr = sp.S.One) -> sp.Expr:
    """The time at which that flow is at the minimum, from S_0 = ``start``."""
    return sp.integrate(1 / (2 * flow_speed(least) * sp.sqrt(LOSS)), (LOSS, 0, start))


def settled(found: Bound, schedule: sp.Expr) -> sp.Expr:
    """lim S_t/u_t under the learning rate eta u_t, ``schedule`` = u a function of `t` that falls to 0 with an infinite
    integral.

    dS/dt <= -rate u S + source u^2 and S = K u give K = source/(rate + lim u'/u^2). Raises `NotDerivable` where that
    limit is no number above -rate: the bound then falls more slowly than u, or not to 0.
    """
    if sp.limit(schedule, t, sp.oo) != 0 or sp.integrate(schedule, (t, 0, sp.oo)) != sp.oo:
        raise NotDerivable(f"under the schedule {schedule} the loss has no limit 0: it must fall to 0, not too soon")
    bend = sp.limit(sp.diff(schedule, t) / schedule**2, t, sp.oo)
    if not (found.rate + bend).is_positive:
        raise NotDerivable(f"under the schedule {schedule} the loss falls more slowly: {found.rate} + {bend} > 0 fails")
    return found.source / (found.rate + bend)
