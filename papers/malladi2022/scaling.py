"""The SDEs in the paper's own scaling, the square-root scaling rule, SVAG and the skewness of the noise.

noise sigma = sigma0/eta, eps = eps0/eta, 1 - beta = c eta^2, u = v/sigma^2, time eta^2 a step: the batch-equivalent
scaling with tau = eta^2.
"""

from __future__ import annotations

import dataclasses
from functools import cache

import sympy as sp

from adasde.derive.expectation import expectation
from adasde.derive.generator import Chain, derivative_name, expand, leading
from adasde.derive.laws import ANY
from adasde.derive.noise import Gaussian
from adasde.derive.notation import G, Z, eps, eta, m, rho1, rho2, s, t, v, x
from adasde.derive.optimizers import registry
from adasde.derive.scalings import batch_equivalent, slope
from adasde.papers.claim import BIAS, gamma1, gamma2
from adasde.papers.malladi2022.claims import PAPER, TAG
from adasde.papers.parts import Parts, coefficients, written_out
from adasde.papers.statement import Statement

u = sp.Symbol("u", nonnegative=True)
sigma0, root_sigma, kappa, ell, batch = sp.symbols("sigma0 r kappa l B", positive=True)
decay1, decay2 = sp.symbols("decay1 decay2", positive=True)
"""1 - beta1, 1 - beta2."""
r1, r2 = sp.symbols("r1 r2", positive=True)


def in_units_of_noise(chain: Chain) -> Chain:
    """The chain with u = v/sigma0^2 for v, s = sigma0 r with r = Sigma^(1/2), and the bias factors' leading rates."""
    units = {v: sigma0**2 * u, s: sigma0 * root_sigma, r1: rho1, r2: rho2}
    changes = (change / sigma0**2 if y == v else change for y, change in zip(chain.states, chain.changes, strict=True))
    return dataclasses.replace(
        chain,
        states=tuple(u if y == v else y for y in chain.states),
        changes=tuple(change.subs(units, simultaneous=True) for change in changes),
        named=tuple((name, value.subs(units)) for name, value in chain.named),
    )


@cache
def model(optimizer: str) -> Parts:
    """L0 of the batch-equivalent scaling in the paper's units."""
    chain = in_units_of_noise(batch_equivalent(registry()[optimizer]))
    operator = leading(chain, Gaussian())
    states = [y for y in operator.states if y != t]
    shown = range(len(states))
    parts = coefficients(states, list(operator.drift)[: len(states)], operator.covariance.extract(shown, shown))
    return written_out(parts, chain.named, [name for name, _ in BIAS])


def rmsprop() -> Parts:
    """dX = -P^-1 (f' dt + sigma0 Sigma^(1/2) dW), du = c2 (Sigma - u) dt, P = sigma0 sqrt(u) + eps0."""
    P = sigma0 * sp.sqrt(u) + eps
    covariance = sp.diag((sigma0 * root_sigma / P) ** 2, 0)
    return coefficients([x, u], [-slope / P, rho2 * (root_sigma**2 - u)], covariance)


def adam() -> Parts:
    """dX = -(sqrt(gamma2)/gamma1) P^-1 m dt, dm = c1 (f' - m) dt + sigma0 c1 Sigma^(1/2) dW, du as in RMSprop,
    P = sigma0 sqrt(u) + eps0 sqrt(gamma2)."""
    P = sigma0 * sp.sqrt(u) + eps * sp.sqrt(gamma2)
    drift = [-sp.sqrt(gamma2) / gamma1 * m / P, rho1 * (slope - m), rho2 * (root_sigma**2 - u)]
    return coefficients([x, m, u], drift, sp.diag(0, (sigma0 * rho1 * root_sigma) ** 2, 0))


@cache
def of_hyperparameters(optimizer: str) -> tuple[sp.Expr, ...]:
    """The coefficients of L0 in the learning rate, 1 - beta, eps, the noise s of one sample and the batch."""
    chain = batch_equivalent(registry()[optimizer])
    terms = {str(a): c for a, c in leading(chain, Gaussian()).terms.items()}
    rates = {rho1: decay1 / eta**2, rho2: decay2 / eta**2, r1: decay1 / eta**2, r2: decay2 / eta**2}
    noise = {eps: eta * eps, s: eta * s / sp.sqrt(batch)}
    return tuple(c.subs(noise).subs(rates) for c in written_out(terms, chain.named).values())


def keeping_the_sde(optimizer: str, driver: sp.Symbol, factor: sp.Symbol) -> Parts:
    """By what the hyperparameters must be multiplied where ``driver`` is multiplied by ``factor``, to keep L0.

    With powers of the factor: sum_h power_h h dC/dh = 0 for every coefficient C, a linear system.
    """
    coefficients = of_hyperparameters(optimizer)
    turned = [h for h in (eta, decay1, decay2, eps) if any(c.has(h) for c in coefficients)]
    powers = {h: sp.Symbol(f"power_{h}") for h in turned}
    equations: list[sp.Expr] = []
    for c in coefficients:
        change = driver * sp.diff(c, driver) + sp.Add(*(power * h * sp.diff(c, h) for h, power in powers.items()))
        numerator = sp.numer(sp.together(change))
        if numerator != 0:
            functions = [f for f in sp.Poly(numerator).gens if f not in powers.values()]
            equations += sp.Poly(numerator, *functions).coeffs()
    found = sp.solve(equations, list(powers.values()), dict=True)[0]
    return {str(h): factor ** found[power] for h, power in powers.items()}


def rule(optimizer: str, root: sp.Expr) -> Parts:
    """eta -> root eta, 1 - beta -> root^2 (1 - beta), eps -> eps/root."""
    first = {"decay1": root**2} if optimizer == "adam" else {}
    return {"eta": root, **first, "decay2": root**2, "eps": 1 / root}


def combined_gradient() -> Parts:
    """Mean, variance and third central moment of r1 g1 + r2 g2, relative to those of g, and its skewness."""
    other = sp.Symbol("Z2", real=True)
    weights = [(1 + sign * sp.sqrt(2 * ell**2 - 1)) / 2 for sign in (1, -1)]
    combined = sp.expand(weights[0] * (G + s * Z) + weights[1] * (G + s * other))

    def mean(expression: sp.Expr) -> sp.Expr:
        return expectation(expectation(sp.expand(expression), ANY).subs(other, Z), ANY)

    first = sp.expand(mean(combined))
    second, third = (mean((combined - first) ** n) for n in (2, 3))
    skewness = third / (ANY.moment(3) * s**3) / ell**3
    return {"mean": first / G, "variance": sp.simplify(second / s**2), "skewness": sp.simplify(skewness)}


def half_order(optimizer: str) -> Parts:
    """The terms of order tau^(3/2) of one step of the batch-equivalent scaling, under any law."""
    half = expand(batch_equivalent(registry()[optimizer]), ANY).half
    parts = {f"coefficient of {derivative_name(half.states, a)}": c for a, c in half.terms.items()}
    return written_out(parts, half.named)


def skewed_rmsprop() -> Parts:
    """-M3 s^3 d_x^3/(6 P^3) - M3 rho s^3 d_x d_v/P, and in the rule with the new v - M3 s^3 rho (1/P)' d_x."""
    P, third = sp.sqrt(v) + eps, ANY.moment(3) * s**3
    return {
        "coefficient of d_x^3": -third / (6 * P**3),
        "coefficient of d_x d_v": -third * rho2 / P,
        "coefficient of d_x": -third * rho2 * sp.diff(1 / P, v),
    }


PRINTED_COMBINATION: Parts = {
    "mean": sp.S.One,
    "variance": ell**2,
    "skewness": (3 * ell**2 - 1) / (2 * ell**3),
}
"""The skewness is computed by us: it goes to 0 as l grows."""


def _statement(name: str, printed: Parts, derived, remark: str = "", provenance: str = TAG) -> Statement:  # type: ignore[no-untyped-def]
    return Statement(PAPER, name, "", provenance, printed, derived, "agrees", remark)


STATEMENTS = (
    _statement("RMSprop, noise-dominated clock", rmsprop(), lambda: model("rmsprop")),
    _statement("Adam, noise-dominated clock", adam(), lambda: model("adam")),
    _statement(
        "RMSprop, square-root scaling rule",
        rule("rmsprop", sp.sqrt(kappa)),
        lambda: keeping_the_sde("rmsprop", batch, kappa),
        "what keeps L0 when the batch grows by kappa",
    ),
    _statement(
        "Adam, square-root scaling rule",
        rule("adam", sp.sqrt(kappa)),
        lambda: keeping_the_sde("adam", batch, kappa),
        "what keeps L0 when the batch grows by kappa",
    ),
    _statement("SVAG, combined gradient", PRINTED_COMBINATION, combined_gradient, provenance="public code"),
    _statement(
        "RMSprop, SVAG",
        rule("rmsprop", 1 / ell),
        lambda: keeping_the_sde("rmsprop", s, ell),
        "what keeps L0 when the noise grows by l",
        provenance="public code",
    ),
    _statement(
        "Adam, SVAG",
        rule("adam", 1 / ell),
        lambda: keeping_the_sde("adam", s, ell),
        "what keeps L0 when the noise grows by l",
        provenance="public code",
    ),
    _statement(
        "SGD, half-order term of skewed noise",
        {"coefficient of d_x^3": -ANY.moment(3) * s**3 / 6},
        lambda: half_order("sgd"),
        "why low skewness is assumed: weak order 1/2 unless E Z^3 = O(sqrt(tau))",
        provenance="derived",
    ),
    _statement(
        "RMSprop, half-order terms of skewed noise",
        skewed_rmsprop(),
        lambda: half_order("rmsprop"),
        "why low skewness is assumed: weak order 1/2 unless E Z^3 = O(sqrt(tau))",
        provenance="derived",
    ),
)
