"""Heavy ball and averaged momentum at a fixed beta, from the rules `momentum` and `ema_momentum` without noise."""

from __future__ import annotations

from functools import partial

import sympy as sp

from adasde.derive.branches import late
from adasde.derive.notation import beta1, eta, g, m, x
from adasde.derive.optimizers.momentum import ema_momentum, momentum
from adasde.derive.rule import UpdateRule
from adasde.papers.cattaneo2024.memory import Average, Positions, Rule, modified_equation
from adasde.papers.cattaneo2024.statements import slopes, y
from adasde.papers.parts import Parts, coefficients
from adasde.papers.statement import unnumbered

PAPER = "kovachki2021"


def on_slow_manifold(rule: UpdateRule, positions: Positions) -> Rule:
    """A rule with one buffer m' = beta m + (1 - beta) q, as velocities in the buffer after its update."""
    plain = {h.symbol: 0 for h in rule.hyperparameters if h.name in ("dampening", "weight_decay")}
    move, buffer = (late(update, rule.name).subs(plain) for update in rule.update)
    averages, velocities = [], []
    for position, gradient in zip(positions, slopes(positions), strict=True):
        after = sp.Symbol(f"m_{position}", real=True)
        averaged = sp.cancel(buffer.subs(m, 0) / (1 - beta1))
        before = (after - (1 - beta1) * averaged) / beta1
        averages.append(Average(after, beta1, averaged.subs(g, gradient)))
        velocities.append(sp.cancel(((move - x) / eta).subs(m, before)))
    return Rule(positions, tuple(averages), tuple(velocities))


def derived(rule: UpdateRule, positions: Positions, order: int) -> Parts:
    """The flow of the positions to the order of the learning rate."""
    return modified_equation(on_slow_manifold(rule, positions), order)


def printed(gain: sp.Expr, positions: Positions, order: int) -> Parts:
    """-gain grad(f + (h gain/4) (1 + beta)/(1 - beta) |grad f|^2), gain = 1/(1 - beta) for sums, 1 for averages."""
    energy = sp.Function("E", real=True)(*positions)
    if order == 2:
        square = sum(slope**2 for slope in slopes(positions))
        energy += eta * gain / 4 * (1 + beta1) / (1 - beta1) * square
    drift = [-gain * sp.diff(energy, position) for position in positions]
    return coefficients(positions, drift, sp.zeros(len(positions), len(positions)))


_statement = partial(unnumbered, PAPER)
SUM = 1 / (1 - beta1)
_FORM = "h (1 + beta)/(4 (1 - beta)^2) |grad f|^2"

STATEMENTS = (
    _statement(
        "heavy ball, gradient flow",
        printed(SUM, (x,), 1),
        lambda: derived(momentum, (x,), 1),
        "at the rate h/(1 - beta), after a transient",
    ),
    _statement(
        "heavy ball, modified loss, one position", printed(SUM, (x,), 2), lambda: derived(momentum, (x,), 2), _FORM
    ),
    _statement(
        "heavy ball, modified loss, two positions", printed(SUM, (x, y), 2), lambda: derived(momentum, (x, y), 2), _FORM
    ),
    _statement(
        "averaged momentum, modified loss",
        printed(sp.S.One, (x,), 2),
        lambda: derived(ema_momentum, (x,), 2),
        "h (1 + beta)/(4 (1 - beta)) |grad f|^2",
    ),
)
