"""Distributed SGD, with and without compression, as rules."""

from adasde.derive.language import count, eta, g, hyperparameter, update_rule, workers, x
from adasde.derive.optimizers.compression import chance

CITE = "compagnoni2025distributed"


@update_rule(states=(x,), dialect="paper", cite=CITE)
def dsgd(agents=count("agents", 5)):
    """Distributed SGD: the mean of n workers' gradients."""
    return {x: x - eta * workers(g, agents)}


@update_rule(states=(x,), dialect="paper", cite=CITE)
def dcsgd(agents=count("agents", 5), share=hyperparameter("share", 0.5, "(0, 1)", "probability to send a coordinate")):
    """Distributed SGD in which each of n workers sends every coordinate with probability q, scaled by 1/q."""
    return {x: x - eta * workers(g / share * chance(share), agents)}
