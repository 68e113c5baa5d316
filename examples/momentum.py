"""torch's SGD with momentum: the buffer sums gradients, and its first one is g (no dampening)."""

from adasde.derive.language import decay, eta, g, m, update_rule, x


@update_rule(states=(x, m), dialect="torch", cite="B. T. Polyak, Some methods of speeding up convergence, 1964")
def momentum(beta1=decay(1, 0.9, torch="momentum")):
    """SGD with momentum as in torch; its buffer relaxes within a step as lr vanishes, so it has no SDE of its own."""
    m_next = beta1 * m + g
    return {x: x - eta * m_next, m: m_next}
