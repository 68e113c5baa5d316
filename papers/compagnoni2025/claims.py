"""The SDEs of SGD, SignSGD, RMSprop(W) and Adam(W) as printed, coordinate by coordinate with diagonal Sigma."""

from __future__ import annotations

import sympy as sp

from adasde.derive.functions import student_t_sign
from adasde.derive.law import Law
from adasde.derive.model import SDE
from adasde.derive.names import Named
from adasde.derive.noise import Gaussian, StudentT
from adasde.derive.notation import G, eps, eta, m, rho1, rho2, s, theta, v, x
from adasde.papers.claim import (
    BIAS,
    ROOT_ETA,
    Claim,
    P,
    gamma1,
    gamma2,
    missing_in_adam,
    missing_in_rmsprop,
    mu,
    printed_sde,
    variance,
)

CITATION = "E. Monzio Compagnoni et al., Adaptive Methods through the Lens of SDEs, ICLR 2025, arXiv:2411.15958"
PAPER = "compagnoni2025"


def _sde(
    optimizer: str,
    law: Law,
    states: tuple[sp.Symbol, ...],
    drift: list[sp.Expr],
    noise: list[sp.Expr],
    named: Named = (),
    provenance: str = "reconstructed",
    moments: int = 2,
) -> SDE:
    return printed_sde(PAPER, optimizer, law, states, drift, noise, named, f"{CITATION} ({provenance})", moments)


def sgd(law: Law) -> SDE:
    """dX = -grad f dt + sqrt(eta) Sigma^(1/2) dW."""
    return _sde("sgd", law, (x,), [-G], [-ROOT_ETA * sp.sqrt(variance(law))])


def signsgd(law: Law) -> SDE:
    """dX = -mu dt + sqrt(eta) sqrt(1 - mu^2) dW, mu = erf(G/(sqrt 2 s)) for Gaussian noise, 2 Xi_nu(G/s) for Student-t
    noise, 1 - 2 P(g < 0) in general."""
    if isinstance(law, Gaussian):
        mean = sp.erf(G / (sp.sqrt(2) * s))
    elif isinstance(law, StudentT):
        mean = student_t_sign(G / s, law.nu)
    else:
        mean = 1 - 2 * law.cdf(-G / s)
    noise = -ROOT_ETA * sp.sqrt(1 - mu**2)
    return _sde("signsgd", law, (x,), [-mu], [noise], ((mu, mean),), "confirmed", moments=0)


def _rmsprop(optimizer: str, law: Law, decay: sp.Expr) -> SDE:
    """dX = -P^-1 (grad f dt + sqrt(eta) Sigma^(1/2) dW) - theta X dt, dV = rho (grad f^2 + Sigma - V) dt."""
    sigma = variance(law)
    drift = [-G / P - decay * x, rho2 * (G**2 + sigma - v)]
    noise = [-ROOT_ETA * sp.sqrt(sigma) / P, sp.S.Zero]
    return _sde(optimizer, law, (x, v), drift, noise, ((P, sp.sqrt(v) + eps),))


def _adam(optimizer: str, law: Law, decay: sp.Expr) -> SDE:
    """dX = -(sqrt(gamma2)/gamma1) P^-1 (M + eta rho1 (grad f - M)) dt - theta X dt, dM, dV without noise in V."""
    sigma = variance(law)
    look_ahead = m + eta * rho1 * (G - m)
    drift = [
        -sp.sqrt(gamma2) / gamma1 * look_ahead / P - decay * x,
        rho1 * (G - m),
        rho2 * (G**2 + sigma - v),
    ]
    noise = [sp.S.Zero, ROOT_ETA * rho1 * sp.sqrt(sigma), sp.S.Zero]
    named = (*BIAS, (P, sp.sqrt(v) + eps * sp.sqrt(gamma2)))
    return _sde(optimizer, law, (x, m, v), drift, noise, named, "confirmed" if decay != 0 else "reconstructed")


def _no_difference(law: Law) -> tuple[sp.Matrix, sp.Matrix]:
    return sp.zeros(1, 1), sp.zeros(1, 1)


def _rmsprop_found(law: Law) -> tuple[sp.Matrix, sp.Matrix]:
    return sp.zeros(2, 1), missing_in_rmsprop(law)


def _adam_found(law: Law) -> tuple[sp.Matrix, sp.Matrix]:
    return sp.zeros(3, 1), missing_in_adam(law)


_NO_NOISE_IN_V = "drops Var dv and Cov(dx, dv), which are as large as what is kept"
_NO_LOOK_AHEAD_NOISE = (
    "keeps the drift half of the look-ahead eta rho1 (G - m) and drops its noise, so that its stationary variance is "
    "beta1^2 times the algorithm's; " + _NO_NOISE_IN_V
)

CLAIMS: dict[str, Claim] = {
    "sgd": Claim(PAPER, "sgd", "", "reconstructed", sgd, _no_difference, "agrees"),
    "signsgd": Claim(PAPER, "signsgd", "Thm 3.2, Cor 3.3", "confirmed", signsgd, _no_difference, "agrees"),
    "rmsprop": Claim(
        PAPER,
        "rmsprop",
        "",
        "reconstructed",
        lambda law: _rmsprop("rmsprop", law, sp.S.Zero),
        _rmsprop_found,
        _NO_NOISE_IN_V,
    ),
    "rmspropw": Claim(
        PAPER,
        "rmspropw",
        "",
        "reconstructed",
        lambda law: _rmsprop("rmspropw", law, theta),
        _rmsprop_found,
        _NO_NOISE_IN_V,
    ),
    "adam": Claim(
        PAPER, "adam", "", "reconstructed", lambda law: _adam("adam", law, sp.S.Zero), _adam_found, _NO_LOOK_AHEAD_NOISE
    ),
    "adamw": Claim(
        PAPER,
        "adamw",
        "Thm 3.12",
        "confirmed",
        lambda law: _adam("adamw", law, theta),
        _adam_found,
        _NO_LOOK_AHEAD_NOISE,
    ),
}
"""The SDE statements, by optimizer."""
