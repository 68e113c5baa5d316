"""m steps x' = x - e C_k'(x), one with each of m minibatches in a random order, against the flow of a modified loss.

With T = m e the time of one epoch the mean change of x is T b + (T^2/2) b' b + O(T^3) for the flow dx/dt = b.
"""

from __future__ import annotations

import itertools
from functools import cache, partial

import sympy as sp

from adasde.derive.notation import eta, g, x
from adasde.derive.optimizers.sgd import sgd
from adasde.papers.parts import Parts
from adasde.papers.statement import unnumbered

PAPER = "smith2021"
MINIBATCHES = 3
LOSSES = [sp.Function(f"C{k}", real=True)(x) for k in range(1, MINIBATCHES + 1)]
MEAN = sum(LOSSES) / MINIBATCHES


@cache
def change_of_epoch() -> sp.Expr:
    """Mean of x_m - x over all orders, to the order eta^2: by Taylor, -eta sum C_k' + eta^2 sum_(j < k) C_k'' C_j'."""
    orders = list(itertools.permutations(LOSSES))
    return sp.expand(sum(map(_epoch, orders)) / len(orders))


def _epoch(order: tuple[sp.Expr, ...]) -> sp.Expr:
    moved = sp.S.Zero
    for loss in order:
        slope = sp.diff(loss, x) + sp.diff(loss, x, 2) * moved
        moved = sp.expand(moved + (sgd.update[0] - x).subs(g, slope))
        moved = sum(moved.coeff(eta, n) * eta**n for n in (1, 2))
    return moved


def change_by_flow(loss: sp.Expr) -> Parts:
    """The same of dx/dt = -loss' over the time m eta, by powers of eta."""
    velocity, time = -sp.diff(loss, x), MINIBATCHES * eta
    return by_power(time * velocity + time**2 / 2 * sp.diff(velocity, x) * velocity)


def by_power(change: sp.Expr) -> Parts:
    """Its coefficients of eta and eta^2."""
    expanded = sp.expand(change.doit())
    return {f"mean change in an epoch, eta^{n}": expanded.coeff(eta, n) for n in (1, 2)}


def modified() -> sp.Expr:
    """C + (eta/4) C'^2 + (eta/(4 m)) sum (C_k' - C')^2, which is C + (eta/(4 m)) sum C_k'^2."""
    slope = sp.diff(MEAN, x)
    spread = sum((sp.diff(loss, x) - slope) ** 2 for loss in LOSSES) / MINIBATCHES
    return MEAN + eta / 4 * (slope**2 + spread)


def of_gradient_descent() -> sp.Expr:
    """C + (eta/4) C'^2, the modified loss without the spread of the minibatches."""
    return MEAN + eta / 4 * sp.diff(MEAN, x) ** 2


_statement = partial(unnumbered, PAPER)

STATEMENTS = (
    _statement(
        "SGD with random shuffling, modified loss",
        change_by_flow(modified()),
        lambda: by_power(change_of_epoch()),
        "one position, three minibatches with arbitrary losses, mean over their six orders",
    ),
    _statement(
        "SGD with random shuffling against the flow of gradient descent",
        change_by_flow(of_gradient_descent()),
        lambda: by_power(change_of_epoch()),
        "why the spread of the minibatches' gradients is penalised: without it the term in eta^2 is wrong",
        "differs",
        provenance="derived",
    ),
)
