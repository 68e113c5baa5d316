"""Stationary variances on f = lambda x^2/2 with eps = 0 (Lemma 3.8, C.52, C.57) and the scaling rules (Lemma 3.13).

The derived SDE is linearised where it comes to rest, x = m = 0 and v = s^2, and long after the start, gamma = 1.
"""

from __future__ import annotations

import sympy as sp

from adasde.derive.expansion import derive
from adasde.derive.noise import Gaussian
from adasde.derive.notation import G, eps, eta, rho1, s, theta, v, x
from adasde.derive.optimizers import registry
from adasde.derive.stationary import exact, lamda, lyapunov
from adasde.papers.claim import BIAS
from adasde.papers.compagnoni2025.claims import PAPER
from adasde.papers.compagnoni2025.phases import PRINTED_STATIONARY
from adasde.papers.linear import linearised
from adasde.papers.parts import Parts
from adasde.papers.statement import Statement

PART = "stationary variance"
FIXED = "rho1 = 1/sqrt(eta)"
LARGE = {rho1: 1 / sp.sqrt(eta)}
"""A rate that grows as eta -> 0, as the paper lets that of the first moment."""
RATIO = sp.Symbol("delta", positive=True)
"""New batch over old."""


def of_sde(optimizer: str, coupled: sp.Expr = sp.S.Zero) -> sp.Expr:
    """The variance of x in the linearised derived SDE; ``coupled`` weight decay is part of the gradient."""
    return sp.factor(lyapunov(*linear_sde(optimizer, coupled))[0, 0])


def linear_sde(optimizer: str, coupled: sp.Expr = sp.S.Zero) -> tuple[sp.Matrix, sp.Matrix]:
    """(slope, covariance) of the derived SDE at its point of rest."""
    sde = derive(registry()[optimizer], Gaussian()).sde
    late = dict.fromkeys((name for name, _ in BIAS), sp.S.One)
    rest = dict.fromkeys(sde.states, sp.S.Zero) | {v: s**2}
    kept, values = frozenset(late), {eps: 0, G: (lamda + coupled) * x}
    drift, covariance = (sde.expand_names(part, kept).subs(late).subs(values) for part in (sde.drift, sde.covariance))
    return linearised(sp.Matrix(drift), list(sde.states), rest), sp.Matrix(covariance).subs(rest)


def of_rule(optimizer: str) -> sp.Expr:
    """The variance of x in the algorithm itself, with the second moment, where there is one, frozen at s^2."""
    return sp.factor(exact(registry()[optimizer]).subs(eps, 0))


def speed_and_level(optimizer: str) -> Parts:
    """Rate of the mean per step, and stationary variance, of the linearised derived SDE."""
    drift = derive(registry()[optimizer], Gaussian()).sde.full_drift[0].subs(eps, 0).subs(G, lamda * x)
    return {"rate per sample": -eta * sp.diff(drift, x).subs({x: 0, v: s**2}), PART: of_sde(optimizer)}


def adamw_speeds_and_level() -> Parts:
    """Sum and product of the rates of (x, m) per step, and stationary variance, of AdamW's linearised derived SDE."""
    slope, _ = linear_sde("adamw")
    pair = eta * slope[:2, :2]
    return {"rate per sample": -pair.trace(), "product of rates": pair.det(), PART: of_sde("adamw")}


def under_rule(factors: dict[sp.Symbol, sp.Expr], found: Parts) -> Parts:
    """The same with a batch larger by ``ratio``, noise smaller by its root, and hyperparameters multiplied."""
    factors = factors | {s: 1 / sp.sqrt(RATIO)}
    scaled = {symbol: factor * symbol for symbol, factor in factors.items()}
    samples = {"rate per sample": RATIO, "product of rates": RATIO**2}
    return {part: c.subs(scaled, simultaneous=True) / samples.get(part, 1) for part, c in found.items()}


def _statement(name: str, number: str, printed: sp.Expr, derived, expected: str, **other) -> Statement:  # type: ignore[no-untyped-def]
    provenance = "confirmed" if number else other.pop("provenance", "reconstructed")
    part = "loss" if "loss" in name else PART
    return Statement(PAPER, name, number, provenance, {part: printed}, lambda: {part: derived()}, expected, **other)


SGD = eta / 2 * s**2 / lamda
RMSPROP = eta / 2 * s / lamda
RMSPROPW = eta / 2 / (lamda / s + theta)


CLOSED_FORMS = {
    "sgd": SGD,
    "signsgd": PRINTED_STATIONARY,
    "rmsprop": RMSPROP,
    "adam": RMSPROP,
    "rmspropw": RMSPROPW,
    "adamw": RMSPROPW,
}
"""The stationary variance of each optimizer as printed, under Gaussian noise with eps = 0."""


def loss_level(decay: sp.Expr) -> sp.Expr:
    """(eta L_tau s/2) L/(2 mu L + s theta (L + mu)), the bound of the asymptotic loss, with L_tau = L = mu = lambda."""
    trace = largest = smallest = lamda
    return eta * trace * s / 2 * largest / (2 * smallest * largest + s * decay * (largest + smallest))


ROOT = sp.sqrt(RATIO)
RULES: dict[str, dict[sp.Symbol, sp.Expr]] = {
    "sgd": {eta: RATIO},
    "signsgd": {eta: ROOT},
    "rmspropw": {eta: ROOT, theta: ROOT},
}
"""By what a batch larger by delta multiplies the hyperparameters, besides 1 - beta by delta, eps by delta^(-1/2)."""

STATEMENTS = (
    _statement("SGD, stationary variance of the SDE", "Lemma 3.8", SGD, lambda: of_sde("sgd"), "agrees"),
    _statement(
        "SGD, stationary variance",
        "Lemma 3.8",
        SGD,
        lambda: of_rule("sgd"),
        "agrees to leading order",
        small=eta,
        remark="that of SGD has eta s^2/(lambda (2 - eta lambda))",
    ),
    _statement("RMSprop, stationary variance of the SDE", "Lemma C.52", RMSPROP, lambda: of_sde("rmsprop"), "agrees"),
    _statement(
        "RMSpropW, stationary variance of the SDE", "Lemma C.57", RMSPROPW, lambda: of_sde("rmspropw"), "agrees"
    ),
    _statement(
        "RMSpropW, stationary variance with V at rest",
        "Lemma C.57",
        RMSPROPW,
        lambda: of_rule("rmspropw"),
        "agrees to leading order",
        small=eta,
        remark="that of the algorithm has a factor 1/(1 - eta a/2), a = lambda/s + theta",
    ),
    _statement(
        "Adam, stationary variance of the SDE",
        "Lemma C.52",
        RMSPROP,
        lambda: of_sde("adam"),
        "agrees to leading order",
        small=eta,
        remark="that of the SDE has a factor (s + eta^2 lambda rho1)/(s + eta lambda)",
    ),
    _statement(
        "AdamW, stationary variance of the SDE",
        "Lemma C.57",
        RMSPROPW,
        lambda: of_sde("adamw"),
        "differs",
        small=eta,
        remark="for a fixed rate rho1 it has a factor rho1/(rho1 + theta) more",
    ),
    _statement(
        f"AdamW, stationary variance of the SDE, {FIXED}",
        "Lemma C.57",
        RMSPROPW,
        lambda: of_sde("adamw").subs(LARGE),
        "agrees to leading order",
        small=eta,
        remark="the rate rho1 must be far above theta, as it is where it grows when eta goes to 0",
    ),
    _statement(
        "RMSprop, asymptotic loss on lambda x^2/2",
        "Lemma 3.13",
        loss_level(sp.S.Zero),
        lambda: lamda / 2 * of_sde("rmsprop"),
        "agrees",
    ),
    _statement(
        "RMSpropW, asymptotic loss on lambda x^2/2",
        "Lemma 3.13",
        loss_level(theta),
        lambda: lamda / 2 * of_sde("rmspropw"),
        "agrees",
    ),
    _statement(
        "Adam, asymptotic loss on lambda x^2/2",
        "Lemma 3.13",
        loss_level(sp.S.Zero),
        lambda: lamda / 2 * of_sde("adam"),
        "agrees to leading order",
        small=eta,
        remark="as the stationary variance",
    ),
    _statement(
        f"AdamW, asymptotic loss on lambda x^2/2, {FIXED}",
        "Lemma 3.13",
        loss_level(theta),
        lambda: lamda / 2 * of_sde("adamw").subs(LARGE),
        "agrees to leading order",
        small=eta,
        remark="the rate rho1 must be far above theta, as it is where it grows when eta goes to 0",
    ),
    _statement(
        "RMSprop with coupled weight decay, stationary variance of the SDE",
        "",
        eta / 2 * s / (lamda + theta),
        lambda: of_sde("rmsprop", theta),
        "agrees",
    ),
    _statement(
        "Adam with coupled weight decay, stationary variance of the SDE",
        "",
        eta / 2 * s / (lamda + theta),
        lambda: of_sde("adam", theta),
        "agrees to leading order",
        small=eta,
        remark="as for Adam, with lambda + theta for lambda",
    ),
    Statement(
        paper=PAPER,
        name="adamw, scaling rule",
        number="",
        provenance="confirmed",
        printed=under_rule({eta: ROOT, theta: ROOT, rho1: ROOT}, adamw_speeds_and_level()),
        derived=adamw_speeds_and_level,
        expected="agrees to leading order",
        remark="1 - beta1 = eta rho1 times delta, so rho1 times its root; off by the look-ahead eta rho1",
        small=eta,
    ),
    *(
        Statement(
            paper=PAPER,
            name=f"{optimizer}, scaling rule",
            number="",
            provenance="confirmed" if optimizer == "rmspropw" else "reconstructed",
            printed=under_rule(factors, speed_and_level(optimizer)),
            derived=lambda optimizer=optimizer: speed_and_level(optimizer),  # type: ignore[misc]
            expected="agrees",
        )
        for optimizer, factors in RULES.items()
    ),
)
