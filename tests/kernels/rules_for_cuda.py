"""Rules that ask something of CUDA kernels: the names of their own arrays and counters, and numbers of every step."""

# ruff: noqa: B008

from adasde.derive.language import decay, eta, g, hyperparameter, k, m, state, update_rule, x

y = state("y", like=m, meaning="average of the gradient")
total = state("total", like=m, meaning="average of that")


@update_rule(states=(x, y, total), dialect="paper", cite="none")
def awkward(beta1=decay(1, 0.9), beta2=decay(2, 0.8), row=hyperparameter("row", 0.2, "[0, inf)")):
    """Two averages."""
    y_next = beta1 * y + (1 - beta1) * g
    total_next = beta2 * total + (1 - beta2) * g
    return {x: x - eta * (y_next + total_next + row * g), y: y_next, total: total_next}


@update_rule(states=(x,), dialect="paper", cite="none")
def scheduled(speed=hyperparameter("speed", 2.0, "[0, inf)")):
    """SGD whose learning rate falls like a root."""
    return {x: x - eta * (1 + speed * eta * k) ** (-1 / 2) * g}
