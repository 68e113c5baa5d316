"""The limit of schedule-free SGD, primal averaging, an energy that decreases, and the threshold of stability."""

from __future__ import annotations

from functools import partial

import sympy as sp

from adasde.derive.notation import G, eta, s, t
from adasde.papers.defazio2024.schedule_free import (
    POSITION,
    beta,
    energy_change,
    gap,
    gradient,
    in_averages,
    lamda,
    primal_averaging,
    target,
    threshold,
    w,
    z,
)
from adasde.papers.parts import Parts, coefficients
from adasde.papers.statement import unnumbered

PAPER = "defazio2024"


def sde() -> Parts:
    """dz = -f'(y) dt + sqrt(eta) s dW, dw = (z - w)/t dt."""
    return coefficients((w, z), [(z - w) / t, -G], sp.diag(0, eta * s**2))


def second_order() -> sp.Expr:
    """w'' = -(2/t) w' - f'(w)/t."""
    return -2 / t * sp.Symbol("velocity", real=True) - G / t


def decrease() -> sp.Expr:
    """dE/dt = -D(x*, y) - D(y, w) - beta (f'(y) - f'(w)) (z - w), three terms that are <= 0 for convex f, as
    y - w = (1 - beta) (z - w)."""
    y = POSITION
    return -gap(target, y) - gap(y, w) - beta * (gradient(y) - gradient(w)) * (z - w)


_statement = partial(unnumbered, PAPER, provenance="derived")

STATEMENTS = (
    _statement(
        "schedule-free SGD, SDE",
        sde(),
        in_averages,
        "no published limit was found; constant learning rate, gradient at y = (1 - beta) z + beta w",
    ),
    _statement(
        "primal averaging, second-order ODE",
        {"w''": second_order()},
        lambda: {"w''": primal_averaging()},
        "beta = 1, without noise: friction 2/t, and a force that falls like 1/t",
    ),
    _statement(
        "schedule-free SGD, decrease of the energy",
        {"dE/dt": decrease()},
        lambda: {"dE/dt": energy_change()},
        "E = t (f(w) - f(x*)) + (z - x*)^2/2 without noise, so f(w) - f(x*) <= (z_0 - x*)^2/(2 t) for convex f",
    ),
    _statement(
        "schedule-free SGD, largest learning rate on lamda x^2/2",
        {"eta": 2 / ((1 - beta) * lamda)},
        lambda: {"eta": threshold()},
        "late steps, where the average hardly moves; the threshold of Song et al. 2025, arXiv 2507.09846 (form "
        "recalled, its body was not read)",
        provenance="recalled",
    ),
)
