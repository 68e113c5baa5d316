"""E r for r = |z|^2/2 on f = lambda x y in closed form, as in the authors' notebooks, and what the models say of it.

additive noise, learning rate eta/(1 + t)^alpha: d E r/dt = C u^2 - k u E r with u = (1 + t)^-alpha, from E r = b
multiplicative noise, f = (lambda + s Z) x y: E r = b e^(-k t)
"""

from __future__ import annotations

import sympy as sp

from adasde.derive.expansion import derive
from adasde.derive.expectation import expectation
from adasde.derive.laws import ANY
from adasde.derive.notation import eta, g, s, t, x
from adasde.derive.operations import batch_noise, sampled
from adasde.derive.rule import UpdateRule
from adasde.papers.compagnoni2024.plane import BILINEAR, PLANE, energy, lambda_
from adasde.papers.parts import Parts

rho = sp.Symbol("rho", nonnegative=True)
k, C, b = sp.symbols("k C b", positive=True)
EXPONENTS = (sp.S.Zero, sp.Rational(1, 2), sp.S.One)


def printed(alpha: sp.Expr) -> sp.Expr:
    """E r by alpha, with w = sqrt(1 + t):

    0     b e^(-k t) + (C/k) (1 - e^(-k t))
    1/2   e^(-2 k w) (b e^(2 k) + 2 C (Ei(2 k w) - Ei(2 k)))
    1     (1 + t)^(-k - 1) (b (k - 1) (1 + t) + C ((1 + t)^k - t - 1))/(k - 1)
    """
    if alpha == 0:
        return b * sp.exp(-k * t) + C / k * (1 - sp.exp(-k * t))
    if alpha == 1:
        return (1 + t) ** (-k - 1) * (b * (k - 1) * (1 + t) + C * ((1 + t) ** k - t - 1)) / (k - 1)
    root = sp.sqrt(1 + t)
    return sp.exp(-2 * k * root) * (b * sp.exp(2 * k) + 2 * C * (sp.Ei(2 * k * root) - sp.Ei(2 * k)))


def rate_of_change(alpha: sp.Expr, constants: dict[sp.Symbol, sp.Expr]) -> Parts:
    """Of the closed form, and where it starts."""
    return {
        "d E r/dt": sp.diff(printed(alpha), t).subs(constants),
        "E r at time 0": printed(alpha).subs(t, 0).subs(constants),
    }


def by_the_model(rule: UpdateRule, alpha: sp.Expr, constants: dict[sp.Symbol, sp.Expr]) -> Parts:
    """C u^2 - k u E r of the derived model of the rule with this exponent, E r the closed form."""
    found = energy(derive(rule).sde)
    at = {sp.Symbol("exponent", nonnegative=True): alpha}
    change = found["level C"].subs(at) - found["rate k"].subs(at) * printed(alpha).subs(constants)
    return {"d E r/dt": change, "E r at time 0": b}


def random_field(at: sp.Matrix, batch: int) -> sp.Matrix:
    """F of f = (lambda + s Z) x y for the noise Z of this minibatch."""
    return (1 + s * batch_noise(batch) / lambda_) * BILINEAR * at


def of_rule(rule: UpdateRule) -> sp.Matrix:
    """h of z' = z - eta h, from the rule's own update."""
    return ((sp.Matrix(PLANE) - _vector(rule.update[0])) / eta).applyfunc(sp.expand)


def _vector(node: sp.Expr) -> sp.Matrix:
    """An update that is linear in the position and in gradients, on the plane."""
    if node == x:
        return sp.Matrix(PLANE)
    if node == g:
        return random_field(sp.Matrix(PLANE), 0)
    if isinstance(node, sampled):
        return random_field(_vector(node.args[0]), int(node.args[1]))
    if node.is_Add:
        return sum(map(_vector, node.args), sp.zeros(2, 1))
    scalar, rest = node.as_independent(x, g, sampled, as_Add=False)
    return scalar * _vector(rest)


def of_hamiltonian() -> sp.Matrix:
    """h = grad (F_1.F_2)/2 for two minibatches."""
    first, second = (random_field(sp.Matrix(PLANE), batch) for batch in (0, 1))
    potential = (first.T * second)[0] / 2
    return sp.Matrix([sp.diff(potential, y) for y in PLANE])


def rate(h: sp.Matrix) -> sp.Expr:
    """k of d E r/dt = -k E r under dZ = -E h dt + (eta Cov h)^(1/2) dW, h linear in z."""
    mean = h.applyfunc(lambda entry: expectation(sp.expand(entry), ANY))
    square = expectation(sp.expand((h.T * h)[0]), ANY)
    change = sp.expand(-(sp.Matrix(PLANE).T * mean)[0] + eta / 2 * (square - (mean.T * mean)[0]))
    return -2 * change.coeff(x, 2)
