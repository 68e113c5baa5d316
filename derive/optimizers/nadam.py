"""NAdam: Adam with Nesterov's look-ahead, with and without a schedule of the momentum."""

from sympy import Rational

from adasde.derive.language import decay, eta, g, hyperparameter, k, m, sqrt, stabiliser, state, update_rule, v, x

product = state("product", like=x, meaning="product of all momenta so far", nonnegative=True)
BASE = Rational(96, 100)


@update_rule(
    states=(x, m, v, product), nonnegative=(v,), dialect="torch", cite="dozat2016", initial={product: 1.0}, lr=2e-3
)
def nadam(
    beta1=decay(1, 0.9),
    beta2=decay(2, 0.999),
    eps=stabiliser(),
    schedule=hyperparameter("momentum_decay", 4e-3, "[0, inf)", "speed of the momentum's schedule"),
):
    """NAdam: the momentum grows from beta1/2 to beta1, and its product takes the place of beta1^k."""
    now, after = (beta1 * (1 - BASE ** (schedule * step) / 2) for step in (k, k + 1))
    m_next = beta1 * m + (1 - beta1) * g
    v_next = beta2 * v + (1 - beta2) * g**2
    passed = product * now
    ahead = (1 - now) / (1 - passed) * g + after / (1 - passed * after) * m_next
    return {x: x - eta * ahead / (sqrt(v_next / (1 - beta2**k)) + eps), m: m_next, v: v_next, product: passed}


@update_rule(states=(x, m, v), nonnegative=(v,), dialect="optax", cite="dozat2016")
def nadam_optax(beta1=decay(1, 0.9), beta2=decay(2, 0.999), eps=stabiliser()):
    """NAdam without a schedule: Adam with the next step's momentum and this step's gradient."""
    m_next = beta1 * m + (1 - beta1) * g
    v_next = beta2 * v + (1 - beta2) * g**2
    ahead = beta1 * m_next / (1 - beta1 * beta1**k) + (1 - beta1) * g / (1 - beta1**k)
    return {x: x - eta * ahead / (sqrt(v_next / (1 - beta2**k)) + eps), m: m_next, v: v_next}
