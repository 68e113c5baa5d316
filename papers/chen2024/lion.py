"""The SDE of Lion under Gaussian noise."""

from __future__ import annotations

import sympy as sp

from adasde.derive.expansion import derive
from adasde.derive.noise import Gaussian
from adasde.derive.notation import G, Hb, eta, g, m, rho2, s, sb, theta, x
from adasde.derive.rule import Hyperparameter, decay, update_rule, weight_decay
from adasde.papers.parts import Parts, coefficients, of_sde

share = sp.Symbol("w", positive=True)
"""w = 1 - beta1, what the gradient of the step itself weighs in the sign; it stays fixed as eta -> 0."""
SHARE = Hyperparameter("share", share, "weight of the new gradient, 1 - beta1", "(0, 1]", 0.1, "betas")


@update_rule(states=(x, m), dialect="paper", cite="chen2024")
def lion(share=SHARE, beta2=decay(2, 0.99), weight_decay=weight_decay()):  # type: ignore[no-untyped-def]  # noqa: B008
    """Lion: the sign of an interpolation between the first moment and the gradient."""
    step = sp.sign((1 - share) * m + share * g) + weight_decay * x
    return {x: x - eta * step, m: beta2 * m + (1 - beta2) * g}


def printed(order: int) -> Parts:
    """dx = -(mu + theta x) dt, dm = rho2 (G - m) dt, covariance eta ((1 - mu^2, -rho2 s c), (-rho2 s c, rho2^2 s^2)),
    q = ((1 - w) m + w G)/(w s), mu = erf(q/sqrt 2), c = sqrt(2/pi) e^(-q^2/2).

    Order 2 adds -(eta/2)(grad b) b to the drift b, with Hb the Hessian times the drift of x."""
    q = ((1 - share) * m + share * G) / (share * s)
    mu, c = sp.erf(q / sp.sqrt(2)), sp.sqrt(2 / sp.pi) * sp.exp(-(q**2) / 2)
    drift = sp.Matrix([-mu - theta * x, rho2 * (G - m)])
    if order == 2:
        drift -= eta / 2 * drift.jacobian([x, m, G]) * sp.Matrix([*drift, Hb])
    cross = -rho2 * s * c
    return coefficients((x, m), drift, eta * sp.Matrix([[1 - mu**2, cross], [cross, rho2**2 * s**2]]))


def derived(order: int) -> Parts:
    """The model of `lion` of weak order 1 or 2, for noise whose scale does not depend on the position."""
    return {part: value.subs(sb, 0) for part, value in of_sde(derive(lion, Gaussian(), order).sde).items()}
