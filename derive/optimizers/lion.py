"""Rules that move by the sign of a momentum."""

from adasde.derive.language import decay, eta, g, hyperparameter, m, sign, update_rule, weight_decay, x


@update_rule(states=(x, m), dialect="optax", cite="chen2023", lr=1e-4)
def lion(
    beta1=hyperparameter("beta1", 0.9, "[0, 1)", "share of the momentum"), beta2=decay(2, 0.99), theta=weight_decay(0.0)
):
    """Lion: the sign of an interpolation between momentum and gradient, with decoupled weight decay."""
    direction = sign(beta1 * m + (1 - beta1) * g)
    return {x: (1 - eta * theta) * x - eta * direction, m: beta2 * m + (1 - beta2) * g}


@update_rule(states=(x, m), dialect="optax", cite="bernstein2018")
def signum(beta1=decay(1, 0.9), theta=weight_decay(0.0)):
    """Signum: the sign of an averaged gradient, with decoupled weight decay."""
    m_next = beta1 * m + (1 - beta1) * g
    return {x: (1 - eta * theta) * x - eta * sign(m_next), m: m_next}


@update_rule(states=(x, m), dialect="pytorch_optimizer", cite="tiger2023")
def tiger(beta1=decay(1, 0.965), theta=weight_decay(0.01)):
    """Tiger: Signum with a longer memory and weight decay by default."""
    m_next = beta1 * m + (1 - beta1) * g
    return {x: (1 - eta * theta) * x - eta * sign(m_next), m: m_next}
