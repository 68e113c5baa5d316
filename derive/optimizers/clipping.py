"""Clipped and normalised gradients."""

from adasde.derive.language import Max, Min, eta, g, hyperparameter, norm, stabiliser, update_rule, x


@update_rule(states=(x,), dialect="torch", cite="pascanu2013")
def sgd_clip_value(clip=hyperparameter("clip", 1.0, "(0, inf)", "largest entry of a gradient")):
    """SGD with each entry of the gradient clipped to [-c, c]."""
    return {x: x - eta * Max(-clip, Min(g, clip))}


@update_rule(states=(x,), dialect="torch", cite="pascanu2013")
def sgd_clip_norm(clip=hyperparameter("clip", 1.0, "(0, inf)", "largest norm of a gradient"), eps=stabiliser(1e-6)):
    """SGD with the gradient clipped to the norm c: g min(1, c/(|g| + eps)); eps is 0 in optax."""
    return {x: x - eta * g * Min(1, clip / (norm(g) + eps))}


@update_rule(states=(x,), dialect="optax", cite="hazan2015")
def normalized_sgd(eps=stabiliser(1e-6)):
    """Normalised SGD: g/(|g| + eps)."""
    return {x: x - eta * g / (norm(g) + eps)}
