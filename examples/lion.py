"""Lion: the sign of an interpolation between momentum and gradient (Chen et al. 2023, arXiv 2302.06675)."""

from adasde.derive.language import decay, eta, g, hyperparameter, m, sign, update_rule, weight_decay, x


@update_rule(states=(x, m), dialect="optax", cite="X. Chen et al., Symbolic Discovery of Optimization Algorithms, 2023")
def lion(beta1=hyperparameter("beta1", 0.9, "[0, 1)"), beta2=decay(2, 0.99), theta=weight_decay(0.0)):
    """Lion with decoupled weight decay."""
    direction = sign(beta1 * m + (1 - beta1) * g)
    return {x: x - eta * (direction + theta * x), m: beta2 * m + (1 - beta2) * g}
