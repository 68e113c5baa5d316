"""E f on f = L x^2/2 for distributed SGD with unbiased compression: its rate of decay and its level at infinity."""

from __future__ import annotations

import sympy as sp

from adasde.derive.notation import eta, s, x
from adasde.papers.compagnoni2025distributed.agents import Agent, mean, model, scale, sends_compressed, step
from adasde.papers.parts import Parts

AGENTS = 2
L, omega = sp.symbols("L omega", positive=True)


def team(size: int = AGENTS) -> list[Agent]:
    """Agents with the same noise scale s on f = L x^2/2, all compressing with omega."""
    agents = [sends_compressed(i, omega, L * x) for i in range(1, size + 1)]
    return [Agent(agent.sent.subs(scale(i), s), agent.noises) for i, agent in enumerate(agents, 1)]


def printed(size: int = AGENTS, curvature: sp.Expr = L) -> Parts:
    """E f - f* <= (f0 - f*) e^(-2 mu Delta t) + (1 - e^(-2 mu Delta t)) eta L d s^2 (omega + 1)/(4 mu N Delta) with
    Delta = 1 - eta L^2 omega/(2 mu N), here for d = 1 and mu = L."""
    delta = 1 - eta * L**2 * omega / (2 * curvature * size)
    level = eta * L * s**2 * (omega + 1) / (4 * curvature * size * delta)
    return {"rate of E f": 2 * curvature * delta, "level of E f": level}


def of_sde(size: int = AGENTS) -> Parts:
    """From d E f/dt = E[b f' + a f''/2], a polynomial in x of degree two: level - rate for E f."""
    parts = model(team(size))
    change = sp.expand(parts["drift of x"] * L * x + parts["variance of x"] * L / 2)
    rate = -change.coeff(x, 2) / (L / 2)
    return {"rate of E f": rate, "level of E f": change.coeff(x, 0) / rate}


def of_algorithm(size: int = AGENTS) -> Parts:
    """The same from one step: (E f(x') - f(x))/eta."""
    agents = team(size)
    change = sp.expand(mean(sp.expand(L * ((x - eta * step(agents)) ** 2 - x**2) / (2 * eta)), agents))
    rate = -change.coeff(x, 2) / (L / 2)
    return {"rate of E f": rate, "level of E f": change.coeff(x, 0) / rate}
