"""DSGD, DCSGD and DSignSGD: the printed SDEs and loss bound. Everything is per coordinate."""

from __future__ import annotations

from functools import partial

import sympy as sp

from adasde.derive.law import Law
from adasde.derive.noise import Gaussian, StudentT
from adasde.derive.notation import G, eta, s, x
from adasde.papers.compagnoni2025distributed import loss
from adasde.papers.compagnoni2025distributed.agents import model, scale, sends_compressed, sends_gradient, sends_sign
from adasde.papers.compagnoni2025distributed.loss import omega
from adasde.papers.parts import Parts, coefficients
from adasde.papers.statement import unnumbered

PAPER = "compagnoni2025distributed"
N = 3
TEAM = range(1, N + 1)
NU = sp.symbols("nu1:4", positive=True)
TAILS = (StudentT(sp.S.One), StudentT(sp.Integer(2)), Gaussian())


def dsgd() -> Parts:
    """dX = -grad f dt + sqrt(eta/N) Sbar^(1/2) dW, Sbar the mean of the agents' Sigma_i."""
    average = sum(scale(i) ** 2 for i in TEAM) / N
    return coefficients((x,), [-G], sp.Matrix([eta / N * average]))


def dcsgd() -> Parts:
    """dX = -grad f dt + sqrt(eta/N) Sbar^(1/2) dW, Sbar the mean of Cov C_i(grad f_gamma)."""
    average = sum((1 + omega) * (G**2 + scale(i) ** 2) - G**2 for i in TEAM) / N
    return coefficients((x,), [-G], sp.Matrix([eta / N * average]))


def xi(y: sp.Expr, nu: sp.Expr) -> sp.Expr:
    """Xi_nu(y) = y Gamma((nu+1)/2)/(sqrt(pi nu) Gamma(nu/2)) 2F1(1/2, (nu+1)/2; 3/2; -y^2/nu)."""
    half = sp.Rational(1, 2)
    front = sp.gamma((nu + 1) / 2) / (sp.sqrt(sp.pi * nu) * sp.gamma(nu / 2))
    return y * front * sp.hyper((half, (nu + 1) / 2), (3 * half,), -(y**2) / nu)


def dsignsgd(halves: list[sp.Expr]) -> Parts:
    """dX = -(2/N) sum_i Xi dt + sqrt(eta/N) (1 - (4/N) sum_i Xi^2)^(1/2) dW, Xi = Xi_nu_i(grad f/s_i)."""
    variance = eta / N * (1 - sp.Rational(4, N) * sum(half**2 for half in halves))
    return coefficients((x,), [-sp.Rational(2, N) * sum(halves)], sp.Matrix([variance]))


def small_signal(slopes: list[sp.Expr]) -> Parts:
    """dX = -(1/N) sum_i ell_i grad f/s_i dt + sqrt(eta/N) dW."""
    return coefficients((x,), [-sum(slopes) * G / N], sp.Matrix([eta / N]))


def ell(nu: sp.Expr) -> sp.Expr:
    """ell_nu = 2 Xi_nu'(0): 2F1 is 1 there."""
    return 2 * sp.gamma((nu + 1) / 2) / (sp.sqrt(sp.pi * nu) * sp.gamma(nu / 2))


m, q = sp.symbols("m q", real=True)
ELL_GAUSSIAN = sp.sqrt(2 / sp.pi)
"""The limit nu -> infinity."""


def signs(laws: tuple[Law, ...]) -> Parts:
    """The SDE of agents that send signs."""
    return model([sends_sign(i, law) for i, law in zip(TEAM, laws, strict=True)])


def with_student_t() -> Parts:
    """The same for heavy tails nu_i, with the mean signs as hypergeometric functions."""
    return {part: value.rewrite(sp.hyper) for part, value in signs(tuple(StudentT(nu) for nu in NU)).items()}


def drift_slope() -> Parts:
    """d(drift)/d(grad f) at grad f = 0 under heavy tails nu_i."""
    drift = signs(tuple(StudentT(nu) for nu in NU))["drift of x"]
    return {"slope of the drift": sp.diff(drift, G).subs(G, 0)}


def scaled_level() -> Parts:
    """The level of E f with eta -> kappa eta, B -> delta B, N -> 2 N and kappa = 2 delta/(1 + omega), B in s^2."""
    delta = sp.Symbol("delta", positive=True)
    level = loss.of_algorithm(2 * loss.AGENTS)["level of E f"]
    changed = {eta: 2 * delta / (1 + omega) * eta, s: s / sp.sqrt(delta)}
    return {"level of E f": level.subs(changed, simultaneous=True)}


_statement = partial(unnumbered, PAPER)


STATEMENTS = (
    _statement("DSGD", dsgd(), lambda: model([sends_gradient(i) for i in TEAM]), "three agents, any noise law"),
    _statement(
        "DCSGD",
        dcsgd(),
        lambda: model([sends_compressed(i, omega) for i in TEAM]),
        "three agents, any noise law; E|C(z) - z|^2 = omega z^2",
    ),
    _statement(
        "DCSGD, loss bound against the SDE",
        loss.printed(),
        loss.of_sde,
        "two agents on f = L x^2/2, where the bound is an equality",
    ),
    _statement(
        "DCSGD, loss bound against the algorithm",
        loss.printed(),
        loss.of_algorithm,
        "two agents on f = L x^2/2: the algorithm has Delta - eta L/2 where the bound has Delta",
        expected="agrees to leading order",
        small=eta,
    ),
    _statement(
        "DCSGD, scaling rule",
        {"level of E f": eta * s**2 / (4 * loss.AGENTS)},
        scaled_level,
        "recalled as an idea, the constant is ours: to leading order the loss of DSGD is kept by eta -> kappa eta, "
        "B -> delta B, N -> alpha N with kappa = alpha delta/(1 + omega), here alpha = 2",
        expected="agrees to leading order",
        small=eta,
        provenance="derived",
    ),
    _statement(
        "DSignSGD, Gaussian noise",
        dsignsgd([sp.erf(G / (sp.sqrt(2) * scale(i))) / 2 for i in TEAM]),
        lambda: signs((Gaussian(),) * N),
        "three agents with different scales",
    ),
    _statement(
        "DSignSGD, Student-t noise",
        dsignsgd([xi(G / scale(i), nu) for i, nu in zip(TEAM, NU, strict=True)]),
        with_student_t,
        "three agents with different scales and tails",
    ),
    _statement(
        "DSignSGD, slope for small signals",
        {"slope of the drift": -sum(ell(nu) / scale(i) for i, nu in zip(TEAM, NU, strict=True)) / N},
        drift_slope,
        "ell_nu = 2 Xi_nu'(0)",
    ),
    _statement(
        "DSignSGD, phase of small signals",
        small_signal(
            [l / scale(i) for i, l in zip(TEAM, (ell(sp.S.One), ell(sp.Integer(2)), ELL_GAUSSIAN), strict=True)]
        ),
        lambda: signs(TAILS),
        "three agents with nu = 1, 2 and Gaussian noise; valid where |grad f| is far below every s_i only",
        expected="agrees to leading order",
        small=G,
    ),
    _statement(
        "DSignSGD, phase of intermediate signals",
        {"drift of x": -(m * G / s + q)},
        None,
        "lines m y + q that bound the drift for signals in between: the values of m and q and the interval, which "
        "depend on nu, were not read, and that some lines bound a bounded drift is always true; for Gaussian noise, "
        "where they were read, see compagnoni2025, phase 2",
        expected="not checkable",
    ),
)
