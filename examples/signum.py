"""Signum: the sign of an averaged gradient (Bernstein et al. 2018). No noise of order one smooths this sign."""

from adasde.derive.language import decay, eta, g, m, sign, update_rule, x


@update_rule(states=(x, m), dialect="optax", cite="bernstein2018")
def signum(beta1=decay(1, 0.9)):
    """Signum with an averaged momentum."""
    m_next = beta1 * m + (1 - beta1) * g
    return {x: x - eta * sign(m_next), m: m_next}
