"""SGD and SignSGD with a learning rate eta u_t that falls like a power of the time, as rules."""

from adasde.derive.language import eta, g, hyperparameter, k, sign, update_rule, x

CITE = "E. Monzio Compagnoni et al., Adaptive Methods through the Lens of SDEs, ICLR 2025, arXiv:2411.15958"


@update_rule(states=(x,), dialect="paper", cite=CITE)
def sgd_schedule(exponent=hyperparameter("exponent", 0.5, "[0, inf)"), decay=hyperparameter("decay", 1.0, "(0, inf)")):
    """SGD with the learning rate eta (1 + decay t)^-exponent, t = eta (k - 1)."""
    return {x: x - eta * (1 + decay * eta * (k - 1)) ** -exponent * g}


@update_rule(states=(x,), dialect="paper", cite=CITE)
def signsgd_schedule(
    exponent=hyperparameter("exponent", 0.5, "[0, inf)"), decay=hyperparameter("decay", 1.0, "(0, inf)")
):
    """SignSGD with the learning rate eta (1 + decay t)^-exponent, t = eta (k - 1)."""
    return {x: x - eta * (1 + decay * eta * (k - 1)) ** -exponent * sign(g)}
