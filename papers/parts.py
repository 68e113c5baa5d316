"""The parts of an SDE or of an expansion by the names that statements use."""

from __future__ import annotations

from collections.abc import Sequence

import sympy as sp

from adasde.derive.generator import Expansion, derivative_name
from adasde.derive.model import SDE
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


def of_expansion(expansion: Expansion, tau: sp.Expr, order: int = 1, without: Sequence[sp.Symbol] = ()) -> Parts:
    """The model of weak order 1 (L0) or 2 (L0 + tau L1) as its drift and covariance, time and ``without`` left out.

    For order 2, what L1 has of order three and above, which no SDE has, is there as parts ``tau d_x^2 d_v``, ....
    """
    operator = expansion.leading if order == 1 else expansion.leading + tau * expansion.correction
    shown = [i for i, y in enumerate(operator.states) if str(y) != "t" and y not in without]
    states = [operator.states[i] for i in shown]
    drift, covariance = operator.drift, operator.covariance
    parts = coefficients(states, [drift[i] for i in shown], covariance.extract(shown, shown))
    higher = operator.of_order(3).terms
    return parts | {f"coefficient of {derivative_name(operator.states, a)}": c for a, c in higher.items()}
