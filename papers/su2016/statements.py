"""X'' + (3/t) X' + f'(X) = 0 and the decrease of t^2 (f - f*) + 2 |X + t X'/2 - x*|^2, in one position."""

from __future__ import annotations

from functools import cache, partial

import sympy as sp

from adasde.derive.expansion import derive
from adasde.derive.notation import G, eta, m, s, t, x
from adasde.derive.scalings import f, slope
from adasde.papers.parts import Parts, coefficients, of_sde
from adasde.papers.statement import unnumbered
from adasde.papers.su2016.rules import nesterov_fading

PAPER = "su2016"
X = sp.Function("X", real=True)(t)
target, lowest = sp.symbols("x_star f_star", real=True)


@cache
def sde() -> Parts:
    """The SDE of the rule with f'(x) for G."""
    return {part: value.subs(G, slope) for part, value in of_sde(derive(nesterov_fading).sde).items()}


def acceleration() -> sp.Expr:
    """X'' along the flow without noise: -m' with m = -X'."""
    drift = {y: sde()[f"drift of {y}"] for y in (x, m)}
    rate = sp.diff(drift[x], t) + sum(sp.diff(drift[x], y) * b for y, b in drift.items())
    velocity = sp.Symbol("velocity", real=True)
    return sp.expand(rate.subs(m, sp.solve(drift[x] - velocity, m)[0]))


def energy_change() -> sp.Expr:
    """dE/dt along the flow, E = t^2 (f - f*) + 2 (x + t x'/2 - x*)^2 with x' the drift of x."""
    drift = {y: sde()[f"drift of {y}"] for y in (x, m)}
    energy = t**2 * (f - lowest) + 2 * (x + t * drift[x] / 2 - target) ** 2
    return sp.diff(energy, t) + sum(sp.diff(energy, y) * b for y, b in drift.items())


_statement = partial(unnumbered, PAPER)

STATEMENTS = (
    _statement(
        "Nesterov's method, ODE",
        {"X''": -3 / t * sp.Symbol("velocity", real=True) - slope},
        lambda: {"X''": acceleration()},
        "momentum (k - 1)/(k + 2), from the rule; the term that looks ahead is of higher order (form recalled)",
    ),
    _statement(
        "Nesterov's method, decrease of the energy",
        {"dE/dt": 2 * t * (f - lowest) - 2 * t * slope * (x - target)},
        lambda: {"dE/dt": energy_change()},
        "-2 t times f* - f(x) - f'(x) (x* - x), which is >= 0 for convex f: f - f* falls like 1/t^2 (form recalled)",
    ),
    _statement(
        "Nesterov's method with gradient noise",
        coefficients((x, m), [-m, slope - 3 * m / t], sp.diag(0, eta * s**2)),
        sde,
        "the order-1 model of the same rule; eta is the root of the step",
        provenance="derived",
    ),
)
