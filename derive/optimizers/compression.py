"""Compressed gradients, unbiased or with error feedback."""

from sympy import Abs, Expr, Symbol, floor

from adasde.derive.language import (
    count,
    eta,
    g,
    hyperparameter,
    largest,
    norm,
    own_noise,
    sign,
    total,
    update_rule,
    workers,
    x,
)

e = Symbol("e", real=True)
"""What compression left out so far."""
SIZE = total(1)
"""d, the number of coordinates."""


def chance(probability: Expr) -> Expr:
    """1 with this probability, else 0."""
    return (1 + sign(own_noise("uniform") + 2 * probability - 1)) / 2


@update_rule(states=(x,), dialect="paper", cite="konecny2016")
def rand_k(kept=count("kept", 1)):
    """SGD with k coordinates chosen at random and scaled by d/k."""
    return {x: x - eta * SIZE / kept * g * largest(own_noise("uniform"), kept)}


@update_rule(states=(x,), dialect="paper", cite="konecny2016")
def sparsified_sgd(share=hyperparameter("share", 0.5, "(0, 1)", "probability that a coordinate is kept")):
    """SGD with every coordinate kept with probability q and scaled by 1/q: rand-k with independent coordinates."""
    return {x: x - eta / share * g * chance(share)}


@update_rule(states=(x,), dialect="paper", cite="alistarh2017")
def qsgd(levels=count("levels", 4)):
    """QSGD: |g_i|/|g| rounded at random to a multiple of 1/q, without bias (form recalled)."""
    place = Abs(g) * levels / (norm(g) + 1e-300)
    return {x: x - eta * norm(g) * sign(g) * (floor(place) + chance(place - floor(place))) / levels}


@update_rule(states=(x, e), dialect="paper", cite="karimireddy2019")
def ef_top_k(kept=count("kept", 1)):
    """Top-k with error feedback: the k largest entries of eta g + e are applied, the rest is kept in e."""
    proposed = eta * g + e
    applied = proposed * largest(Abs(proposed), kept)
    return {x: x - applied, e: proposed - applied}


@update_rule(states=(x, e), dialect="paper", cite="karimireddy2019")
def ef_signsgd():
    """Signs with error feedback: |p|_1/d sign(p) of p = eta g + e is applied, the rest is kept in e."""
    proposed = eta * g + e
    applied = total(Abs(proposed)) / SIZE * sign(proposed)
    return {x: x - applied, e: proposed - applied}


@update_rule(states=(x, e), dialect="paper", cite="karimireddy2019")
def ef_sto_sign(agents=count("agents", 5), bound=hyperparameter("bound", 1.0, "(0, inf)")):
    """Stochastic signs of n workers, averaged and compressed by the server with error feedback (form recalled)."""
    proposed = workers(sign(g + bound * own_noise("uniform")), agents) + e
    sent = total(Abs(proposed)) / SIZE * sign(proposed)
    return {x: x - eta * sent, e: proposed - sent}
