"""Stochastic gradient descent."""

from adasde.derive.notation import eta, g, x
from adasde.derive.rule import update_rule


@update_rule(states=(x,), dialect="torch", cite="robbins1951")
def sgd():
    """SGD without momentum."""
    return {x: x - eta * g}
