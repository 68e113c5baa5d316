"""SDEs of the rules `usam` and `sam_elementwise`, the order that is claimed of them, and what they do on quadratics.

The rules' SDEs keep the Hessian as an operator, (1 + rho H) at both sides of the noise; the printed ones stop at the
order of rho.
"""

from __future__ import annotations

from functools import cache, partial

import sympy as sp

from adasde.derive.expansion import derive
from adasde.derive.generator import Chain, expand, root
from adasde.derive.laws import ANY
from adasde.derive.noise import Gaussian
from adasde.derive.notation import G, H, Z, eta, s, x
from adasde.derive.operations import with_noise
from adasde.derive.optimizers.elsewhere import sam_elementwise, usam
from adasde.derive.rule import UpdateRule
from adasde.derive.scalings import slope
from adasde.papers.compagnoni2023 import printed
from adasde.papers.compagnoni2023.perturbed import Sampled, rho, sam
from adasde.papers.compagnoni2023.printed import CURVATURE, PLANE
from adasde.papers.linear import recursion
from adasde.papers.parts import Parts, coefficients, of_sde, to_first_order
from adasde.papers.statement import unnumbered
from adasde.papers.vectors import in_coordinates

PAPER = "compagnoni2023"
HESSIAN = sp.Matrix(2, 2, [*sp.symbols("h11 h12", real=True), *sp.symbols("h12 h22", real=True)])
GRADIENT, SCALES = sp.symbols("G1 G2", real=True), sp.symbols("s1 s2", positive=True)
rho0, lamda = sp.symbols("rho0 lamda", positive=True)
downward = sp.Symbol("lamda", negative=True)


def printed_usam() -> Parts:
    """dX = -(1 + rho H) grad f dt + sqrt(eta) (Sigma + rho (H Sigma + Sigma H))^(1/2) dW: additive noise, where the
    gradient of (rho/2) E|grad f_gamma|^2 is rho H grad f and S = Sigma H."""
    sigma = sp.diag(*(scale**2 for scale in SCALES))
    drift = -(sp.eye(2) + rho * HESSIAN) * sp.Matrix(GRADIENT)
    return coefficients(PLANE, list(drift), eta * (sigma + rho * (HESSIAN * sigma + sigma * HESSIAN)))


def usam_in_two_positions() -> Parts:
    """The same from the rule's SDE."""
    drift, covariance = in_coordinates(derive(usam).sde, GRADIENT, HESSIAN, SCALES)
    return coefficients(PLANE, list(drift), covariance)


def in_one_position(rule: UpdateRule) -> Parts:
    """The SDE of a rule with f'(x) for G and f''(x) for H."""
    return {part: value.subs({G: slope, H: CURVATURE}) for part, value in of_sde(derive(rule).sde).items()}


@cache
def half_order(rule: UpdateRule) -> Parts:
    """What a step with rho = rho0 sqrt(eta) adds to E u at the order of eta^(3/2), beyond eta L0 u."""
    step = with_noise(rule.name, rule.update[0] - x).subs({G: slope, H: CURVATURE, eta: root**2, rho: rho0 * root})
    half = expand(Chain(rule.name, (x,), (sp.expand(step),), (Z,)), Gaussian()).half
    return {"half-order drift of x": half.drift[0]}


def of_model(parts: Parts) -> Parts:
    """The same of an SDE: its drift at the order of root = sqrt(eta)."""
    return {"half-order drift of x": sp.diff(parts["drift of x"].subs(rho, rho0 * root), root).subs(root, 0)}


def on_quadratic(rule: UpdateRule, curvature: sp.Expr) -> sp.Expr:
    """The drift of a rule's SDE on curvature x^2/2."""
    return derive(rule).sde.full_drift[0].subs({G: curvature * x, H: curvature})


def radius_of_escape() -> sp.Expr:
    """The rho beyond which USAM's drift points to the saddle or maximum at 0, from the zero of its rate."""
    return sp.solve(sp.diff(on_quadratic(usam, downward), x), rho)[0]


def distance_of_capture() -> sp.Expr:
    """The x > 0 at which full-batch SAM has no drift on curvature x^2/2 with a negative curvature."""
    position = sp.Symbol("x", positive=True)
    full_batch = Sampled((x,), sp.ImmutableDenseMatrix([downward * position]), ANY)
    direction = sam(full_batch)[0]
    return sp.solve(downward * (position + rho * direction), position)[0]


def stationary_variance() -> Parts:
    """Of USAM itself on lamda x^2/2, from one step."""
    change = with_noise(usam.name, usam.update[0] - x).subs({G: lamda * x, H: lamda})
    factor, noise = recursion(sp.expand(change), x, Z, Gaussian())
    return over_that_of_sgd(noise / (1 - factor**2))


def printed_variance() -> Parts:
    """eta s^2 (1 + 2 rho lamda)/(2 lamda (1 + rho lamda)), what the printed SDE has."""
    return over_that_of_sgd(eta * s**2 * (1 + 2 * rho * lamda) / (2 * lamda * (1 + rho * lamda)))


def over_that_of_sgd(variance: sp.Expr) -> Parts:
    """Over eta s^2/(2 lamda), the terms of order 1 and sqrt(eta) for rho = rho0 sqrt(eta)."""
    ratio = sp.cancel((variance / (eta * s**2 / (2 * lamda))).subs({rho: rho0 * root, eta: root**2}))
    return {f"eta^({n}/2)": sp.diff(ratio, root, n).subs(root, 0) if n else ratio.subs(root, 0) for n in range(2)}


_statement = partial(unnumbered, PAPER)
_FIRST = "the rule's SDE has the covariance (1 + rho H) Sigma (1 + rho H): the printed one is to first order in rho"
_ORDER = "arbitrary f, Gaussian noise of scale s"

STATEMENTS = (
    _statement(
        "USAM, SDE of the rule, two positions",
        printed_usam(),
        usam_in_two_positions,
        f"additive noise, any Hessian; {_FIRST}",
        "agrees to leading order",
        rho,
    ),
    _statement(
        "SAM, SDE of the rule in the largest-entry norm",
        printed.sam(s),
        lambda: in_one_position(sam_elementwise),
        "one position, where this norm is |g|; Gaussian noise; the printed covariance is to first order in rho",
        "agrees to leading order",
        rho,
    ),
    _statement(
        "USAM, SDE of the rule to first order in rho",
        printed_usam(),
        lambda: to_first_order(usam_in_two_positions(), rho),
        "two positions, additive noise, any Hessian",
    ),
    _statement(
        "SAM, SDE of the rule in the largest-entry norm to first order in rho",
        printed.sam(s),
        lambda: to_first_order(in_one_position(sam_elementwise), rho),
        "one position, Gaussian noise",
    ),
    _statement(
        "USAM, rho = rho0 sqrt(eta), half an order",
        of_model(printed.usam(s)),
        lambda: half_order(usam),
        f"{_ORDER}: without this term the local error is of order eta^(3/2), the global one sqrt(eta)",
    ),
    _statement(
        "SAM, rho = rho0 sqrt(eta), half an order",
        of_model(printed.sam(s)),
        lambda: half_order(sam_elementwise),
        f"{_ORDER}, one position",
    ),
    _statement(
        "USAM, rho = rho0 sqrt(eta), with the SDE of SGD",
        {"half-order drift of x": sp.S.Zero},
        lambda: half_order(usam),
        "why rho has to enter the model: the SDE of SGD lacks rho0 f' f'' at half an order",
        "differs",
        provenance="derived",
    ),
    _statement(
        "USAM, radius beyond which it is attracted by saddles",
        {"rho": -1 / downward},
        lambda: {"rho": radius_of_escape()},
        "along an eigenvector of negative curvature lamda (form recalled)",
        provenance="recalled",
    ),
    _statement(
        "SAM, distance within which it is attracted by saddles",
        {"|x|": rho},
        lambda: {"|x|": distance_of_capture()},
        "full batch, lamda x^2/2 with lamda < 0, whatever lamda is",
        provenance="derived",
    ),
    _statement(
        "USAM, stationary variance on lamda x^2/2",
        printed_variance(),
        stationary_variance,
        "of the printed SDE against USAM itself, over that of SGD, rho = rho0 sqrt(eta): 1 + rho lamda",
        provenance="derived",
    ),
)
