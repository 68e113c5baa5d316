"""Adam with decoupled weight decay."""

from sympy import sqrt

from adasde.derive.notation import eta, g, k, m, v, x
from adasde.derive.rule import decay, stabiliser, update_rule, weight_decay


@update_rule(states=(x, m, v), nonnegative=(v,), dialect="torch", cite="loshchilov2019")
def adamw(beta1=decay(1, 0.9), beta2=decay(2, 0.999), eps=stabiliser(), theta=weight_decay()):
    """AdamW: Adam with decoupled weight decay, applied before the step."""
    m_next = beta1 * m + (1 - beta1) * g
    v_next = beta2 * v + (1 - beta2) * g**2
    m_hat = m_next / (1 - beta1**k)
    v_hat = v_next / (1 - beta2**k)
    return {x: (1 - eta * theta) * x - eta * m_hat / (sqrt(v_hat) + eps), m: m_next, v: v_next}
