"""Rules with a running maximum: Adamax and AMSGrad."""

from adasde.derive.language import Abs, Max, decay, eta, g, k, m, sqrt, stabiliser, state, update_rule, v, x

peak = state("peak", like=m, meaning="running maximum of the gradient's size", nonnegative=True)
top = state("top", like=v, meaning="largest second moment so far")


@update_rule(states=(x, m, peak), nonnegative=(peak,), dialect="torch", cite="kingma2015", lr=2e-3)
def adamax(beta1=decay(1, 0.9), beta2=decay(2, 0.999), eps=stabiliser()):
    """Adamax: a decaying maximum in place of the second moment; eps inside the maximum."""
    m_next = beta1 * m + (1 - beta1) * g
    peak_next = Max(beta2 * peak, Abs(g) + eps)
    return {x: x - eta * m_next / ((1 - beta1**k) * peak_next), m: m_next, peak: peak_next}


@update_rule(states=(x, m, v, top), nonnegative=(v, top), dialect="torch", cite="reddi2018")
def amsgrad(beta1=decay(1, 0.9), beta2=decay(2, 0.999), eps=stabiliser()):
    """AMSGrad: Adam with the largest second moment so far, corrected for its bias after the maximum."""
    m_next = beta1 * m + (1 - beta1) * g
    v_next = beta2 * v + (1 - beta2) * g**2
    top_next = Max(top, v_next)
    m_hat = m_next / (1 - beta1**k)
    return {x: x - eta * m_hat / (sqrt(top_next / (1 - beta2**k)) + eps), m: m_next, v: v_next, top: top_next}


@update_rule(states=(x, m, v, top), nonnegative=(v, top), dialect="optax", cite="reddi2018")
def amsgrad_optax(beta1=decay(1, 0.9), beta2=decay(2, 0.999), eps=stabiliser()):
    """AMSGrad: Adam with the largest bias-corrected second moment so far."""
    m_next = beta1 * m + (1 - beta1) * g
    v_next = beta2 * v + (1 - beta2) * g**2
    top_next = Max(top, v_next / (1 - beta2**k))
    m_hat = m_next / (1 - beta1**k)
    return {x: x - eta * m_hat / (sqrt(top_next) + eps), m: m_next, v: v_next, top: top_next}
