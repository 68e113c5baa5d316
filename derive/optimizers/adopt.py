"""ADOPT: the gradient is divided by the second moment of the steps before it."""

from sympy import Expr

from adasde.derive.language import Max, Min, decay, eta, first_step, g, k, m, sqrt, stabiliser, update_rule, v, x


def clipped(u: Expr, bound: Expr) -> Expr:
    """u kept within +-bound."""
    return Max(Min(u, bound), -bound)


@update_rule(states=(x, m, v), nonnegative=(v,), dialect="pytorch_optimizer", cite="taniguchi2024")
def adopt(beta1=decay(1, 0.9), beta2=decay(2, 0.9999), eps=stabiliser(1e-6)):
    """ADOPT: no step at first, then gradients clipped at k^(1/4); eps is a floor of the root."""
    u = clipped(g / Max(sqrt(v), eps), sqrt(sqrt(k)))
    m_next = first_step(m, beta1 * m + (1 - beta1) * u)
    return {x: first_step(x, x - eta * m_next), m: m_next, v: first_step(g**2, beta2 * v + (1 - beta2) * g**2)}


@update_rule(states=(x, m, v), nonnegative=(v,), dialect="optax", cite="taniguchi2024")
def adopt_optax(beta1=decay(1, 0.9), beta2=decay(2, 0.9999), eps=stabiliser(1e-6)):
    """ADOPT: the same with the clip at (k - 1)^(1/4)."""
    u = clipped(g / Max(sqrt(v), eps), sqrt(sqrt(k - 1)))
    m_next = first_step(m, beta1 * m + (1 - beta1) * u)
    return {x: first_step(x, x - eta * m_next), m: m_next, v: first_step(g**2, beta2 * v + (1 - beta2) * g**2)}


@update_rule(states=(x, m, v), nonnegative=(v,), dialect="paper", cite="taniguchi2024")
def adopt_unclipped(beta1=decay(1, 0.9), beta2=decay(2, 0.9999), eps=stabiliser(1e-6)):
    """ADOPT without its clip; eps is added to the root."""
    m_next = first_step(m, beta1 * m + (1 - beta1) * g / (sqrt(v) + eps))
    return {x: first_step(x, x - eta * m_next), m: m_next, v: first_step(g**2, beta2 * v + (1 - beta2) * g**2)}
