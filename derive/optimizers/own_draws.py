"""Rules that draw numbers of their own: stochastic signs, Langevin dynamics, random step sizes."""

from adasde.derive.language import eta, g, hyperparameter, own_noise, s, sign, sqrt, total, update_rule, x


@update_rule(states=(x,), dialect="paper", cite="jin2020")
def sto_sign(bound=hyperparameter("bound", 1.0, "(0, inf)", "b: gradients beyond it have a sure sign")):
    """Stochastic sign: +1 with probability (b + g)/(2 b), as sign(g + b U), U uniform on (-1, 1) (form recalled)."""
    return {x: x - eta * sign(g + bound * own_noise("uniform"))}


@update_rule(states=(x,), dialect="paper", cite="jin2020")
def dp_sign(noise=hyperparameter("privacy_noise", 1.0, "(0, inf)", "standard deviation of the private noise")):
    """Private sign: +1 with probability Phi(g/sigma), as sign(g + sigma N), N standard normal (form recalled)."""
    return {x: x - eta * sign(g + noise * own_noise("normal"))}


@update_rule(states=(x,), dialect="paper", cite="welling2011")
def sgld(temperature=hyperparameter("temperature", 1.0, "(0, inf)")):
    """SGLD: a gradient step plus normal noise of variance 2 eta T (form recalled)."""
    return {x: x - eta * g + sqrt(2 * eta * temperature) * own_noise("normal")}


@update_rule(states=(x,), dialect="paper", cite="anisotropic2021")
def sgld_anisotropic(trace=hyperparameter("trace", 1.0, "(0, inf)", "trace of the noise's covariance per time")):
    """Anisotropic SGLD: noise of covariance eta c G^(1/2)/tr G^(1/2), G = diag(s^2) of the gradient (form recalled)."""
    return {x: x - eta * g + sqrt(eta * trace * s / total(s)) * own_noise("normal")}


@update_rule(states=(x,), dialect="paper", cite="cutkosky2023")
def sgd_random_scaling():
    """SGD with steps times independent exponential variables of mean 1, one per coordinate (form recalled)."""
    return {x: x - eta * own_noise("exponential") * g}
