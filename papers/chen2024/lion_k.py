"""Lion-K without noise, in one position and for an arbitrary smooth convex K: its ODE and its Lyapunov function.

    m' = b2 m - (1 - b2) F',   x' = x + e (K'(b1 m - (1 - b1) F') - lambda x)

with b1 = 1 - eps gamma, 1 - b2 = gamma e and F = (alpha/gamma) f, e the learning rate.
"""

from __future__ import annotations

import sympy as sp

from adasde.derive.generator import Chain, Operator, operators, root
from adasde.derive.laws import ANY
from adasde.derive.notation import m, x
from adasde.derive.scalings import f, slope

alpha, gamma, epsilon, decay = sp.symbols("alpha gamma epsilon lambda", positive=True)
CONSTANT = (1 - epsilon * gamma) / (1 + epsilon * decay)


class K(sp.Function):  # type: ignore[misc]
    """K, an arbitrary smooth function."""

    nargs = 1

    def fdiff(self, argindex: int = 1) -> sp.Expr:
        return KSlope(self.args[0])


class KSlope(sp.Function):  # type: ignore[misc]
    """K'."""

    nargs = 1


class Conjugate(sp.Function):  # type: ignore[misc]
    """K*, the convex conjugate of K."""

    nargs = 1

    def fdiff(self, argindex: int = 1) -> sp.Expr:
        return ConjugateSlope(self.args[0])


class ConjugateSlope(sp.Function):  # type: ignore[misc]
    """(K*)', the inverse function of K'."""

    nargs = 1


def algorithm() -> Chain:
    """The update, e = root^2."""
    rate, gradient = root**2, alpha / gamma * slope
    beta1, beta2 = 1 - epsilon * gamma, 1 - gamma * rate
    position = rate * (KSlope(beta1 * m - (1 - beta1) * gradient) - decay * x)
    return Chain("Lion-K", (x, m), (position, beta2 * m - (1 - beta2) * gradient - m), noises=())


def flow() -> Operator:
    """L0, the derivative along the limit e -> 0."""
    return operators(algorithm(), ANY)[1]


def look_ahead() -> sp.Expr:
    """The argument of K' in the ODE, m - eps (alpha f' + gamma m)."""
    return m - epsilon * (alpha * slope + gamma * m)


def lyapunov() -> sp.Expr:
    """H = alpha f + (gamma/lambda) K* + (1 - eps gamma)/(1 + eps lambda) (K* + K(m) - lambda m x), K* at lambda x."""
    at = Conjugate(decay * x)
    return alpha * f + gamma / decay * at + CONSTANT * (at + K(m) - decay * m * x)


def decrease() -> sp.Expr:
    """-dH/dt = (lambda + gamma)/(1 + eps lambda) D1 + (1 - eps gamma)/(1 + eps lambda) D2, n the argument of K':
    D1 = (K'(n) - lambda x)(n - K*'(lambda x)),   D2 = (K'(n) - K'(m))(n - m)/eps.
    Both are >= 0 as K' increases and K*' is its inverse."""
    n = look_ahead()
    first = (KSlope(n) - decay * x) * (n - ConjugateSlope(decay * x))
    second = (KSlope(n) - KSlope(m)) * (n - m) / epsilon
    return (decay + gamma) / (1 + epsilon * decay) * first + CONSTANT * second


def along_the_flow(function: sp.Expr) -> sp.Expr:
    """d(function)/dt = L0 function."""
    return sum(b * sp.diff(function, y) for y, b in zip((x, m), flow().drift, strict=True))


def with_quadratic_k(expression: sp.Expr, stiffness: sp.Expr) -> sp.Expr:
    """The expression for K(y) = stiffness y^2/2, K*(y) = y^2/(2 stiffness)."""
    for function, value in (
        (K, lambda y: stiffness * y**2 / 2),
        (KSlope, lambda y: stiffness * y),
        (Conjugate, lambda y: y**2 / (2 * stiffness)),
        (ConjugateSlope, lambda y: y / stiffness),
    ):
        expression = expression.replace(function, value)
    return expression
