"""The SDEs of RMSprop and Adam as printed, on the clock t = eta k, coordinate by coordinate with diagonal Sigma."""

from __future__ import annotations

import sympy as sp

from adasde.derive.law import Law
from adasde.derive.model import SDE
from adasde.derive.notation import G, eps, eta, m, rho1, rho2, v, x
from adasde.papers.claim import (
    BIAS,
    ROOT_ETA,
    Claim,
    P,
    adam_gain,
    gamma1,
    gamma2,
    missing_in_adam,
    missing_in_rmsprop,
    printed_sde,
    variance,
)

CITATION = (
    "S. Malladi et al., On the SDEs and Scaling Rules for Adaptive Gradient Algorithms, NeurIPS 2022, arXiv:2205.10287"
)
PAPER = "malladi2022"
TAG = "recalled and checked"


def rmsprop(law: Law) -> SDE:
    """dX = -P^-1 (grad f dt + sqrt(eta) Sigma^(1/2) dW), dV = rho (Sigma - V) dt, P = sqrt(V) + eps."""
    sigma = variance(law)
    drift = [-G / P, rho2 * (sigma - v)]
    noise = [-ROOT_ETA * sp.sqrt(sigma) / P, sp.S.Zero]
    return printed_sde(PAPER, "rmsprop", law, (x, v), drift, noise, ((P, sp.sqrt(v) + eps),), f"{CITATION} ({TAG})")


def adam(law: Law) -> SDE:
    """dX = -(sqrt(gamma2)/gamma1) P^-1 M dt, dM = rho1 (grad f - M) dt + sqrt(eta) rho1 Sigma^(1/2) dW,
    dV = rho2 (Sigma - V) dt, P = sqrt(V) + eps sqrt(gamma2)."""
    sigma = variance(law)
    drift = [-sp.sqrt(gamma2) / gamma1 * m / P, rho1 * (G - m), rho2 * (sigma - v)]
    noise = [sp.S.Zero, ROOT_ETA * rho1 * sp.sqrt(sigma), sp.S.Zero]
    named = (*BIAS, (P, sp.sqrt(v) + eps * sp.sqrt(gamma2)))
    return printed_sde(PAPER, "adam", law, (x, m, v), drift, noise, named, f"{CITATION} ({TAG})")


def _rmsprop_found(law: Law) -> tuple[sp.Matrix, sp.Matrix]:
    return sp.Matrix([0, -rho2 * G**2]), missing_in_rmsprop(law)


def _adam_found(law: Law) -> tuple[sp.Matrix, sp.Matrix]:
    drift = sp.Matrix([eta * rho1 * adam_gain() * (G - m), 0, -rho2 * G**2])
    return drift, missing_in_adam(law)


CLAIMS: dict[str, Claim] = {
    "rmsprop": Claim(
        PAPER,
        "rmsprop",
        "",
        TAG,
        rmsprop,
        _rmsprop_found,
        "drops G^2 in the drift of V and all noise of V: needs s >> |G|",
    ),
    "adam": Claim(
        PAPER,
        "adam",
        "",
        TAG,
        adam,
        _adam_found,
        "drops the look-ahead eta rho1 (G - m) with its noise, G^2 in the drift of V and all noise of V",
    ),
}
"""The SDE statements, by optimizer. The paper has no weight decay."""
