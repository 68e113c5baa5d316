"""Adam."""

from sympy import sqrt

from adasde.derive.notation import eta, g, k, m, v, x
from adasde.derive.rule import coupled_decay, decay, stabiliser, update_rule


@update_rule(states=(x, m, v), nonnegative=(v,), dialect="torch", cite="kingma2015")
def adam(beta1=decay(1, 0.9), beta2=decay(2, 0.999), eps=stabiliser()):
    """Adam: both moments bias-corrected, eps after the correction."""
    m_next = beta1 * m + (1 - beta1) * g
    v_next = beta2 * v + (1 - beta2) * g**2
    m_hat = m_next / (1 - beta1**k)
    v_hat = v_next / (1 - beta2**k)
    return {x: x - eta * m_hat / (sqrt(v_hat) + eps), m: m_next, v: v_next}


@update_rule(states=(x, m, v), nonnegative=(v,), dialect="torch", cite="kingma2015")
def adam_coupled(beta1=decay(1, 0.9), beta2=decay(2, 0.999), eps=stabiliser(), weight_decay=coupled_decay(1e-2)):
    """Adam with coupled weight decay: the decay is averaged and rescaled like the gradient."""
    gradient = g + weight_decay * x
    m_next = beta1 * m + (1 - beta1) * gradient
    v_next = beta2 * v + (1 - beta2) * gradient**2
    m_hat = m_next / (1 - beta1**k)
    v_hat = v_next / (1 - beta2**k)
    return {x: x - eta * m_hat / (sqrt(v_hat) + eps), m: m_next, v: v_next}
