"""phi' = phi + a h p(phi, theta), theta' = theta + l h q(phi, theta), with arbitrary p and q.

At the same time, both at (phi, theta), or in turns: theta' at the new phi.
"""

from __future__ import annotations

from functools import partial

import sympy as sp

from adasde.derive.generator import Chain, expand, root
from adasde.derive.laws import ANY
from adasde.derive.notation import eta, g, x
from adasde.derive.optimizers.sgd import sgd
from adasde.papers.parts import Parts, coefficients, of_expansion
from adasde.papers.statement import unnumbered

PAPER = "rosca2021"
phi, theta = PLAYERS = sp.symbols("phi theta", real=True)
a, l = sp.symbols("a l", positive=True)
p, q = (sp.Function(name, real=True)(*PLAYERS) for name in "pq")
"""The velocities of the two players, minus the gradients of their losses."""


def moved(player: sp.Symbol, rate: sp.Symbol, velocity: sp.Expr) -> sp.Expr:
    """The step of one player by the rule `sgd` with the learning rate rate h, h = root^2."""
    return (sgd.update[0] - x).subs({x: player, g: -velocity, eta: rate * root**2}, simultaneous=True)


def derived(in_turns: bool) -> Parts:
    """L0 + h L1 of one step of both."""
    first = moved(phi, a, p)
    seen = q + sp.diff(q, phi) * first if in_turns else q
    chain = Chain("two players", PLAYERS, (first, sp.expand(moved(theta, l, seen))), noises=())
    return of_expansion(expand(chain, ANY), eta, order=2)


def printed(in_turns: bool) -> Parts:
    """In units of each player's own rate: p - (h/2) (a p_phi p + l p_theta q), q - (h/2) (a q_phi p + l q_theta q); in
    turns the second has - a q_phi p in place of a q_phi p."""
    sign = -1 if in_turns else 1
    first = p - eta / 2 * (a * sp.diff(p, phi) * p + l * sp.diff(p, theta) * q)
    second = q - eta / 2 * (sign * a * sp.diff(q, phi) * p + l * sp.diff(q, theta) * q)
    return coefficients(PLAYERS, [a * first, l * second], sp.zeros(2, 2))


_statement = partial(unnumbered, PAPER)

STATEMENTS = (
    _statement(
        "two players at the same time",
        printed(in_turns=False),
        lambda: derived(in_turns=False),
        "arbitrary velocities, learning rates a h and l h",
    ),
    _statement(
        "two players in turns",
        printed(in_turns=True),
        lambda: derived(in_turns=True),
        "the second sees the first one's new position",
    ),
)
