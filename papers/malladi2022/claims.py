"""The SDEs of RMSprop and Adam as printed, on the clock t = eta k, coordinate by coordinate with diagonal Sigma."""

from __future__ import annotations

import sympy as sp

from adasde.derive.model import SDE
from adasde.derive.noise import Law
from adasde.derive.notation import G, eps, eta, m, rho1, rho2, s, v, x
from adasde.papers.claim import BIAS, Claim, P, gamma1, gamma2, printed_sde, variance

CITATION = (
    "S. Malladi et al., On the SDEs and Scaling Rules for Adaptive Gradient Algorithms, NeurIPS 2022, arXiv:2205.10287"
)
PAPER = "malladi2022"
TAG = "recalled and checked"
ROOT_ETA = sp.sqrt(eta)


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
    sigma, fourth = variance(law), law.moment(4) - law.moment(2) ** 2
    cross = 2 * eta * rho2 * G * sigma / P
    second = -eta * rho2**2 * (4 * G**2 * sigma + fourth * s**4)
    return sp.Matrix([0, -rho2 * G**2]), sp.Matrix([[0, cross], [cross, second]])


def _adam_found(law: Law) -> tuple[sp.Matrix, sp.Matrix]:
    sigma, fourth = variance(law), law.moment(4) - law.moment(2) ** 2
    gain = 1 / gamma1 / (sp.sqrt(v / gamma2) + eps)
    noise_x, noise_m, noise_v = -eta * rho1 * gain, rho1, 2 * rho2 * G
    xx, xm, xv, mv = noise_x**2, noise_x * noise_m, noise_x * noise_v, noise_m * noise_v
    vv = noise_v**2 + rho2**2 * fourth * s**4 / sigma
    drift = sp.Matrix([eta * rho1 * gain * (G - m), 0, -rho2 * G**2])
    return drift, -eta * sigma * sp.Matrix([[xx, xm, xv], [xm, 0, mv], [xv, mv, vv]])


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
