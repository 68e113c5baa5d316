"""N agents that average what they send: x' = x - (eta/N) sum_i h_i, with independent noise for each agent.

h_i is the agent's gradient (DSGD), its compression (DCSGD) or its sign (DSignSGD); the agents differ in their noise.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import sympy as sp

from adasde.derive.expectation import expectation
from adasde.derive.law import Law
from adasde.derive.laws import ANY
from adasde.derive.notation import G, Z, eta, x
from adasde.papers.parts import Parts, coefficients


@dataclass(frozen=True)
class Noise:
    """One independent noise variable and its law."""

    variable: sp.Symbol
    law: Law = ANY


@dataclass(frozen=True)
class Agent:
    """What one agent sends, as an expression in its noise variables."""

    sent: sp.Expr
    noises: tuple[Noise, ...]


def sends_gradient(i: int, law: Law = ANY, gradient: sp.Expr = G) -> Agent:
    """g_i = grad f + s_i Z_i."""
    variable = sp.Symbol(f"Z{i}", real=True)
    return Agent(gradient + scale(i) * variable, (Noise(variable, law),))


def sends_sign(i: int, law: Law) -> Agent:
    """sign(g_i)."""
    agent = sends_gradient(i, law)
    return Agent(sp.sign(agent.sent), agent.noises)


def sends_compressed(i: int, omega: sp.Expr, gradient: sp.Expr = G) -> Agent:
    """C(g_i) = g_i (1 + sqrt(omega) R_i): every unbiased C with E|C(z) - z|^2 = omega z^2 has these two moments."""
    agent = sends_gradient(i, gradient=gradient)
    error = sp.Symbol(f"R{i}", real=True)
    return Agent(agent.sent * (1 + sp.sqrt(omega) * error), (*agent.noises, Noise(error)))


def scale(i: int) -> sp.Symbol:
    """s_i, the noise scale of agent i."""
    return sp.Symbol(f"s{i}", positive=True)


def mean(expression: sp.Expr, agents: Sequence[Agent]) -> sp.Expr:
    """E over the independent noises of all agents, one after the other."""
    for noise in (noise for agent in agents for noise in agent.noises):
        expression = expectation(expression.subs(noise.variable, Z), noise.law)
    return expression


def step(agents: Sequence[Agent]) -> sp.Expr:
    """h = (1/N) sum_i h_i, x' = x - eta h."""
    return sum(agent.sent for agent in agents) / len(agents)


def model(agents: Sequence[Agent]) -> Parts:
    """The order-1 SDE: drift -E h and covariance eta Var h."""
    h = step(agents)
    first = mean(h, agents)
    return coefficients((x,), [-first], eta * sp.Matrix([mean(h**2, agents) - first**2]))
