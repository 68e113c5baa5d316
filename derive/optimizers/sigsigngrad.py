"""Adam with friction from two successive gradients: sigSignGrad, tanhSignGrad and diffGrad."""

from adasde.derive.language import (
    Abs,
    decay,
    eta,
    exp,
    g,
    hyperparameter,
    k,
    m,
    sqrt,
    stabiliser,
    state,
    tanh,
    update_rule,
    v,
    x,
)

previous = state("previous", like=m, meaning="gradient of the step before")
STATES = (x, m, v, previous)


@update_rule(states=STATES, nonnegative=(v,), dialect="paper", cite="sigsign2024")
def sigsigngrad(
    beta1=decay(1, 0.9),
    beta2=decay(2, 0.999),
    eps=stabiliser(),
    slope=hyperparameter("slope", 1.0, "(0, inf)", "steepness of the friction, beta3 of the paper"),
):
    """sigSignGrad: Adam's step times the sigmoid of the product of two successive gradients."""
    friction = (1 + tanh(slope * previous * g / 2)) / 2
    m_next = beta1 * m + (1 - beta1) * g
    v_next = beta2 * v + (1 - beta2) * g**2
    step = m_next / (1 - beta1**k) / (sqrt(v_next / (1 - beta2**k)) + eps)
    return {x: x - eta * friction * step, m: m_next, v: v_next, previous: g}


@update_rule(states=STATES, nonnegative=(v,), dialect="paper", cite="sigsign2024")
def tanhsigngrad(
    beta1=decay(1, 0.9),
    beta2=decay(2, 0.999),
    eps=stabiliser(),
    slope=hyperparameter("slope", 1.0, "(0, inf)", "steepness of the friction, beta3 of the paper"),
):
    """tanhSignGrad: the same with 1 + tanh; it is sigSignGrad with twice the slope and twice the learning rate."""
    friction = 1 + tanh(slope * previous * g)
    m_next = beta1 * m + (1 - beta1) * g
    v_next = beta2 * v + (1 - beta2) * g**2
    step = m_next / (1 - beta1**k) / (sqrt(v_next / (1 - beta2**k)) + eps)
    return {x: x - eta * friction * step, m: m_next, v: v_next, previous: g}


@update_rule(states=STATES, nonnegative=(v,), dialect="pytorch_optimizer", cite="dubey2020")
def diffgrad(beta1=decay(1, 0.9), beta2=decay(2, 0.999), eps=stabiliser()):
    """diffGrad: friction from the size of the gradient's change; 1e-15 stands inside the root."""
    friction = 1 / (1 + exp(-Abs(previous - g)))
    m_next = beta1 * m + (1 - beta1) * g
    v_next = beta2 * v + (1 - beta2) * g**2
    size = (1 - beta1**k) / sqrt(1 - beta2**k) * (sqrt(v_next + 1e-15) + eps)
    return {x: x - eta * friction * m_next / size, m: m_next, v: v_next, previous: g}
