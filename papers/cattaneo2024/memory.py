"""Modified equations of rules whose averages forget in a few steps: decays that stay fixed as h -> 0, no noise.

Averages are fast states, which no expansion in h alone can follow. After a transient of a few steps they lie on a
slow manifold: an average a' = beta a + (1 - beta) q(theta) is a function of the position before the step,

    A(theta) = A0 + h A1 + ...,   A(theta + h F) = beta A(theta) + (1 - beta) q(theta),

which gives A0 = q and A1 = -(grad q) F0/(1 - beta). On it the step of the position is h (F0 + h F1), and its
modified equation is that of a rule without memory: `adasde.derive.generator`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import sympy as sp

from adasde.derive.generator import Chain, expand, root
from adasde.derive.laws import ANY
from adasde.derive.names import Named
from adasde.derive.notation import eta
from adasde.papers.parts import Parts, of_expansion

Positions = tuple[sp.Symbol, ...]


@dataclass(frozen=True)
class Average:
    """a' = decay a + (1 - decay) of; ``symbol`` is a' in the velocity of the positions."""

    symbol: sp.Symbol
    decay: sp.Expr
    of: sp.Expr


@dataclass(frozen=True)
class Rule:
    """theta' = theta + h velocity, one velocity per position, in the averages after their update."""

    positions: Positions
    averages: tuple[Average, ...]
    velocity: tuple[sp.Expr, ...]

    @property
    def forgetful(self) -> tuple[sp.Expr, ...]:
        """F0, the velocity with every average equal to what it averages."""
        values = {average.symbol: average.of for average in self.averages}
        return tuple(velocity.subs(values) for velocity in self.velocity)

    def delay(self, average: Average) -> sp.Expr:
        """The term of order h of a' on the slow manifold, decay A1, from the invariance of the manifold."""
        first = sp.Symbol("A1")
        moved = sum(sp.diff(average.of, y) * f for y, f in zip(self.positions, self.forgetful, strict=True))
        before = sp.solve(sp.Eq(first + moved, average.decay * first), first)[0]
        return average.decay * before

    @property
    def memory(self) -> tuple[sp.Expr, ...]:
        """F1: how far the averages lag behind, times the derivative of the velocity with respect to them."""
        values = {average.symbol: average.of for average in self.averages}
        delays = [(average.symbol, self.delay(average)) for average in self.averages]
        return tuple(
            sum((sp.diff(velocity, symbol).subs(values) * delay for symbol, delay in delays), sp.S.Zero)
            for velocity in self.velocity
        )


def modified_equation(rule: Rule, order: int = 2) -> Parts:
    """The flow that the positions follow to order h^order, with its (vanishing) noise."""
    roots = _roots(rule.forgetful)
    steps = [root**2 * first + root**4 * second for first, second in zip(rule.forgetful, rule.memory, strict=True)]
    changes = tuple(step.subs([(value, name) for name, value in roots]) for step in steps)
    chain = Chain("on the slow manifold", rule.positions, changes, noises=(), named=roots)
    return {part: value.subs(roots) for part, value in of_expansion(expand(chain, ANY), eta, order).items()}


def _roots(expressions: Sequence[sp.Expr]) -> Named:
    """Names for the square roots, with which all the rest is rational."""
    powers = set().union(*(expression.atoms(sp.Pow) for expression in expressions))
    bases = sorted({power.base for power in powers if power.exp.is_Rational and not power.exp.is_Integer}, key=str)
    return tuple((sp.Symbol(f"root{i + 1}", positive=True), sp.sqrt(base)) for i, base in enumerate(bases))
