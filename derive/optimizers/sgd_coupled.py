"""SGD with weight decay in the gradient."""

from adasde.derive.language import coupled_decay, eta, g, update_rule, x


@update_rule(states=(x,), dialect="torch", cite="robbins1951")
def sgd_coupled(weight_decay=coupled_decay(1e-2)):
    """SGD with coupled weight decay: L2 regularisation."""
    return {x: x - eta * (g + weight_decay * x)}
