"""The parts of an SDE or of an expansion by the names that statements use."""

from __future__ import annotations

from collections.abc import Sequence

import sympy as sp

from adasde.derive.generator import Expansion, derivative_name
from adasde.derive.model import SDE
from adasde.derive.names import Named
from adasde.derive.notation import t
from adasde.papers.claim import BIAS

Parts = dict[str, sp.Expr]


def coefficients(states: Sequence[sp.Symbol], drift: Sequence[sp.Expr], covariance: sp.Matrix) -> Parts:
    """``drift of x``, ``variance of x``, ``covariance of x and m``, ...: the covariance is that of dY per dt."""
    parts = {f"drift of {y}": b for y, b in zip(states, drift, strict=True)}
    for i, y in enumerate(states):
        parts[f"variance of {y}"] = covariance[i, i]
        for j in range(i):
            parts[f"covariance of {states[j]} and {y}"] = covariance[j, i]
    return parts


def noise(states: Sequence[sp.Symbol], drift: Sequence[sp.Expr], diffusion: sp.Matrix) -> Parts:
    """The same, from the diffusion matrix as papers print it; columns are independent Brownian motions."""
    return coefficients(states, drift, diffusion * diffusion.T)


def of_sde(sde: SDE) -> Parts:
    """The parts with all names written out but for the bias factors gamma1, gamma2 in their usual meaning."""
    kept = frozenset(name for name, value in sde.named if (name, value) in BIAS)
    drift = [sde.expand_names(b, kept) for b in sde.drift]
    return coefficients(sde.states, drift, sde.covariance.applyfunc(lambda c: sde.expand_names(c, kept)))


def of_expansion(expansion: Expansion, tau: sp.Expr, order: int = 1) -> Parts:
    """The model of weak order 1 or 2, in units of time tau a step, without the time among the states.

    Order 1 is L0, with the covariance of one step also where that is O(tau); order 2 is L0 + tau L1, and what L1 has
    of order three and above, which no SDE has, are its parts ``coefficient of d_x^2 d_v``, ....
    """
    noisy = not expansion.leading.covariance.is_zero_matrix
    both = expansion.leading if order == 1 and noisy else expansion.leading.plus(tau, expansion.correction)
    operator = expansion.leading if order == 1 else both
    shown = [i for i, y in enumerate(operator.states) if y != t]
    states = [operator.states[i] for i in shown]
    covariance = (operator if noisy else both).covariance.extract(shown, shown)
    parts = coefficients(states, [operator.drift[i] for i in shown], covariance)
    higher = operator.of_order(3).terms
    return parts | {f"coefficient of {derivative_name(operator.states, a)}": c for a, c in higher.items()}


def written_out(parts: Parts, named: Named, kept: Sequence[sp.Symbol] = ()) -> Parts:
    """The parts with the named sub-expressions written out but for those in ``kept``."""
    for name, value in reversed([(name, value) for name, value in named if name not in kept]):
        parts = {part: expression.subs(name, value) for part, expression in parts.items()}
    return parts


def to_first_order(parts: Parts, tau: sp.Symbol) -> Parts:
    """The parts without powers of tau above the first: what a model of weak order two determines."""
    return {part: sum(sp.diff(c, tau, n).subs(tau, 0) * tau**n for n in range(2)) for part, c in parts.items()}
