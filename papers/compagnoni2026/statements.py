"""The SDEs of DP-SGD and DP-SignSGD, and how speed and loss depend on the privacy budget."""

from __future__ import annotations

from functools import partial

import sympy as sp

from adasde.derive.notation import G, eta, s, x
from adasde.papers.compagnoni2026 import private
from adasde.papers.compagnoni2026.private import batch, clip, delta, dimension, noise
from adasde.papers.parts import Parts, coefficients
from adasde.papers.statement import unnumbered

PAPER = "compagnoni2026"
budget = sp.Symbol("eps", positive=True)
SPREAD = clip**2 / (dimension * batch) + clip**2 * noise**2 / batch**2
MEAN = clip * G / (s * sp.sqrt(dimension))


def sgd() -> Parts:
    """dX = -(C/(s sqrt d)) f' dt + sqrt(eta) (C^2/(d B) + C^2 sigma^2/B^2)^(1/2) dW."""
    return coefficients((x,), [-MEAN], sp.Matrix([eta * SPREAD]))


def signsgd() -> Parts:
    """dX = -mu dt + sqrt(eta) (1 - mu^2)^(1/2) dW with mu = erf(m/(sqrt 2 q)), m = C f'/(s sqrt d) and
    q^2 = C^2/(d B) + C^2 sigma^2/B^2."""
    mu = sp.erf(MEAN / sp.sqrt(2 * SPREAD))
    return coefficients((x,), [-mu], sp.Matrix([eta * (1 - mu**2)]))


def budgets(speed: int, level: int) -> Parts:
    """The powers of eps."""
    return {"power of eps in the speed": sp.Integer(speed), "power of eps in the level": sp.Integer(level)}


_statement = partial(unnumbered, PAPER)
_ABSTRACT = "read in the abstract; noise multiplier proportional to 1/eps, eps -> 0, fixed hyperparameters"

STATEMENTS = (
    _statement(
        "DP-SGD, SDE",
        sgd(),
        private.sgd,
        "all examples clipped, |f'| far below s sqrt d, to the next order in 1/d; the paper's equation was not read",
        "agrees to leading order",
        delta,
        provenance="derived",
    ),
    _statement(
        "DP-SGD, slope of the drift in d dimensions",
        {"slope": clip / (s * sp.sqrt(2)) * sp.gamma((dimension + 1) / 2) / sp.gamma(dimension / 2 + 1)},
        lambda: {"slope": private.slope_in_full()},
        "at f' = 0, all examples clipped, d = 1/delta",
        provenance="derived",
    ),
    _statement(
        "DP-SignSGD, SDE",
        signsgd(),
        private.signsgd,
        "the mean of B clipped examples taken as Gaussian; the paper's equation was not read",
        provenance="derived",
    ),
    _statement(
        "DP-SGD, powers of the privacy budget",
        budgets(speed=0, level=-2),
        lambda: private.powers(private.sgd(), budget),
        _ABSTRACT,
        provenance="confirmed",
    ),
    _statement(
        "DP-SignSGD, powers of the privacy budget",
        budgets(speed=1, level=-1),
        lambda: private.powers(private.signsgd(), budget),
        _ABSTRACT,
        provenance="confirmed",
    ),
)
