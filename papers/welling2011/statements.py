"""SGLD against the Langevin diffusion, and its stationary variance on a quadratic."""

from __future__ import annotations

from functools import cache, partial

import sympy as sp

from adasde.derive.expansion import derive
from adasde.derive.noise import Gaussian
from adasde.derive.notation import G, Z, eta, g, s, x
from adasde.derive.optimizers.own_draws import sgld
from adasde.papers.linear import recursion
from adasde.papers.parts import Parts, coefficients, of_sde
from adasde.papers.statement import unnumbered

PAPER = "welling2011"
T = next(h.symbol for h in sgld.hyperparameters if h.name == "temperature")
lamda = sp.Symbol("lamda", positive=True)


def langevin(gradient_noise: sp.Expr) -> Parts:
    """dX = -f' dt + sqrt(2 T) dW, whose stationary density is proportional to e^(-f/T)."""
    return coefficients((x,), [-G], sp.Matrix([[2 * T + gradient_noise]]))


@cache
def stationary_variance() -> sp.Expr:
    """Of the rule itself on lamda x^2/2."""
    change = (sgld.update[0] - x).subs(g, lamda * x + s * Z)
    factor, noise = recursion(sp.expand(change), x, Z, Gaussian())
    return sp.factor(noise / (1 - factor**2))


_statement = partial(unnumbered, PAPER)

STATEMENTS = (
    _statement(
        "SGLD, Langevin diffusion",
        langevin(sp.S.Zero),
        lambda: of_sde(derive(sgld).sde),
        "the noise of the gradients adds eta s^2 (form recalled)",
        "agrees to leading order",
        eta,
    ),
    _statement(
        "SGLD, with the noise of its gradients",
        langevin(eta * s**2),
        lambda: of_sde(derive(sgld).sde),
        "the covariance of one step in full",
        provenance="derived",
    ),
    _statement(
        "SGLD, stationary variance of the algorithm",
        {"variance of x": T / lamda},
        lambda: {"variance of x": stationary_variance()},
        "on lamda x^2/2, where e^(-f/T) has the variance T/lamda (form recalled)",
        "agrees to leading order",
        eta,
    ),
)
