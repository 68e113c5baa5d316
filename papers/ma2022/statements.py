"""The limits eta -> 0 of full-batch Adam: smoothed sign flow, sign flow, and the ODE with its averages."""

from __future__ import annotations

from collections.abc import Callable

import sympy as sp

from adasde.derive.expansion import derive
from adasde.derive.noise import Gaussian
from adasde.derive.notation import G, eps, eta, g, k, m, rho1, rho2, s, v, x
from adasde.derive.optimizers import registry
from adasde.papers.claim import gamma1, gamma2
from adasde.papers.parts import Parts, of_sde
from adasde.papers.statement import Statement

PAPER = "ma2022"


def at_fixed_decays(name: str) -> Parts:
    """The velocity of the position once bias corrections are 1 and every average is at its fixed point for g = G."""
    rule = registry()[name]
    settled = {h.symbol**k: sp.S.Zero for h in rule.hyperparameters if h.rate is not None}
    position, *averages = (update.subs(settled).subs(g, G) for update in rule.update)
    states = rule.states[1:]
    fixed = sp.solve([a - y for a, y in zip(averages, states, strict=True)], states, dict=True)[0]
    return {"drift of x": sp.simplify((position.subs(fixed) - x) / eta)}


def without_noise() -> Parts:
    """The drift of Adam's order-1 model, beta_i = 1 - eta rho_i, with s = 0."""
    parts = of_sde(derive(registry()["adam"], Gaussian()).sde)
    return {part: value.subs(s, 0) for part, value in parts.items() if part.startswith("drift")}


def smoothed_sign_flow() -> Parts:
    """dx/dt = -f'/(|f'| + eps)."""
    return {"drift of x": -G / (sp.Abs(G) + eps)}


def with_averages() -> Parts:
    """dx/dt = -(m/gamma1)/(sqrt(v/gamma2) + eps), dm/dt = rho1 (f' - m), dv/dt = rho2 (f'^2 - v),
    gamma_i = 1 - e^(-rho_i t)."""
    return {
        "drift of x": -m / gamma1 / (sp.sqrt(v / gamma2) + eps),
        "drift of m": rho1 * (G - m),
        "drift of v": rho2 * (G**2 - v),
    }


def _statement(
    name: str, printed: Parts, derived: Callable[[], Parts], remark: str, small: sp.Symbol | None = None
) -> Statement:
    expected = "agrees" if small is None else "agrees to leading order"
    return Statement(PAPER, name, "", "recalled and checked", printed, derived, expected, remark, small)


_SETTLED = "decays fixed, eta -> 0, after a transient of a few steps"

STATEMENTS = (
    _statement("Adam, smoothed sign flow", smoothed_sign_flow(), lambda: at_fixed_decays("adam"), _SETTLED),
    _statement("RMSprop, smoothed sign flow", smoothed_sign_flow(), lambda: at_fixed_decays("rmsprop"), _SETTLED),
    _statement(
        "Adam, sign flow",
        {"drift of x": -sp.sign(G)},
        lambda: at_fixed_decays("adam"),
        "where |f'| is far above eps",
        small=eps,
    ),
    _statement(
        "Adam, ODE with averages",
        with_averages(),
        without_noise,
        "the derivation keeps eta rho1 (f' - m) in the numerator, the look-ahead of the updated first moment",
        small=eta,
    ),
)
