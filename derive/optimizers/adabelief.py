"""Adam with another second moment: AdaBelief and Yogi."""

from adasde.derive.language import decay, eta, g, hyperparameter, k, m, sign, sqrt, stabiliser, update_rule, v, x


@update_rule(states=(x, m, v), nonnegative=(v,), dialect="optax", cite="zhuang2020")
def adabelief(
    beta1=decay(1, 0.9),
    beta2=decay(2, 0.999),
    eps=stabiliser(1e-16),
    floor=hyperparameter("floor", 1e-13, "[0, inf)", "what eps_root accumulates to, eps_root/(1 - beta2)"),
):
    """AdaBelief: the second moment of the gradient around its average, with a floor of its own."""
    m_next = beta1 * m + (1 - beta1) * g
    v_next = beta2 * v + (1 - beta2) * ((g - m_next) ** 2 + floor)
    m_hat = m_next / (1 - beta1**k)
    v_hat = v_next / (1 - beta2**k)
    return {x: x - eta * m_hat / (sqrt(v_hat) + eps), m: m_next, v: v_next}


@update_rule(
    states=(x, m, v), nonnegative=(v,), dialect="optax", cite="zaheer2018", initial={m: 1e-6, v: 1e-6}, lr=1e-2
)
def yogi(beta1=decay(1, 0.9), beta2=decay(2, 0.999), eps=stabiliser(1e-3)):
    """Yogi: the second moment moves by the size of g^2 towards g^2; both moments start at 1e-6."""
    above = sign(sqrt(v) - g) * sign(sqrt(v) + g)
    m_next = beta1 * m + (1 - beta1) * g
    v_next = v - (1 - beta2) * above * g**2
    m_hat = m_next / (1 - beta1**k)
    v_hat = v_next / (1 - beta2**k)
    return {x: x - eta * m_hat / (sqrt(v_hat) + eps), m: m_next, v: v_next}
