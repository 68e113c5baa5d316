"""RMSprop."""

from sympy import sqrt

from adasde.derive.notation import eta, g, v, x
from adasde.derive.rule import decay, stabiliser, update_rule


@update_rule(states=(x, v), nonnegative=(v,), dialect="torch", cite="tieleman2012")
def rmsprop(beta2=decay(2, 0.99, torch="alpha"), eps=stabiliser()):
    """RMSprop: eps outside the root, no bias correction, v starts at zero."""
    v_next = beta2 * v + (1 - beta2) * g**2
    return {x: x - eta * g / (sqrt(v_next) + eps), v: v_next}


@update_rule(states=(x, v), nonnegative=(v,), dialect="optax", cite="tieleman2012")
def rmsprop_optax(beta2=decay(2, 0.9, torch="alpha"), eps=stabiliser()):
    """RMSprop: eps inside the root, a shorter memory."""
    v_next = beta2 * v + (1 - beta2) * g**2
    return {x: x - eta * g / sqrt(v_next + eps), v: v_next}
