"""Schedule-free SGD in the paper's letters: base z, its average w, and y = (1 - beta) z + beta w with the gradients.

The rule keeps y and z. w = (y - (1 - beta) z)/beta is linear in them, so that its SDE is theirs in other coordinates.
"""

from __future__ import annotations

import sympy as sp

from adasde.derive.branches import late
from adasde.derive.expansion import derive
from adasde.derive.notation import G, eta, g, k, t, x
from adasde.derive.optimizers.schedule_free import base, schedule_free_sgd
from adasde.papers.parts import Parts, coefficients

beta = next(h.symbol for h in schedule_free_sgd.hyperparameters if h.name == "beta1")
w, z, target = sp.symbols("w z x_star", real=True)
lamda = sp.Symbol("lamda", positive=True)
f = sp.Function("f", real=True)
POSITION = (1 - beta) * z + beta * w
"""y."""


def in_averages() -> Parts:
    """The SDE of the rule in w and z."""
    sde = derive(schedule_free_sgd).sde
    change = sp.Matrix([[1 / beta, -(1 - beta) / beta], [0, 1]])
    at = {x: POSITION, base: z}
    drift = (change * sde.full_drift).subs(at).applyfunc(sp.expand)
    covariance = (change * sde.full_covariance * change.T).subs(at)
    return coefficients((w, z), list(drift), covariance.applyfunc(sp.simplify))


def primal_averaging() -> sp.Expr:
    """w'' for beta = 1, where y = w, without noise: the derivative of w' along the flow, w' = velocity."""
    velocity = sp.Symbol("velocity", real=True)
    drift = {y: in_averages()[f"drift of {y}"].subs(beta, 1) for y in (w, z)}
    acceleration = sp.diff(drift[w], t) + sum(sp.diff(drift[w], y) * b for y, b in drift.items())
    return sp.expand(acceleration.subs(z, sp.solve(drift[w] - velocity, z)[0]))


def energy_change() -> sp.Expr:
    """dE/dt along the flow without noise, E = t (f(w) - f(x*)) + (z - x*)^2/2."""
    energy = t * (f(w) - f(target)) + (z - target) ** 2 / 2
    found = in_averages()
    drift = {y: found[f"drift of {y}"].subs(G, gradient(POSITION)) for y in (w, z)}
    return sp.diff(energy, t) + sum(sp.diff(energy, y) * b for y, b in drift.items())


def gradient(at: sp.Expr) -> sp.Expr:
    """f' at a point."""
    hidden = sp.Dummy("u", real=True)
    return sp.Subs(sp.diff(f(hidden), hidden), hidden, at).doit()


def gap(at: sp.Expr, seen_from: sp.Expr) -> sp.Expr:
    """D(at, from) = f(at) - f(from) - f'(from) (at - from), which is >= 0 for a convex f."""
    return f(at) - f(seen_from) - gradient(seen_from) * (at - seen_from)


def threshold() -> sp.Expr:
    """The learning rate at which an eigenvalue of a late step of the rule on lamda x^2/2 leaves the unit circle."""
    states = schedule_free_sgd.states
    updates = [late(update, "").subs(g, lamda * x).subs(k, sp.oo) for update in schedule_free_sgd.update]
    step = sp.Matrix(updates).jacobian(states)
    return sp.solve((step + sp.eye(2)).det(), eta)[0]
