"""Admeta: a backward-looking average of gradients and a forward-looking lookahead every sixth step."""

from sympy import Expr, Symbol

from adasde.derive.language import (
    decay,
    early,
    eta,
    every,
    first_step,
    g,
    hyperparameter,
    k,
    m,
    sqrt,
    stabiliser,
    state,
    update_rule,
    v,
    x,
)
from adasde.derive.optimizers.radam import lengths, rectification

accumulated = state("accumulated", like=m, meaning="sum of past gradients, decaying by lam")
anchor = state("anchor", like=x, meaning="slow weights of the lookahead")
EVERY, SPEED = 6, 0.8


def looked_ahead(moved: Expr, slow: Expr) -> tuple[Expr, Expr]:
    """(x, anchor) after a step to ``moved``: every sixth step both go SPEED of the way from the anchor."""
    ahead = slow + SPEED * (moved - slow)
    return every(EVERY, ahead, moved), every(EVERY, ahead, slow)


def backward(lam: Symbol) -> tuple[Expr, Expr]:
    """(kappa, mu) of h = kappa g + mu I."""
    return 10 / lam - 9, 25 - 10 * (lam + 1 / lam)


@update_rule(states=(x, m, accumulated, anchor), dialect="paper", cite="chen2023admeta", lr=0.05)
def admeta_s(beta1=decay(1, 0.2), lam=hyperparameter("lam", 0.9, "(0, 1)", "decay of the accumulated gradient")):
    """AdmetaS: momentum over kappa g + mu I, then a lookahead at its late speed of 0.8."""
    kappa, mu = backward(lam)
    summed = lam * accumulated + g
    m_next = beta1 * m + (1 - beta1) * (kappa * g + mu * summed)
    moved, held = looked_ahead(x - eta * m_next, first_step(x, anchor))
    return {x: moved, m: m_next, accumulated: summed, anchor: held}


@update_rule(states=(x, m, v, accumulated, anchor), nonnegative=(v,), dialect="paper", cite="chen2023admeta")
def admeta_r(
    beta1=decay(1, 0.9),
    beta2=decay(2, 0.999),
    eps=stabiliser(),
    lam=hyperparameter("lam", 0.2, "(0, 1)", "decay of the accumulated gradient"),
):
    """AdmetaR: RAdam over kappa g + mu I, then a lookahead at its late speed of 0.8."""
    kappa, mu = backward(lam)
    summed = lam * accumulated + g
    h = kappa * g + mu * summed
    m_next, v_all = beta1 * m + (1 - beta1) * h, beta2 * v + (1 - beta2) * h**2
    plain = lengths(beta2)[0] <= 4 * (1 - beta2)
    v_next, rectified = early(plain, v, v_all), sqrt(rectification(beta2)) / (sqrt(v_all / (1 - beta2**k)) + eps)
    step = m_next / (1 - beta1**k) * early(plain, 1, rectified)
    moved, held = looked_ahead(x - eta * step, first_step(x, anchor))
    return {x: moved, m: m_next, v: v_next, accumulated: summed, anchor: held}
