"""Differential privacy: gradients of single examples clipped by norm, averaged, with normal noise."""

from sympy import Expr

from adasde.derive.language import Min, count, eta, g, hyperparameter, norm, own_noise, sign, update_rule, workers, x
from adasde.derive.rule import Hyperparameter


def private_gradient(clip: Expr, noise: Expr, batch: Expr) -> Expr:
    """mean over B examples of g min(1, C/|g|), plus sigma C/B N; g is the gradient of one example."""
    return workers(g * Min(1, clip / norm(g)), batch) + noise * clip / batch * own_noise("normal")


def threshold() -> Hyperparameter:
    """C, the largest norm of an example's gradient."""
    return hyperparameter("clip", 1.0, "(0, inf)", "largest norm of an example's gradient")


def multiplier() -> Hyperparameter:
    """sigma, the noise relative to what one example can add."""
    return hyperparameter("noise_multiplier", 1.0, "[0, inf)", "noise over the largest share of one example")


@update_rule(states=(x,), dialect="optax", cite="abadi2016")
def dp_sgd(clip=threshold(), noise=multiplier(), batch=count("batch_size", 4)):
    """DP-SGD; the noise of the run is that of one example."""
    return {x: x - eta * private_gradient(clip, noise, batch)}


@update_rule(states=(x,), dialect="paper", cite="private2026")
def dp_signsgd(clip=threshold(), noise=multiplier(), batch=count("batch_size", 4)):
    """DP-SignSGD: the sign of DP-SGD's gradient (form recalled)."""
    return {x: x - eta * sign(private_gradient(clip, noise, batch))}
