"""AdEMAMix: Adam with a second, slower average."""

from adasde.derive.language import decay, eta, g, hyperparameter, k, m, sqrt, stabiliser, state, update_rule, v, x

slow = state("slow", like=m, meaning="slow average of the gradient")


@update_rule(states=(x, m, v, slow), nonnegative=(v,), dialect="optax", cite="pagliardini2024")
def ademamix(
    beta1=decay(1, 0.9),
    beta2=decay(2, 0.999),
    beta3=decay(3, 0.9999, large=False),
    alpha=hyperparameter("alpha", 5.0, "[0, inf)", "weight of the slow average"),
    eps=stabiliser(),
):
    """AdEMAMix: the slow average is not corrected for its bias; no schedules of alpha and beta3."""
    m_next = beta1 * m + (1 - beta1) * g
    v_next = beta2 * v + (1 - beta2) * g**2
    slow_next = beta3 * slow + (1 - beta3) * g
    ahead = m_next / (1 - beta1**k) + alpha * slow_next
    return {x: x - eta * ahead / (sqrt(v_next / (1 - beta2**k)) + eps), m: m_next, v: v_next, slow: slow_next}
