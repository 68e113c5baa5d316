"""Rules that draw numbers of their own: stochastic signs, Langevin dynamics, random step sizes."""

from adasde.derive.language import eta, g, hyperparameter, own_noise, s, sign, sqrt, total, update_rule, x

SIGNS = "R. Jin et al., Stochastic-Sign SGD for federated learning with theoretical guarantees, arXiv 2002.10940"
LANGEVIN = "M. Welling and Y. W. Teh, Bayesian learning via stochastic gradient Langevin dynamics, ICML 2011"
ANISOTROPIC = "Optimizing information-theoretical generalization bound via anisotropic noise of SGLD, arXiv 2110.13750"
SCALED = "A. Cutkosky, H. Mehta and F. Orabona, Optimal stochastic non-smooth non-convex optimization, ICML 2023"


@update_rule(states=(x,), dialect="paper", cite=SIGNS)
def sto_sign(bound=hyperparameter("bound", 1.0, "(0, inf)", "b: gradients beyond it have a sure sign")):
    """Stochastic sign: +1 with probability (b + g)/(2 b), as sign(g + b U), U uniform on (-1, 1) (form recalled)."""
    return {x: x - eta * sign(g + bound * own_noise("uniform"))}


@update_rule(states=(x,), dialect="paper", cite=SIGNS)
def dp_sign(noise=hyperparameter("privacy_noise", 1.0, "(0, inf)", "standard deviation of the private noise")):
    """Private sign: +1 with probability Phi(g/sigma), as sign(g + sigma N), N standard normal (form recalled)."""
    return {x: x - eta * sign(g + noise * own_noise("normal"))}


@update_rule(states=(x,), dialect="paper", cite=LANGEVIN)
def sgld(temperature=hyperparameter("temperature", 1.0, "(0, inf)")):
    """SGLD: a gradient step plus normal noise of variance 2 eta T."""
    return {x: x - eta * g + sqrt(2 * eta * temperature) * own_noise("normal")}


@update_rule(states=(x,), dialect="paper", cite=ANISOTROPIC)
def sgld_anisotropic(trace=hyperparameter("trace", 1.0, "(0, inf)", "trace of the noise's covariance per time")):
    """Anisotropic SGLD: noise whose covariance eta c G^(1/2)/tr G^(1/2) is the root of that of the gradient, here
    G = diag(s^2) (form recalled)."""
    return {x: x - eta * g + sqrt(eta * trace * s / total(s)) * own_noise("normal")}


@update_rule(states=(x,), dialect="paper", cite=SCALED)
def sgd_random_scaling():
    """SGD with steps times independent exponential variables of mean 1, one per coordinate (form recalled)."""
    return {x: x - eta * own_noise("exponential") * g}
