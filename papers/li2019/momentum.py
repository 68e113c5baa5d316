"""Momentum (SMSGD) and Nesterov's method (SNAG) on the clock Delta = sqrt(eta).

v' = mu v - eta g, x' = x + v', with g taken at x, or at x + mu v; V = v/Delta, mu = 1 - mu_hat Delta.
"""

from __future__ import annotations

from functools import cache

import sympy as sp

from adasde.derive.generator import Chain, Expansion, expand, root
from adasde.derive.noise import Gaussian
from adasde.derive.notation import Z, t, x
from adasde.derive.scalings import S, slope
from adasde.papers.parts import Parts, coefficients, of_expansion
from adasde.papers.statement import Statement

PAPER = "li2019"
V = sp.Symbol("V", real=True)
Delta, mu_hat = sp.symbols("Delta mu_hat", positive=True)
METHODS = {"SMSGD": 0, "SNAG": 1}
"""Whether the gradient is taken at the shifted point."""


@cache
def expansion(shifted: int) -> Expansion:
    """One step with root^2 = Delta; the shifted gradient by Taylor, f'(x + w) = f'(x) + w f''(x) + O(Delta^2)."""
    shift = shifted * root**2 * (1 - mu_hat * root**2) * V
    gradient = slope + S * Z
    gradient += shift * sp.diff(gradient, x)
    velocity = -(root**2) * (mu_hat * V + gradient)
    return expand(Chain("momentum", (x, V), (root**2 * (V + velocity), velocity)), Gaussian())


def printed(method: str, order: int) -> Parts:
    """Order 1: dV = -(mu_hat V + f') dt + sqrt(Delta) S dW, dX = V dt. Order 2 has, with + f'' for SNAG,

    dV = -[mu_hat + (Delta/2) (mu_hat^2 - f'')] V dt - [1 + mu_hat Delta/2] f' dt + sqrt(Delta) S dW,
    dX = [1 - mu_hat Delta/2] V dt - (Delta/2) f' dt.
    """
    noise = sp.Matrix([[0, 0], [0, Delta * S**2]])
    if order == 1:
        return coefficients([x, V], [V, -mu_hat * V - slope], noise)
    sign = 1 if METHODS[method] else -1
    friction = mu_hat + Delta / 2 * (mu_hat**2 + sign * slope.diff(x))
    half = mu_hat * Delta / 2
    return coefficients([x, V], [(1 - half) * V - Delta / 2 * slope, -friction * V - (1 + half) * slope], noise)


def fading() -> Parts:
    """SNAG with mu = 1 - 3/k in step k = t/Delta + 1: the order-1 model, with time among the states of the chain."""
    friction = 3 / (t + root**2)
    gradient = slope + S * Z
    gradient += root**2 * (1 - friction * root**2) * V * sp.diff(gradient, x)
    velocity = -(root**2) * (friction * V + gradient)
    chain = Chain("fading momentum", (x, V, t), (root**2 * (V + velocity), velocity, root**2))
    return of_expansion(expand(chain, Gaussian()), Delta)


def printed_fading() -> Parts:
    """dV = -(mu_hat(t) V + f') dt + sqrt(Delta) S dW, dX = V dt with mu_hat(t) = 3/t."""
    return {part: value.subs(mu_hat, 3 / t) for part, value in printed("SNAG", 1).items()}


STATEMENTS = tuple(
    Statement(
        paper=PAPER,
        name=f"{method}, order {order}",
        number="",
        provenance="recalled and checked",
        printed=printed(method, order),
        derived=lambda shifted=shifted, order=order: of_expansion(expansion(shifted), Delta, order),  # type: ignore[misc]
        expected="agrees",
    )
    for method, shifted in METHODS.items()
    for order in (1, 2)
)
STATEMENTS += (
    Statement(
        paper=PAPER,
        name="SNAG with mu = 1 - 3/k, order 1",
        number="",
        provenance="recalled and checked",
        printed=printed_fading(),
        derived=fading,
        expected="agrees",
    ),
)
