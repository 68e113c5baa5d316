"""Clipped Adam with an average of its parameters. The paper sums gradients: m/sqrt(v) here is gamma times its ratio of
sums over lr, with gamma = lr sqrt((1 - beta)/(1 + beta)) and D = lr clip."""

from adasde.derive.averaging import average
from adasde.derive.language import (
    Max,
    Min,
    decay,
    eta,
    g,
    hyperparameter,
    k,
    m,
    own_noise,
    sqrt,
    stabiliser,
    update_rule,
    v,
    x,
)


@update_rule(states=(x, m, v, average), nonnegative=(v,), dialect="paper", cite="ahn2024")
def adam_clipped(
    beta1=decay(1, 0.99, large=False),
    clip=hyperparameter("clip", 1.0, "(0, inf)", "largest entry of a direction"),
    eps=stabiliser(1e-12),
):
    """Clipped Adam with an average: beta2 = beta1^2, no bias corrected, steps times Exp(1) (form recalled)."""
    m_next = beta1 * m + (1 - beta1) * g
    v_next = beta1**2 * v + (1 - beta1**2) * g**2
    direction = Max(-clip, Min(m_next / (sqrt(v_next) + eps), clip))
    moved = x - eta * own_noise("exponential") * direction
    return {x: moved, m: m_next, v: v_next, average: average + (1 - beta1) / (1 - beta1**k) * (moved - average)}
