"""Heavy ball on the clock of its continuous limit (Li, Tai and E 2019): time step eta, learning rate eta^2.

torch's SGD(lr=eta**2, momentum=beta1) has the same positions; its buffer is m/eta.
"""

from adasde.derive.language import decay, eta, g, m, update_rule, x


@update_rule(states=(x, m), dialect="torch", cite="B. T. Polyak, Some methods of speeding up convergence, 1964")
def heavy_ball(beta1=decay(1, 0.9, torch="momentum", large=False)):
    """Heavy ball; --lr is the time step eta, the square root of torch's learning rate."""
    m_next = beta1 * m + eta * g
    return {x: x - eta * m_next, m: m_next}
