"""Bounds of the expected loss S = E f - min f: Ito's formula on the derived SDE, then inequalities for the loss.

    dS/dt = E[b . grad f + a : Hess f / 2] <= -rate S + source,   S_t <= S_0 e^(-rate t) + level (1 - e^(-rate t)),

level = source/rate, for f mu-strongly convex and L-smooth with trace Hess f <= L_tau, in d coordinates. Every term of
the sum over coordinates is bounded by one rule of `INEQUALITIES`; s stands for the largest noise scale.
"""

from __future__ import annotations

from collections.abc import Callable

import sympy as sp

from adasde.derive.expansion import derive
from adasde.derive.expectation import expectation
from adasde.derive.noise import Gaussian
from adasde.derive.notation import G, Z, eps, eta, g, s, theta, v, x
from adasde.derive.optimizers import registry
from adasde.papers import parts
from adasde.papers.compagnoni2025.claims import PAPER
from adasde.papers.compagnoni2025.phases import SLOPE, phase
from adasde.papers.parts import Parts
from adasde.papers.statement import Statement

S0, mu, L, L_tau, d = sp.symbols("S0 mu L L_tau d", positive=True)
m, q, u = sp.symbols("m q u", positive=True)
"""Slope and intercept of a line below the mean sign, and eta_t/eta of a schedule."""
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


def ito(sde: Parts) -> sp.Expr:
    """One coordinate of dS/dt in f' = G, x and f''."""
    return sp.expand(sde["drift of x"] * G + sde["variance of x"] * CURVATURE / 2)


def bounded(change: sp.Expr) -> Parts:
    """``change`` <= -rate S + source as {"rate of the bound", "level of the bound"}."""
    total = sp.S.Zero
    for term in sp.Add.make_args(sp.expand(change)):
        ((powers, coefficient),) = sp.Poly(term, G, x, CURVATURE).terms()
        least, most = INEQUALITIES[powers]
        # What is subtracted is bounded from below, what is added from above.
        side = least if coefficient.could_extract_minus_sign() else most
        if side is None:
            raise ValueError(f"{term} has no upper bound")
        total += coefficient * side
    rate = -sp.diff(total, LOSS)
    return {"rate of the bound": rate, "level of the bound": sp.factor(total.subs(LOSS, 0) / rate)}


def printed(rate: sp.Expr, source: sp.Expr) -> Parts:
    return {"rate of the bound": rate, "level of the bound": source / rate}


def at_rest(optimizer: str, coupled: sp.Expr = sp.S.Zero) -> Parts:
    """The derived SDE of x with eps = 0 and V at s^2; ``coupled`` weight decay is part of the gradient."""
    found = parts.of_sde(derive(registry()[optimizer], Gaussian()).sde)
    still = {part: found[part].subs(eps, 0).subs(v, s**2) for part in ("drift of x", "variance of x")}
    return {part: value.subs(G, G + coupled * x) for part, value in still.items()}


def first_phase() -> Parts:
    """Signs that are certain: dS/dt = -sum |f'| <= -|grad f| <= -sqrt(2 mu S), and no noise."""
    speed = sp.sqrt(2 * mu * LOSS)
    return {
        "end of phase 1": sp.integrate(1 / speed, (LOSS, 0, S0)),
        "speed of sqrt(S)": -sp.simplify(sp.diff(sp.sqrt(LOSS), LOSS) * speed),
    }


def second_phase() -> Parts:
    """The mean sign is at least m Y + q in 1 < Y < 3/2: the derived drift and variance with that in its place."""
    line = m * G / (sp.sqrt(2) * s) + q
    return {"drift of x": -line, "variance of x": phase("variance of x").replace(sp.erf, lambda _: line)}


def third_phase() -> Parts:
    """The derived drift and variance up to G^2."""
    found = {part: phase(part) for part in ("drift of x", "variance of x")}
    return {part: sp.series(value, G, 0, 3).removeO() for part, value in found.items()}


def scheduled() -> Parts:
    """SignSGD with the learning rate u eta, from mean and variance of its step, to leading order in G."""
    step = (registry()["signsgd"].update[0] - x).subs(eta, u * eta).subs(g, G + s * Z)
    mean, square = (expectation(sp.expand(step**n), Gaussian()) for n in (1, 2))
    return {"drift of x": sp.series(mean / eta, G, 0, 2).removeO(), "variance of x": (square / eta).subs(G, 0)}


def decoupled_level(decay: sp.Expr) -> sp.Expr:
    """(eta L_tau s/2) L/(2 mu L + s theta (L + mu))."""
    return eta * L_tau * s / 2 * L / (2 * mu * L + s * decay * (L + mu))


def _level(found: Parts) -> Parts:
    return {"level of the bound": found["level of the bound"]}


def _statement(
    name: str, number: str, stated: Parts, derived: Callable[[], Parts], expected: str = "agrees", remark: str = ""
) -> Statement:
    provenance = "confirmed" if number else "reconstructed"
    return Statement(PAPER, name, number, provenance, stated, derived, expected, remark)


_D2 = m / (sp.sqrt(2) * s) + eta * mu * m**2 / (4 * s**2)
_D3 = SLOPE / s + eta * mu / (sp.pi * s**2)
_ITO = "Ito's formula on the derived SDE, and strong convexity"

STATEMENTS = (
    _statement(
        "SGD, loss bound",
        "",
        printed(2 * mu, eta / 2 * L_tau * s**2),
        lambda: bounded(ito(at_rest("sgd"))),
        remark=_ITO,
    ),
    _statement(
        "SignSGD, loss bound in phase 1",
        "",
        {"end of phase 1": 2 * sp.sqrt(S0 / mu), "speed of sqrt(S)": -sp.sqrt(mu) / 2},
        first_phase,
        "differs",
        "a bound, but not the one that its assumptions give: |grad f|^2 >= 2 mu S makes it faster by sqrt(2)",
    ),
    _statement(
        "SignSGD, loss bound in phase 2",
        "",
        printed(2 * mu * _D2, eta / 2 * (L_tau - mu * d * q**2)),
        lambda: bounded(ito(second_phase())),
        remark=f"{_ITO}; for lines m Y + q below the mean sign, with m, q > 0",
    ),
    _statement(
        "SignSGD, loss bound in phase 3",
        "",
        printed(2 * mu * _D3, eta / 2 * L_tau),
        lambda: bounded(ito(third_phase())),
        remark="of the SDE linear in G; the whole SDE has the smaller drift erf and need not obey it",
    ),
    _statement(
        "SignSGD with a schedule, level of the loss",
        "",
        {"level of the bound": L_tau * eta * s * sp.sqrt(sp.pi / 2) * u / (4 * mu)},
        lambda: _level(bounded(ito(scheduled()))),
        remark="of the SDE linear in G where the schedule is slow: du/dt must be far below u^2",
    ),
    _statement(
        "RMSprop, asymptotic loss bound",
        "Lemma 3.13",
        {"level of the bound": decoupled_level(sp.S.Zero)},
        lambda: _level(bounded(ito(at_rest("rmsprop")))),
        remark=f"{_ITO}; V at rest",
    ),
    _statement(
        "RMSpropW, asymptotic loss bound",
        "Lemma 3.13",
        {"level of the bound": decoupled_level(theta)},
        lambda: _level(bounded(ito(at_rest("rmspropw")))),
        remark=f"{_ITO}, x . grad f >= (1 + mu/L) S; V at rest",
    ),
    _statement(
        "RMSprop with coupled weight decay, asymptotic loss bound",
        "",
        {"level of the bound": eta * L_tau * s / 2 * L / (2 * mu * L + theta * (L + mu))},
        lambda: _level(bounded(ito(at_rest("rmsprop", theta)))),
        remark=f"{_ITO}, x . grad f >= (1 + mu/L) S; V at rest",
    ),
)
