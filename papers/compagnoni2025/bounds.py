"""Bounds of the expected loss S = E f - min f as printed, against those of `adasde.derive.bounds`."""

from __future__ import annotations

from collections.abc import Callable

import sympy as sp

from adasde.derive.bounds import (
    Bound,
    L,
    L_tau,
    bounded,
    d,
    flow_end,
    flow_speed,
    ito,
    mu,
    optimizer_bound,
    sde_bound,
    settled,
    sign_bound,
)
from adasde.derive.expansion import derive
from adasde.derive.notation import G, eta, s, t, theta
from adasde.derive.optimizers import registry
from adasde.derive.phases import phases
from adasde.papers.compagnoni2025.claims import PAPER
from adasde.papers.compagnoni2025.phases import SLOPE, phase
from adasde.papers.compagnoni2025.schedules import signsgd_schedule
from adasde.papers.parts import Parts
from adasde.papers.statement import Statement

S0 = sp.Symbol("S0", positive=True)
m, q, u = sp.symbols("m q u", positive=True)
"""Slope and intercept of a line below the mean sign, and eta_t/eta of a schedule."""


def as_parts(bound: Bound) -> Parts:
    return {"rate of the bound": bound.rate, "level of the bound": bound.level}


def printed(rate: sp.Expr, source: sp.Expr) -> Parts:
    return as_parts(Bound(rate, source))


def first_phase() -> Parts:
    """Signs that are certain: dS/dt = -sum |f'| <= -|grad f| <= -sqrt(2 mu S), and no noise."""
    return {"end of phase 1": flow_end(S0), "speed of sqrt(S)": -flow_speed(sp.S.One)}


def second_phase() -> Parts:
    """The mean sign is at least m Y + q in 1 < Y < 3/2: the derived drift and variance with that in its place."""
    line = m * G / (sp.sqrt(2) * s) + q
    return {"drift of x": -line, "variance of x": phase("variance of x").replace(sp.erf, lambda _: line)}


def third_phase() -> Parts:
    """The derived drift and variance up to G^2."""
    found = {part: phase(part) for part in ("drift of x", "variance of x")}
    return {part: sp.series(value, G, 0, 3).removeO() for part, value in found.items()}


def scheduled() -> Parts:
    """SignSGD with the learning rate u eta, from its derived SDE, to leading order in G."""
    sde = derive(signsgd_schedule).sde
    exponent, decay = (h.symbol for h in signsgd_schedule.hyperparameters[1:])
    drift, variance = (
        part.subs(1 + decay * t, 1 / u).subs(exponent, 1) for part in (sde.full_drift[0], sde.full_covariance[0, 0])
    )
    return {"drift of x": sp.series(drift, G, 0, 2).removeO(), "variance of x": variance.subs(G, 0)}


def hyperbolic() -> Parts:
    """S_t/u_t of the linear phase under u = 1/(1 + c t), c a third of the rate at which S decays."""
    bound = linear_phase()
    return {"level over u": settled(bound, 1 / (1 + bound.rate / 3 * t))}


def linear_phase() -> Bound:
    """Of the SDE linear in G, to leading order."""
    found = phases(registry()["signsgd"])
    return bounded(ito(-found.slope * G / s, eta))


def decoupled_level(decay: sp.Expr) -> sp.Expr:
    """(eta L_tau s/2) L/(2 mu L + s theta (L + mu))."""
    return eta * L_tau * s / 2 * L / (2 * mu * L + s * decay * (L + mu))


def _level(found: Bound) -> Parts:
    return {"level of the bound": found.level}


def _of(parts: Parts) -> Bound:
    """The bound of an SDE with these parts."""
    return bounded(ito(parts["drift of x"], parts["variance of x"]))


def _statement(
    name: str,
    number: str,
    stated: Parts,
    derived: Callable[[], Parts],
    expected: str = "agrees",
    remark: str = "",
    small: sp.Symbol | None = None,
) -> Statement:
    provenance = "confirmed" if number else "reconstructed"
    return Statement(PAPER, name, number, provenance, stated, derived, expected, remark, small)


_D2 = m / (sp.sqrt(2) * s) + eta * mu * m**2 / (4 * s**2)
_D3 = SLOPE / s + eta * mu / (sp.pi * s**2)
_ITO = "Ito's formula on the derived SDE, and strong convexity"

STATEMENTS = (
    _statement(
        "SGD, loss bound",
        "",
        printed(2 * mu, eta / 2 * L_tau * s**2),
        lambda: as_parts(sde_bound(registry()["sgd"])),
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
        lambda: as_parts(_of(second_phase())),
        remark=f"{_ITO}; for lines m Y + q below the mean sign, with m, q > 0",
    ),
    _statement(
        "SignSGD, loss bound in phase 3",
        "",
        printed(2 * mu * _D3, eta / 2 * L_tau),
        lambda: as_parts(_of(third_phase())),
        remark="of the SDE linear in G; the whole SDE has the smaller drift erf and need not obey it",
    ),
    _statement(
        "SignSGD with a schedule, level of the loss",
        "",
        {"level of the bound": L_tau * eta * s * sp.sqrt(sp.pi / 2) * u / (4 * mu)},
        lambda: _level(_of(scheduled())),
        remark="of the SDE linear in G where the schedule is slow: du/dt must be far below u^2",
    ),
    _statement(
        "SignSGD with the schedule 1/(1 + c t), level of the loss over u",
        "",
        {"level over u": L_tau * eta * s * sp.sqrt(sp.pi / 2) / (4 * mu)},
        hyperbolic,
        "differs",
        "the constant needs du/dt / u^2 -> 0 as well: it is 1/(1 - c/rate) times the printed one, here with c = rate/3",
    ),
    _statement(
        "RMSprop, asymptotic loss bound",
        "Lemma 3.13",
        {"level of the bound": decoupled_level(sp.S.Zero)},
        lambda: _level(sde_bound(registry()["rmsprop"])),
        remark=f"{_ITO}; V at rest",
    ),
    _statement(
        "RMSpropW, asymptotic loss bound",
        "Lemma 3.13",
        {"level of the bound": decoupled_level(theta)},
        lambda: _level(sde_bound(registry()["rmspropw"])),
        remark=f"{_ITO}, x . grad f >= (1 + mu/L) S; V at rest",
    ),
    _statement(
        "RMSprop with coupled weight decay, asymptotic loss bound",
        "",
        {"level of the bound": eta * L_tau * s / 2 * L / (2 * mu * L + theta * (L + mu))},
        lambda: _level(sde_bound(registry()["rmsprop"], coupled=theta)),
        remark=f"{_ITO}, x . grad f >= (1 + mu/L) S; V at rest",
    ),
    *(
        _statement(
            f"{name}, loss level against the optimizer's own",
            "",
            {"level of the bound": level},
            lambda optimizer=optimizer: _level(optimizer_bound(registry()[optimizer])),  # type: ignore[misc]
            "agrees to leading order",
            "too small for the optimizer on a quadratic: by 1 - eta kappa/2, kappa the rate of its fastest coordinate",
            eta,
        )
        for name, optimizer, level in (
            ("SGD", "sgd", eta / 2 * L_tau * s**2 / (2 * mu)),
            ("RMSprop", "rmsprop", decoupled_level(sp.S.Zero)),
            ("RMSpropW", "rmspropw", decoupled_level(theta)),
        )
    ),
    _statement(
        "SignSGD, loss bound in phase 3, against one that holds",
        "",
        printed(2 * mu * _D3, eta / 2 * L_tau),
        lambda: as_parts(sign_bound(phases(registry()["signsgd"]), sp.sqrt(2))),
        "differs",
        "mu(y) >= y mu(sqrt 2)/sqrt 2 is what |Y| < 1 gives; the printed rate is that of the tangent at 0, above mu",
    ),
)


def printed_parts(name: str) -> Parts:
    """What is printed in the statement of this name."""
    return next(dict(statement.printed) for statement in STATEMENTS if statement.name == name)
