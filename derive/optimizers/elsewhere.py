"""Gradients at another point, or of another minibatch."""

from adasde.derive.language import eta, g, gradient, hyperparameter, norm, sign, sqrt, update_rule, x
from adasde.derive.rule import Hyperparameter


def radius(default: float = 0.05) -> Hyperparameter:
    """rho, the distance to the other point over the size of the direction."""
    return hyperparameter("rho", default, "[0, inf)", "radius of the perturbation")


@update_rule(states=(x,), dialect="paper", cite="andriushchenko2022")
def usam(rho=radius()):
    """Unnormalised SAM: the same minibatch's gradient at x + rho g (form recalled)."""
    return {x: x - eta * gradient(x + rho * g, "same")}


@update_rule(states=(x,), dialect="optax", cite="foret2021")
def sam(rho=radius()):
    """SAM: the same minibatch's gradient at x + rho g/(|g| + 1e-12)."""
    return {x: x - eta * gradient(x + rho * g / (norm(g) + 1e-12), "same")}


@update_rule(states=(x,), dialect="paper", cite="foret2021")
def sam_elementwise(rho=radius()):
    """SAM in the largest-entry norm: the same minibatch's gradient at x + rho sign(g)."""
    return {x: x - eta * gradient(x + rho * sign(g), "same")}


@update_rule(states=(x,), dialect="paper", cite="hsieh2020")
def extragradient(rho=radius(0.1)):
    """Extragradient (SEG on a two-player loss): the gradient at x - rho g', g' of another minibatch."""
    return {x: x - eta * gradient(x - rho * gradient(x, "fresh"), "same")}


@update_rule(states=(x,), dialect="paper", cite="li2021svag")
def svag(l=hyperparameter("l", 2.0, "[1, inf)", "factor of the gradient's variance at 1/l of the step")):
    """SVAG: a step eta/l along a combination of two minibatches with l times the variance of one."""
    root = sqrt(2 * l - 1)
    return {x: x - eta / l * ((1 + root) / 2 * g + (1 - root) / 2 * gradient(x, "fresh"))}
