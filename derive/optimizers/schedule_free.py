"""Schedule-free rules: the position is where gradients are taken, y = (1 - beta1) z + beta1 (average of z)."""

from sympy import Expr, Symbol

from adasde.derive.language import (
    decay,
    eta,
    first_step,
    g,
    hyperparameter,
    k,
    sqrt,
    stabiliser,
    state,
    update_rule,
    v,
    x,
)

base = state("base", like=x, meaning="base iterate z of schedule-free rules")
SHARE = hyperparameter("beta1", 0.9, "[0, 1)", "share of the average in the position")


def averaged_position(beta1: Symbol, z: Expr, step: Expr) -> Expr:
    """y after z moved by -``step``, the average taking 1/k of it."""
    return x + (z - x) / k - step * (1 - beta1 * (1 - 1 / k))


@update_rule(states=(x, base), dialect="optax", cite="defazio2024", lr=1.0)
def schedule_free_sgd(beta1=SHARE):
    """Schedule-free SGD at a constant learning rate; the base starts at the position."""
    z = first_step(x, base)
    return {x: averaged_position(beta1, z, eta * g), base: z - eta * g}


@update_rule(states=(x, v, base), nonnegative=(v,), dialect="pytorch_optimizer", cite="defazio2024", lr=2.5e-3)
def schedule_free_adamw(
    beta1=SHARE,
    beta2=decay(2, 0.999),
    eps=stabiliser(),
    hidden=hyperparameter("hidden_eps", 1e-15, "[0, inf)", "what the package adds inside the root"),
):
    """Schedule-free AdamW without decay, at a constant learning rate: no first moment, v corrected for its bias."""
    z = first_step(x, base)
    v_next = beta2 * v + (1 - beta2) * g**2
    step = eta * g / (sqrt(v_next / (1 - beta2**k) + hidden) + eps)
    return {x: averaged_position(beta1, z, step), v: v_next, base: z - step}
