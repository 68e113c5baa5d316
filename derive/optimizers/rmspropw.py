"""RMSprop with decoupled weight decay."""

from sympy import sqrt

from adasde.derive.notation import eta, g, v, x
from adasde.derive.rule import decay, stabiliser, update_rule, weight_decay


@update_rule(states=(x, v), nonnegative=(v,), dialect="paper", cite="compagnoni2025")
def rmspropw(beta2=decay(2, 0.99, torch="alpha"), eps=stabiliser(), theta=weight_decay()):
    """RMSpropW: RMSprop with decoupled weight decay, applied before the step as in torch's AdamW."""
    v_next = beta2 * v + (1 - beta2) * g**2
    return {x: (1 - eta * theta) * x - eta * g / (sqrt(v_next) + eps), v: v_next}
