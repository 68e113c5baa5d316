"""Layer-wise steps: the length of a step follows the length of the parameters. All coordinates are one layer."""

from sympy import Expr, Piecewise

from adasde.derive.language import (
    Min,
    decay,
    eta,
    g,
    hyperparameter,
    k,
    m,
    norm,
    sqrt,
    stabiliser,
    update_rule,
    v,
    weight_decay,
    x,
)

MOMENTUM = hyperparameter("momentum", 0.9, "[0, 1)")
TRUST = hyperparameter("trust", 1e-3, "(0, inf)", "trust coefficient")


def trust_ratio(parameters: Expr, direction: Expr) -> Expr:
    """|x|/|u|, and 1 where either is 0."""
    ratio = norm(parameters) / norm(direction)
    return Piecewise((ratio, norm(parameters) * norm(direction) > 0), (1, True))


@update_rule(states=(x, m), dialect="optax", cite="you2017")
def lars(momentum=MOMENTUM, trust=TRUST, theta=weight_decay(0.0)):
    """LARS: momentum on lr |x|/|g| g, coupled decay, the learning rate inside the buffer."""
    decayed = g + theta * x
    m_next = momentum * m + eta * trust * trust_ratio(x, decayed) * decayed
    return {x: x - m_next, m: m_next}


@update_rule(states=(x, m, v), nonnegative=(v,), dialect="optax", cite="you2020")
def lamb(beta1=decay(1, 0.9), beta2=decay(2, 0.999), eps=stabiliser(1e-6), theta=weight_decay(0.0)):
    """LAMB: Adam's direction with decay, scaled to the length of the parameters."""
    m_next = beta1 * m + (1 - beta1) * g
    v_next = beta2 * v + (1 - beta2) * g**2
    direction = m_next / (1 - beta1**k) / (sqrt(v_next / (1 - beta2**k)) + eps) + theta * x
    return {x: x - eta * trust_ratio(x, direction) * direction, m: m_next, v: v_next}


@update_rule(states=(x, m), dialect="pytorch_optimizer", cite="you2017")
def lars_summed(momentum=MOMENTUM, trust=TRUST, theta=weight_decay(0.0)):
    """LARS with the ratio |x|/(|g| + theta |x|), coupled decay, the learning rate outside of the buffer."""
    size = norm(g) + theta * norm(x)
    ratio = Piecewise((trust * norm(x) / size, norm(x) * size > 0), (1, True))
    m_next = momentum * m + ratio * (g + theta * x)
    return {x: x - eta * m_next, m: m_next}


@update_rule(states=(x, m, v), nonnegative=(v,), dialect="pytorch_optimizer", cite="you2020")
def lamb_clamped(beta1=decay(1, 0.9), beta2=decay(2, 0.999), eps=stabiliser(1e-6), theta=weight_decay(0.0)):
    """LAMB with decay before the step, no bias corrected within the ratio, lengths above 10 count as 10."""
    m_next = beta1 * m + (1 - beta1) * g
    v_next = beta2 * v + (1 - beta2) * g**2
    decayed, direction = (1 - eta * theta) * x, m_next / (sqrt(v_next) + eps)
    length, size = Min(norm(decayed), 10), norm(direction)
    ratio = Piecewise((length / (size + eps), length * size > 0), (1, True))
    return {x: decayed - eta / (1 - beta1**k) * ratio * direction, m: m_next, v: v_next}
