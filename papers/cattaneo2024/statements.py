"""RMSprop and Adam at fixed decays: the smoothed sign flow and its correction of order h."""

from __future__ import annotations

import sympy as sp

from adasde.derive.notation import beta1, beta2, eta, x
from adasde.papers.cattaneo2024.memory import Average, Positions, Rule, modified_equation
from adasde.papers.parts import Parts, coefficients
from adasde.papers.statement import Statement

PAPER = "cattaneo2024"
y = sp.Symbol("y", real=True)
eps = sp.Symbol("eps", positive=True)


def slopes(positions: Positions) -> list[sp.Expr]:
    """The gradient of an arbitrary loss E."""
    energy = sp.Function("E", real=True)(*positions)
    return [sp.diff(energy, position) for position in positions]


def adam(positions: Positions, decay: sp.Expr = beta1) -> Rule:
    """theta' = theta - h m'/sqrt(v' + eps), after the bias corrections have come to 1; RMSprop for decay 0."""
    averages, velocities = [], []
    for position, gradient in zip(positions, slopes(positions), strict=True):
        first, second = sp.symbols(f"m_{position} v_{position}", positive=True)
        averages += [Average(first, decay, gradient), Average(second, beta2, gradient**2)]
        velocities.append(-first / sp.sqrt(second + eps))
    return Rule(positions, tuple(averages), tuple(velocities))


def printed(positions: Positions, decay: sp.Expr = beta1, order: int = 2) -> Parts:
    """d theta_j/dt = -(d_j E + (h/2) ((1+b)/(1-b) - (1+r)/(1-r) + (1+r)/(1-r) eps/(d_j E^2 + eps)) d_j |grad E|)
    / sqrt(d_j E^2 + eps), |grad E| = sum_i sqrt(d_i E^2 + eps), b = beta1, r = beta2; order 1 without the h."""
    gradient = slopes(positions)
    smoothed = [sp.sqrt(g**2 + eps) for g in gradient]
    first, second = ((1 + b) / (1 - b) for b in (decay, beta2))
    drift = []
    for position, g, size in zip(positions, gradient, smoothed, strict=True):
        bracket = first - second + second * eps / size**2
        penalty = bracket * sp.diff(sum(smoothed), position) if order == 2 else 0
        drift.append(-(g + eta / 2 * penalty) / size)
    return coefficients(positions, drift, sp.zeros(len(positions), len(positions)))


def _statement(name: str, positions: Positions, decay: sp.Expr, remark: str, order: int = 2) -> Statement:
    def derived() -> Parts:
        return _first(modified_equation(adam(positions, decay), order))

    parts = _first(printed(positions, decay, order))
    return Statement(PAPER, name, "", "recalled and checked", parts, derived, "agrees", remark)


def without_eps() -> Parts:
    """-1 - h (b - r)/((1 - b) (1 - r)) f''/f' for f' > 0."""
    slope = sp.Symbol("g", positive=True)
    curvature = sp.diff(slopes((x,))[0], x)
    return {"drift of x": -1 - eta * (beta1 - beta2) / ((1 - beta1) * (1 - beta2)) * curvature / slope}


def derived_without_eps() -> Parts:
    """The modified equation of Adam for eps = 0, at f' = g > 0."""
    slope, (gradient,) = sp.Symbol("g", positive=True), slopes((x,))
    second = sp.Symbol("H", real=True)
    drift = modified_equation(adam((x,)), 2)[f"drift of {x}"]
    found = drift.subs(sp.diff(gradient, x), second).subs(gradient, slope).subs(eps, 0)
    return {"drift of x": found.subs(second, sp.diff(gradient, x))}


def _first(parts: Parts) -> Parts:
    """The parts of the first coordinate; the others are the same with names exchanged."""
    return {part: parts[part] for part in (f"drift of {x}", f"variance of {x}")}


_ELIMINATED = "the averages as functions of the position, from the invariance of the slow manifold"

STATEMENTS = (
    _statement("Adam, smoothed sign flow", (x,), beta1, "the limit h -> 0", order=1),
    _statement("RMSprop, correction of order h, one position", (x,), sp.S.Zero, _ELIMINATED),
    _statement("Adam, correction of order h, one position", (x,), beta1, _ELIMINATED),
    _statement("Adam, correction of order h, two positions", (x, y), beta1, _ELIMINATED),
    Statement(
        PAPER,
        "Adam, eps = 0, sign of the penalty",
        "",
        "recalled and checked",
        without_eps(),
        derived_without_eps,
        "agrees",
        "for beta2 > beta1 the norm of the gradient is rewarded",
    ),
)
