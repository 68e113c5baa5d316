"""Rules whose second moment sums or is scaled by itself: Adagrad and Adadelta."""

from adasde.derive.language import coupled_decay, decay, eta, g, sqrt, stabiliser, state, update_rule, v, x

squares = state("squares", like=x, meaning="average of the squared steps", nonnegative=True)


@update_rule(states=(x, v), nonnegative=(v,), dialect="torch", cite="duchi2011", lr=1e-2)
def adagrad(eps=stabiliser(1e-10), weight_decay=coupled_decay()):
    """Adagrad: the sum of all squared gradients; eps outside the root."""
    gradient = g + weight_decay * x
    v_next = v + gradient**2
    return {x: x - eta * gradient / (sqrt(v_next) + eps), v: v_next}


@update_rule(states=(x, v), nonnegative=(v,), dialect="optax", cite="duchi2011", initial={v: 0.1})
def adagrad_optax(eps=stabiliser(1e-7)):
    """Adagrad: the sum starts at 0.1; eps inside the root."""
    v_next = v + g**2
    return {x: x - eta * g / sqrt(v_next + eps), v: v_next}


@update_rule(states=(x, v), nonnegative=(v,), dialect="paper", cite="duchi2011")
def adagrad_continuous(eps=stabiliser(1e-10)):
    """Adagrad on its continuous clock: lr is the square of torch's, and v and eps are lr and sqrt(lr) times torch's."""
    v_next = v + eta * g**2
    return {x: x - eta * g / (sqrt(v_next) + eps), v: v_next}


@update_rule(states=(x, v, squares), nonnegative=(v, squares), dialect="torch", cite="zeiler2012", lr=1.0)
def adadelta(beta2=decay(2, 0.9, torch="rho"), eps=stabiliser(1e-6), weight_decay=coupled_decay()):
    """Adadelta: steps in units of past steps; eps inside both roots."""
    gradient = g + weight_decay * x
    v_next = beta2 * v + (1 - beta2) * gradient**2
    step = gradient * sqrt(squares + eps) / sqrt(v_next + eps)
    return {x: x - eta * step, v: v_next, squares: beta2 * squares + (1 - beta2) * step**2}
