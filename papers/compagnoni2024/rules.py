"""SEG and SHGD with one minibatch for both of their gradients, and with a learning rate eta (1 + t)^-alpha."""

from adasde.derive.language import adjoint, eta, g, gradient, hyperparameter, k, update_rule, x
from adasde.derive.optimizers.elsewhere import radius

CITE = "E. Monzio Compagnoni et al., SDEs for Minimax Optimization, AISTATS 2024, arXiv:2402.12508"


@update_rule(states=(x,), dialect="paper", cite=CITE)
def seg_same(rho=radius(0.1)):
    """SEG with the same minibatch in both of its gradients."""
    return {x: x - eta * gradient(x - rho * g, "same")}


@update_rule(states=(x,), dialect="paper", cite=CITE)
def seg_schedule(rho=radius(0.1), exponent=hyperparameter("exponent", 0.5, "[0, inf)")):
    """SEG with independent minibatches and the learning rate eta (1 + t)^-exponent, t = eta (k - 1)."""
    return {x: x - eta * (1 + eta * (k - 1)) ** -exponent * gradient(x - rho * gradient(x, "fresh"), "same")}


@update_rule(states=(x,), dialect="paper", cite=CITE)
def shgd_schedule(exponent=hyperparameter("exponent", 0.5, "[0, inf)")):
    """SHGD with one minibatch of additive noise used twice, and the learning rate eta (1 + t)^-exponent."""
    return {x: x - eta * (1 + eta * (k - 1)) ** -exponent * adjoint(g)}
