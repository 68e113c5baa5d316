"""The shipped rule `lion`, which is Lion-K with K = |.|: its ODE, and the two phases of its Lyapunov analysis.

K* is 0 where |lambda x| <= 1 and infinite elsewhere. Phase 1 brings lambda x into that interval; phase 2 decreases H.
"""

from __future__ import annotations

import sympy as sp

from adasde.derive.notation import eta, g, m, theta, x
from adasde.derive.optimizers.lion import lion
from adasde.derive.scalings import f, slope
from adasde.papers.chen2024.lion_k import CONSTANT, alpha, decay, epsilon, gamma, look_ahead
from adasde.papers.parts import Parts

far = sp.Symbol("x", positive=True)


def flow() -> Parts:
    """The limit eta -> 0 of the rule without noise, with beta1 = 1 - eps gamma, 1 - beta2 = eta gamma, theta = lambda
    and the gradient of (alpha/gamma) f."""
    beta1, beta2 = (next(h.symbol for h in lion.hyperparameters if h.name == name) for name in ("beta1", "beta2"))
    at = {g: alpha / gamma * slope, beta1: 1 - epsilon * gamma, beta2: 1 - eta * gamma, theta: decay}
    velocities = [sp.expand((update - y).subs(at) / eta) for y, update in zip(lion.states, lion.update, strict=True)]
    return {f"drift of {y}": v.subs(eta, 0) for y, v in zip(lion.states, velocities, strict=True)}


def ode() -> Parts:
    """dx/dt = sign(m - eps (alpha f' + gamma m)) - lambda x, dm/dt = -alpha f' - gamma m; the rule's m is -m here."""
    mirrored = look_ahead().subs(m, -m)
    return {"drift of x": sp.sign(mirrored) - decay * x, "drift of m": alpha * slope - gamma * m}


def phase_one() -> sp.Expr:
    """The slowest d(lambda x - 1)/dt outside of the interval at x > 0: all signs tried."""
    drift = flow()["drift of x"].subs(x, far)
    found = [decay * drift.replace(sp.sign, lambda _, value=value: sp.Integer(value)) for value in (-1, 0, 1)]
    return max(found, key=lambda change: change.subs({decay: 1, far: 2}))


def lyapunov() -> sp.Expr:
    """H = alpha f + (1 - eps gamma)/(1 + eps lambda) (|m| - lambda m x) inside of the interval."""
    return alpha * f + CONSTANT * (sp.Abs(m) - decay * m * x)


def along_the_flow() -> sp.Expr:
    """dH/dt along the flow of the rule, whose m has the other sign."""
    mirrored = lyapunov().subs(m, -m)
    return sum(flow()[f"drift of {y}"] * sp.diff(mirrored, y) for y in (x, m))


def decrease() -> sp.Expr:
    """-dH/dt = (lambda + gamma)/(1 + eps lambda) (sign n - lambda x) n + (1 - eps gamma)/(1 + eps lambda)
    (sign n - sign m) (n - m)/eps, n the argument of the sign: both >= 0 where |lambda x| <= 1; the rule's m is -m."""
    n = look_ahead()
    first = (sp.sign(n) - decay * x) * n
    second = (sp.sign(n) - sp.sign(m)) * (n - m) / epsilon
    return ((decay + gamma) / (1 + epsilon * decay) * first + CONSTANT * second).subs(m, -m)
