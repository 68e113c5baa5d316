"""What the equations say on quadratics: the example f_(1,2) = (x -+ 1)^2 of 2017, and stationary variances."""

from __future__ import annotations

from functools import cache

import sympy as sp

from adasde.derive.atomic import Rademacher
from adasde.derive.generator import Chain, expand, root
from adasde.derive.law import Law
from adasde.derive.noise import Gaussian
from adasde.derive.notation import Z, eta, s, t, x
from adasde.papers.linear import moments, recursion
from adasde.papers.parts import Parts, of_expansion
from adasde.papers.statement import Statement

PAPER = "li2019"
lamda = sp.Symbol("lamda", positive=True)
x0 = sp.Symbol("x0", real=True)
EXAMPLE = 2 * x + 2 * Z
"""The gradient 2 (x -+ 1) of the example: Z = -+1 with probability 1/2."""
QUADRATIC = lamda * x + s * Z


@cache
def model(gradient: sp.Expr, law: Law, order: int) -> Parts:
    """SGD's derived model under this stochastic gradient."""
    return of_expansion(expand(Chain("sgd", (x,), (-(root**2) * gradient,)), law), eta, order)


def model_moments() -> Parts:
    """Mean and variance of the derived order-2 model of the example."""
    found = model(EXAMPLE, Rademacher(), 2)
    return dict(zip(("mean", "variance"), moments(found["drift of x"], found["variance of x"], x, x0), strict=True))


def exact_moments() -> Parts:
    """Mean and variance of the example after t/eta steps."""
    factor, noise = recursion(-eta * EXAMPLE, x, Z, Rademacher())
    power = factor ** (t / eta)
    return {"mean": x0 * power, "variance": noise * (1 - power**2) / sp.factor(1 - factor**2)}


def stationary_variance(order: int | None) -> sp.Expr:
    """Of the derived model on lambda x^2/2, or, for None, of SGD itself."""
    if order is None:
        factor, noise = recursion(-eta * QUADRATIC, x, Z, Gaussian())
        return sp.factor(noise / (1 - factor**2))
    found = model(QUADRATIC, Gaussian(), order)
    return sp.factor(found["variance of x"] / (-2 * sp.diff(found["drift of x"], x)))


def relative_errors() -> Parts:
    """(model/SGD - 1) of the stationary variance, for the equations as printed."""
    exact = stationary_variance(None)
    printed = {1: eta * s**2 / (2 * lamda), 2: PRINTED_STATIONARY["stationary variance"]}
    return {f"relative error, order {order}": sp.factor(value / exact - 1) for order, value in printed.items()}


def _statement(name: str, printed: Parts, derived, expected: str, **other) -> Statement:  # type: ignore[no-untyped-def]
    provenance = other.pop("provenance", "recalled and checked")
    return Statement(PAPER, name, "", provenance, printed, derived, expected, **other)


PRINTED_EXAMPLE: Parts = {
    "mean": x0 * sp.exp(-2 * (1 + eta) * t),
    "variance": eta / (1 + eta) * (1 - sp.exp(-4 * (1 + eta) * t)),
}
PRINTED_STATIONARY: Parts = {"stationary variance": eta * s**2 / (2 * lamda * (1 + eta * lamda / 2))}
"""What dX = -lambda (1 + eta lambda/2) X dt + sqrt(eta) s dW has."""

STATEMENTS = (
    _statement(
        "example (x -+ 1)^2, order 2",
        {"drift of x": -2 * (1 + eta) * x, "variance of x": 4 * eta},
        lambda: model(EXAMPLE, Rademacher(), 2),
        "agrees",
    ),
    _statement("example (x -+ 1)^2, moments of the model", PRINTED_EXAMPLE, model_moments, "agrees"),
    _statement(
        "example (x -+ 1)^2, moments of SGD",
        PRINTED_EXAMPLE,
        exact_moments,
        "agrees to leading order",
        small=eta,
        remark="the mean is off by O(eta^2), the variance by O(eta) relative to itself",
    ),
    _statement(
        "SGD, order 2, stationary variance on a quadratic",
        PRINTED_STATIONARY,
        lambda: {"stationary variance": stationary_variance(2)},
        "agrees",
        provenance="derived",
    ),
    _statement(
        "SGD, order 2, stationary variance of SGD on a quadratic",
        PRINTED_STATIONARY,
        lambda: {"stationary variance": stationary_variance(None)},
        "agrees to leading order",
        provenance="derived",
        small=eta,
        remark="order two holds on finite times: the stationary variance is off by O(eta) relative to itself",
    ),
    _statement(
        "SGD, relative errors of the stationary variance",
        {"relative error, order 1": -eta * lamda / 2, "relative error, order 2": -eta * lamda},
        relative_errors,
        "agrees to leading order",
        provenance="derived",
        small=eta,
        remark="of order two it is twice that of order one",
    ),
)
