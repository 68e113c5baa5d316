"""Adam, m' = (1 - c1 tau) m + c1 tau g, v' as in RMSprop, and in step k = 0, 1, ..., from t = k tau on,

    x' = x - tau Gamma D m',  Gamma = sqrt(b)/(1 - beta1^(k+2)),  D = 1/(sqrt(v) + eps sqrt(b)),  b = 1 - beta2^(k+1).

The SDEs write gamma1(t) = 1 - e^(-r1 (t + tau)), gamma2(t) = 1 - e^(-r2 t), r = -log(beta)/tau: the step uses
both at t + tau.
"""

from __future__ import annotations

from functools import cache

import sympy as sp

from adasde.derive.generator import Chain, Expansion, expand, root
from adasde.derive.noise import Gaussian
from adasde.derive.notation import Z, eps, m, rho1, rho2, s, t, v, x
from adasde.derive.notation import eta as tau
from adasde.derive.scalings import S, slope
from adasde.papers.callisti2025.rmsprop import BALLISTIC, BATCH_EQUIVALENT, PAPER, SCALES, curvature, with_noise
from adasde.papers.claim import P, gamma1, gamma2
from adasde.papers.parts import Parts, noise, of_expansion, to_first_order
from adasde.papers.statement import Statement

STATES = (x, m, v)
r1, r2 = sp.symbols("r1 r2", positive=True)
GAMMA, D = sp.sqrt(gamma2) / gamma1, 1 / P
NAMED = (
    (gamma1, 1 - sp.exp(-r1 * (t + tau))),
    (gamma2, 1 - sp.exp(-r2 * t)),
    (P, sp.sqrt(v) + eps * sp.sqrt(gamma2)),
)


@cache
def expansion(scaling: str) -> Expansion:
    """One step of the chain with noise S(x); tau in gamma1 is a shift of time and stays."""
    scale = 1 if scaling == BALLISTIC else 1 / root
    gradient = slope + S * scale * Z
    momentum = sp.expand(root**2 * rho1 * (gradient - m))
    second = root**2 * rho2 * (sp.expand((gradient / scale) ** 2) - v)
    first_bias, second_bias = (1 - (1 - gamma) * sp.exp(-r * root**2) for gamma, r in ((gamma1, r1), (gamma2, r2)))
    gain = sp.sqrt(second_bias) / first_bias / (sp.sqrt(v) + eps * sp.sqrt(second_bias))
    changes = (-(root**2) * gain * (m + momentum), momentum, second, root**2)
    return expand(Chain(f"adam, {scaling}", (*STATES, t), changes, named=NAMED), Gaussian())


def _drift(order: int, excess: sp.Expr, second: sp.Expr) -> list[sp.Expr]:
    """``excess`` is c2^-1 times the leading drift of V, ``second`` the correction of V's drift."""
    drift = [-GAMMA * m * D, rho1 * (slope - m), rho2 * excess]
    if order == 2:
        slopes = (r1 * (1 - gamma1), r2 * (1 - gamma2))
        of_gain = slopes[1] * gamma1 / (2 * sp.sqrt(gamma2)) - sp.sqrt(gamma2) * slopes[0]
        in_time = GAMMA * slopes[1] * D**2 / (2 * sp.sqrt(gamma2)) + of_gain / gamma1**2 * D
        memory = rho1 * GAMMA * (m - slope) * D - rho2 / 2 * GAMMA * D**3 * excess * m
        drift[0] += tau / 2 * (memory + in_time * m)
        drift[1] += tau / 2 * (rho1 * GAMMA * curvature * m * D + rho1**2 * (slope - m))
        drift[2] += tau * second
    return drift


def ballistic(order: int, scale: sp.Expr) -> Parts:
    """V's drift has f' D where the position moves by m D; M and V have noise of opposite sign."""
    excess = slope**2 + scale**2 - v
    drift = _drift(order, excess, rho2 * GAMMA * slope * curvature * slope * D + rho2**2 / 2 * excess)
    in_v = [-2 * rho2 * slope * scale, rho2 * sp.sqrt(2) * scale**2] if order == 2 else [0, 0]
    return noise(STATES, drift, sp.sqrt(tau) * sp.Matrix([[0, 0], [rho1 * scale, 0], in_v]))


def batch_equivalent(order: int, scale: sp.Expr) -> Parts:
    """Noise that depends on the position changes the drift of V and the noise of M."""
    variance, diffusion = scale**2, sp.Matrix([[0, 0], [rho1 * scale, 0], [0, 0]])
    along = GAMMA * m * D * sp.diff(variance, x)
    second = rho2 * slope**2 + rho2**2 / 2 * (variance - v) + rho1 * rho2 / 2 * along
    drift = _drift(order, variance - v, second)
    if order == 2:
        diffusion[0, 0] = -tau / 2 * GAMMA * D * scale
        diffusion[1, 0] += tau / 2 * rho1 * along
        in_v = [-2 * tau * rho2 * slope * scale, sp.sqrt(tau) * rho2 * sp.sqrt(2) * variance]
        diffusion[2, :] = sp.Matrix([in_v])
    return to_first_order(noise(STATES, drift, diffusion), tau)


def printed_rate() -> sp.Expr:
    """c + c^2 tau/2! + ... + c^5 tau^4/5!, what stands for the rate r of a bias factor."""
    return sp.Add(*(rho1**n * tau ** (n - 1) / sp.factorial(n) for n in range(1, 6)))


def rate() -> sp.Expr:
    """r with (1 - c tau)^(t/tau) = e^(-r t)."""
    return -sp.log((1 - rho1 * tau) ** (1 / tau)).expand(force=True)


def _statement(scaling: str, order: int, scale: sp.Expr, printed: Parts, expected: str, remark: str = "") -> Statement:
    return Statement(
        paper=PAPER,
        name=f"Adam, {scaling}, order {order}{SCALES[scale]}",
        number="",
        provenance="public code",
        printed=printed,
        derived=lambda: with_noise(of_expansion(expansion(scaling), tau, order), scale),
        expected=expected,
        remark=remark,
    )


def at_rest_in_time(parts: Parts) -> Parts:
    """The position's drift where t is large and eps = 0: no bias factors, and D' = -D^3/2."""
    return {"drift of x": parts["drift of x"].subs({gamma1: 1, gamma2: 1, P: sp.sqrt(v)})}


OBSTRUCTION = {"coefficient of d_m^2 d_v": sp.S.Zero}
"""An SDE has no such term."""
IN_TIME = (
    "the bias factors are those of the beginning of a step where the chain has those of its end, which turns the sign "
    "of the term in their derivatives, and this term lacks the factor -eps of d_t (eps sqrt(gamma2)); D' is taken as "
    "-D^3/2"
)
STATEMENTS = (
    _statement(
        BALLISTIC,
        1,
        s,
        ballistic(1, s),
        "differs",
        "drops the noise of V and its covariance with that of M; weak order one allows any noise of this size",
    ),
    _statement(
        BALLISTIC,
        2,
        s,
        ballistic(2, s),
        "differs",
        f"the noises of M and V are correlated with the wrong sign; V's drift has f' D for m D; {IN_TIME}",
    ),
    Statement(
        paper=PAPER,
        name="Adam, ballistic, order 2, drift of x for t = oo, eps = 0",
        number="",
        provenance="public code",
        printed=at_rest_in_time(ballistic(2, S)),
        derived=lambda: at_rest_in_time(of_expansion(expansion(BALLISTIC), tau, 2)),
        expected="agrees",
    ),
    _statement(
        BALLISTIC,
        2,
        S,
        ballistic(2, S),
        "differs",
        "besides what differs for constant noise, V's drift lacks (tau/2) c2 Gamma (S^2)' m D; the error of one step "
        "shows it",
    ),
    _statement(BATCH_EQUIVALENT, 1, S, batch_equivalent(1, S), "agrees"),
    _statement(
        BATCH_EQUIVALENT,
        2,
        s,
        batch_equivalent(2, s) | OBSTRUCTION,
        "differs",
        "no SDE has order two: d_m^2 d_v remains whatever the coefficients. Of these, the noises of M and V are "
        "correlated with the wrong sign, the noise of X lacks a factor c1, that of M a factor 1 + tau c1/2; " + IN_TIME,
    ),
    _statement(
        BATCH_EQUIVALENT,
        2,
        S,
        batch_equivalent(2, S) | OBSTRUCTION,
        "differs",
        "besides what differs for constant noise, the term in (S^2)' of V's drift has a factor c1, and the noise of M "
        "has (S^2)' for S'; the error of one step shows both",
    ),
    Statement(
        paper=PAPER,
        name="Adam, rate of the bias factors",
        number="",
        provenance="public code",
        printed={"rate": printed_rate()},
        derived=lambda: {"rate": rate()},
        expected="agrees to leading order",
        remark="the series of (e^(c tau) - 1)/tau for -log(1 - c tau)/tau: off by c^3 tau^2/6, which order two allows",
        small=tau,
    ),
)
