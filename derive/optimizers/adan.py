"""Adan: Nesterov momentum from differences of gradients."""

from adasde.derive.language import (
    decay,
    eta,
    first_step,
    g,
    k,
    m,
    sqrt,
    stabiliser,
    state,
    update_rule,
    v,
    weight_decay,
    x,
)

difference = state("difference", like=m, meaning="average of the differences of successive gradients")
previous = state("previous", like=m, meaning="gradient of the step before")


@update_rule(states=(x, m, difference, v, previous), nonnegative=(v,), dialect="pytorch_optimizer", cite="xie2024")
def adan(
    beta1=decay(1, 0.98),
    beta2=decay(2, 0.92, large=True),
    beta3=decay(3, 0.99),
    eps=stabiliser(),
    theta=weight_decay(0.0),
):
    """Adan: three averages, and decoupled weight decay by a division after the step."""
    change = first_step(0, g - previous)
    m_next = beta1 * m + (1 - beta1) * g
    difference_next = beta2 * difference + (1 - beta2) * change
    v_next = beta3 * v + (1 - beta3) * (g + beta2 * change) ** 2
    ahead = m_next / (1 - beta1**k) + beta2 * difference_next / (1 - beta2**k)
    moved = x - eta * ahead / (sqrt(v_next / (1 - beta3**k)) + eps)
    return {x: moved / (1 + eta * theta), m: m_next, difference: difference_next, v: v_next, previous: g}


@update_rule(states=(x, m, difference, v, previous), nonnegative=(v,), dialect="optax", cite="xie2024")
def adan_optax(beta1=decay(1, 0.98), beta2=decay(2, 0.92, large=True), beta3=decay(3, 0.99), eps=stabiliser()):
    """Adan as optax 0.2.8 computes it: 1 - beta2 stands where the paper's rule has beta2; eps inside the root too."""
    change = first_step(0, g - previous)
    m_next = beta1 * m + (1 - beta1) * g
    difference_next = beta2 * difference + (1 - beta2) * change
    v_next = beta3 * v + (1 - beta3) * (g + (1 - beta2) * change) ** 2
    ahead = m_next / (1 - beta1**k) + (1 - beta2) * difference_next / (1 - beta2**k)
    size = sqrt(v_next / (1 - beta3**k) + eps) + eps
    return {x: x - eta * ahead / size, m: m_next, difference: difference_next, v: v_next, previous: g}
