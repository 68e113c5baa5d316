"""HA-SME in one eigendirection of H: what it does in a time eta on a quadratic, and its expansion in eta."""

from __future__ import annotations

from functools import partial

import sympy as sp

from adasde.derive.expansion import derive
from adasde.derive.noise import Gaussian
from adasde.derive.notation import G, Hb, Z, eta, g, s, t, x
from adasde.derive.optimizers.sgd import sgd
from adasde.papers.linear import moments, recursion
from adasde.papers.parts import Parts, of_sde, to_first_order
from adasde.papers.statement import unnumbered

PAPER = "li2024"
lamda = sp.Symbol("lamda", positive=True)
start = sp.Symbol("x0", real=True)
FACTOR = 1 - eta * lamda


def printed() -> Parts:
    """dX = (1/eta) log(p) lamda^-1 f' dt + Q^(1/2) dW, Q = eta s^2 log(p^2)/(p^2 - 1), p = 1 - eta lamda."""
    variance = eta * s**2 * 2 * sp.log(FACTOR) / (FACTOR**2 - 1)
    return {"drift of x": sp.log(FACTOR) / eta * G / lamda, "variance of x": variance}


def after_one_step() -> Parts:
    """Mean and variance of HA-SME on lamda x^2/2 after the time eta."""
    parts = printed()
    found = moments(parts["drift of x"].subs(G, lamda * x), parts["variance of x"], x, start)
    return dict(zip(("mean", "variance"), (sp.simplify(value.subs(t, eta)) for value in found), strict=True))


def of_sgd() -> Parts:
    """Mean and variance of the rule's step."""
    factor, noise = recursion(sp.expand((sgd.update[0] - x).subs(g, lamda * x + s * Z)), x, Z, Gaussian())
    return {"mean": factor * start, "variance": noise}


def expanded_drift() -> Parts:
    """The drift to first order in eta, with the limits at eta = 0."""
    series = sp.series(printed()["drift of x"], eta, 0, 2).removeO()
    return to_first_order({"drift of x": sp.expand(series)}, eta)


def order_two() -> Parts:
    """The drift of SGD's model of order two, Hb = H b with b = -G."""
    drift = of_sde(derive(sgd, order=2).sde)["drift of x"]
    return {"drift of x": drift.subs(Hb, -lamda * G)}


_statement = partial(unnumbered, PAPER)

STATEMENTS = (
    _statement("HA-SME, one step on lamda x^2/2", after_one_step(), of_sgd, "exact, for eta lamda < 1"),
    _statement(
        "HA-SME, drift to the order of eta",
        expanded_drift(),
        order_two,
        "that of SGD's model of order two, as it has to be",
    ),
)
