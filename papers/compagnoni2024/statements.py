"""SGDA, SEG and SHGD on f = lambda x y with additive noise of scale s for both players."""

from __future__ import annotations

from functools import partial

import sympy as sp

from adasde.derive.expansion import derive
from adasde.derive.notation import eta, s
from adasde.derive.optimizers.elsewhere import extragradient
from adasde.derive.optimizers.games import shgd
from adasde.derive.optimizers.sgd import sgd
from adasde.papers.compagnoni2024.plane import FIELD, JACOBIAN, PLANE, energy, lambda_, on_plane
from adasde.papers.parts import Parts, coefficients
from adasde.papers.statement import unnumbered

PAPER = "compagnoni2024"
rho = sp.Symbol("rho", nonnegative=True)
SIGMA = s**2 * sp.eye(2)


def sgda() -> Parts:
    """dZ = -F dt + sqrt(eta) Sigma^(1/2) dW."""
    return coefficients(PLANE, list(-FIELD), eta * SIGMA)


def seg() -> Parts:
    """dZ = -(F - rho E[grad F_1 F_2]) dt + sqrt(eta) (Sigma + rho (S + S^T))^(1/2) dW; S = 0 for additive noise, where
    grad F_1 = J and the minibatches are independent."""
    return coefficients(PLANE, list((-FIELD + rho * JACOBIAN * FIELD).applyfunc(sp.expand)), eta * SIGMA)


def hamiltonian() -> Parts:
    """dZ = -grad E[F_1.F_2/2] dt + sqrt(eta) (Cov of (J^T F_1 + J^T F_2)/2)^(1/2) dW."""
    covariance = eta * JACOBIAN.T * SIGMA * JACOBIAN / 2
    return coefficients(PLANE, list((-JACOBIAN.T * FIELD).applyfunc(sp.expand)), covariance.applyfunc(sp.expand))


_statement = partial(unnumbered, PAPER)


STATEMENTS = (
    _statement("SGDA", sgda(), lambda: on_plane(derive(sgd).sde), "f = lambda x y, additive noise"),
    _statement(
        "SEG, independent minibatches",
        seg(),
        lambda: on_plane(derive(extragradient).sde),
        "f = lambda x y, additive noise: the printed covariance is to first order in rho",
        "agrees to leading order",
        rho,
    ),
    _statement(
        "SHGD, independent minibatches",
        hamiltonian(),
        lambda: on_plane(derive(shgd).sde),
        "f = lambda x y, additive noise",
    ),
    _statement(
        "SEG, E r on f = lambda x y",
        {"rate k": 2 * rho * lambda_**2, "level C": eta * s**2 * (1 + rho**2 * lambda_**2)},
        lambda: energy(derive(extragradient).sde),
        "d E r/dt = C - k E r with r = |z|^2/2",
        provenance="public code",
    ),
    _statement(
        "SHGD, E r on f = lambda x y",
        {"rate k": 2 * lambda_**2, "level C": eta * s**2 * lambda_**2},
        lambda: energy(derive(shgd).sde),
        "C is that of one minibatch of scale s used twice; with two independent ones it is half of that",
        "differs",
        provenance="public code",
    ),
)
