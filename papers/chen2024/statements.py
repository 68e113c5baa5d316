"""The ODE of Lion-K, the decrease of its Lyapunov function, and the SDE of Lion."""

from __future__ import annotations

import sympy as sp

from adasde.derive.notation import m, x
from adasde.derive.scalings import slope
from adasde.papers.chen2024 import lion, shipped
from adasde.papers.chen2024.lion_k import (
    CONSTANT,
    KSlope,
    along_the_flow,
    alpha,
    decay,
    decrease,
    epsilon,
    flow,
    gamma,
    look_ahead,
    lyapunov,
    with_quadratic_k,
)
from adasde.papers.parts import Parts
from adasde.papers.statement import Statement

PAPER = "chen2024"
CHECKED, OURS = "recalled and checked", "derived"
stiffness = sp.Symbol("kappa", positive=True)


def ode() -> Parts:
    """dx/dt = K'(m - eps (alpha f' + gamma m)) - lambda x, dm/dt = -alpha f' - gamma m."""
    return {"drift of x": KSlope(look_ahead()) - decay * x, "drift of m": -alpha * slope - gamma * m}


def derived_ode() -> Parts:
    """The limit e -> 0 of the update."""
    return {f"drift of {y}": b for y, b in zip((x, m), flow().drift, strict=True)}


def squares() -> sp.Expr:
    """dH/dt for K(y) = kappa y^2/2: minus two squares with positive factors."""
    first = (stiffness * look_ahead() - decay * x) ** 2 / stiffness
    second = epsilon * stiffness * (alpha * slope + gamma * m) ** 2
    return -(decay + gamma) / (1 + epsilon * decay) * first - CONSTANT * second


STATEMENTS = (
    Statement(
        PAPER,
        "Lion-K, ODE",
        "",
        CHECKED,
        ode(),
        derived_ode,
        "agrees",
        "one position, arbitrary smooth K; with beta1 = 1 - eps gamma, 1 - beta2 = gamma e and the gradient of "
        "(alpha/gamma) f",
    ),
    Statement(
        PAPER,
        "Lion-K, decrease of the Lyapunov function",
        "",
        CHECKED,
        {"dH/dt": -decrease()},
        lambda: {"dH/dt": along_the_flow(lyapunov())},
        "agrees",
        "one position, arbitrary smooth K; both terms are >= 0 for convex K and eps gamma <= 1",
    ),
    Statement(
        PAPER,
        "Lion-K, decrease of the Lyapunov function for a quadratic K",
        "",
        CHECKED,
        {"dH/dt": squares()},
        lambda: {"dH/dt": with_quadratic_k(along_the_flow(lyapunov()), stiffness)},
        "agrees",
        "K = kappa y^2/2: minus a sum of squares",
    ),
    Statement(
        PAPER,
        "Lion, SDE",
        "",
        OURS,
        lion.printed(1),
        lambda: lion.derived(1),
        "agrees",
        "not in this paper, and in no other that was found",
    ),
    Statement(
        PAPER,
        "Lion, SDE of order 2",
        "",
        OURS,
        lion.printed(2),
        lambda: lion.derived(2),
        "agrees",
        "not in this paper, and in no other that was found",
    ),
    Statement(
        PAPER,
        "Lion, ODE of the shipped rule",
        "",
        CHECKED,
        shipped.ode(),
        shipped.flow,
        "agrees",
        "K = |.| and no noise; the m of the rule is -m of the paper",
    ),
    Statement(
        PAPER,
        "Lion, phase 1: approach of |x| <= 1/lambda",
        "",
        "recalled",
        {"slowest d(lambda x - 1)/dt": -decay * (decay * shipped.far - 1)},
        lambda: {"slowest d(lambda x - 1)/dt": shipped.phase_one()},
        "agrees",
        "the distance of lambda x from the interval falls at least like e^(-lambda t) (form recalled)",
    ),
    Statement(
        PAPER,
        "Lion, phase 2: decrease of the Lyapunov function",
        "",
        CHECKED,
        {"dH/dt": -shipped.decrease()},
        lambda: {"dH/dt": shipped.along_the_flow()},
        "agrees",
        "along the shipped rule's flow where |lambda x| <= 1, so that K* = 0; both terms are >= 0 for eps gamma <= 1",
    ),
)
