"""The SDEs of the rules for any number n of equal agents, the compressors as they are, and the vote of a majority."""

from __future__ import annotations

import itertools
from functools import partial

import sympy as sp

from adasde.derive.expansion import derive
from adasde.derive.functions import vote
from adasde.derive.law import Law
from adasde.derive.noise import Gaussian, StudentT
from adasde.derive.notation import G, eta, g, nu, s, x
from adasde.derive.operations import Own, largest, total
from adasde.derive.optimizers.compression import qsgd, rand_k, sparsified_sgd
from adasde.derive.optimizers.distributed import signsgd_majority, signsgd_mean
from adasde.derive.rule import UpdateRule
from adasde.papers.compagnoni2025distributed.rules import dcsgd, dsgd
from adasde.papers.compagnoni2025distributed.statements import xi
from adasde.papers.parts import Parts, coefficients, of_sde
from adasde.papers.statement import unnumbered

PAPER = "compagnoni2025distributed"
agents = sp.Symbol("agents", positive=True, integer=True)
share = next(h.symbol for h in sparsified_sgd.hyperparameters if h.name == "share")
OMEGA = 1 / share - 1
"""E|C(z) - z|^2 = omega z^2 of a coordinate that is sent with probability q as z/q."""
DIMENSION, KEPT = 3, 2
ENTRIES = sp.symbols("g1:4", real=True)
VOTERS = 3


def model(rule: UpdateRule, law: Law | None = None) -> Parts:
    """The parts of the rule's SDE."""
    return of_sde(derive(rule, law or Gaussian()).sde)


def averaged_gradients() -> Parts:
    """dX = -grad f dt + sqrt(eta/n) Sigma^(1/2) dW."""
    return coefficients((x,), [-G], sp.Matrix([eta / agents * s**2]))


def compressed(size: sp.Expr) -> Parts:
    """dX = -grad f dt + sqrt(eta/n) Cov(C(grad f_gamma))^(1/2) dW, (1 + omega)(G^2 + s^2) - G^2 in a coordinate."""
    return coefficients((x,), [-G], sp.Matrix([eta / size * ((1 + OMEGA) * (G**2 + s**2) - G**2)]))


def averaged_signs(half: sp.Expr, size: sp.Expr = agents) -> Parts:
    """dX = -2 Xi dt + sqrt(eta/n) (1 - 4 Xi^2)^(1/2) dW."""
    return coefficients((x,), [-2 * half], sp.Matrix([eta / size * (1 - 4 * half**2)]))


def with_student_t() -> Parts:
    """The rule's SDE for heavy tails nu, with the mean sign as a hypergeometric function."""
    return {part: value.rewrite(sp.hyper) for part, value in model(signsgd_mean, StudentT(nu)).items()}


def voted() -> Parts:
    """The SDE of the majority of `VOTERS`, its vote as a polynomial in the mean sign."""
    return {
        part: value.subs(agents, VOTERS).replace(vote, lambda mu, n: vote(mu, n).closed_form())
        for part, value in model(signsgd_majority).items()
    }


def slope_of_vote() -> sp.Expr:
    """How much steeper the drift of the majority is than that of the mean, at G = 0."""
    drifts = (parts["drift of x"] for parts in (voted(), model(signsgd_mean)))
    majority, mean = (sp.diff(drift, G).subs(G, 0) for drift in drifts)
    return majority / mean


def omega_of_rand_k() -> sp.Expr:
    """E|C(z) - z|^2/|z|^2 of the rule, over the equally likely sets of `KEPT` out of `DIMENSION` coordinates."""
    (mask,) = rand_k.update[0].atoms(largest)
    kept = mask.args[1]
    errors = []
    for chosen in itertools.combinations(range(DIMENSION), KEPT):
        sent = [_sent(rand_k, {mask: sp.Integer(i in chosen), kept: KEPT}, z) for i, z in enumerate(ENTRIES)]
        errors.append(sum((c - z) ** 2 for c, z in zip(sent, ENTRIES, strict=True)))
    return sp.cancel(sum(errors) / len(errors) / sum(z**2 for z in ENTRIES))


def _sent(rule: UpdateRule, at: dict[sp.Basic, sp.Basic], gradient: sp.Expr) -> sp.Expr:
    """What a rule x' = x - eta C(g) sends of one coordinate, with d = `DIMENSION`."""
    sizes = {node: sp.Integer(DIMENSION) for node in rule.update[0].atoms(total) if node.args[0] == 1}
    return ((x - rule.update[0]) / eta).xreplace({**sizes, **at}).subs(g, gradient)


def mean_and_error_of_qsgd() -> Parts:
    """E C and E(C - g)^2 of one entry g = |g| (l + r)/q, 0 < r < 1, over the rule's uniform draw on (-1, 1)."""
    place, rest, size = sp.symbols("l r n", positive=True)
    (draw,) = qsgd.update[0].atoms(Own)
    levels = next(h.symbol for h in qsgd.hyperparameters if h.name == "levels")
    entry = size * (place + rest) / levels
    norms = dict.fromkeys(qsgd.update[0].atoms(total), size**2)
    sent = ((x - qsgd.update[0]) / eta).xreplace(norms).replace(lambda e: e.is_Float, lambda _: sp.S.Zero)
    sent = sent.subs(g, entry).replace(sp.floor, lambda _: place)
    (coin,) = sent.atoms(sp.sign) - {sp.sign(entry)}
    up, down = (sent.subs(coin, sign) for sign in (1, -1))
    chance = (1 - sp.solve(coin.args[0], draw)[0]) / 2
    error = chance * (up - entry) ** 2 + (1 - chance) * (down - entry) ** 2
    return {"mean": chance * up + (1 - chance) * down, "error": error}


def printed_qsgd() -> Parts:
    """E C = g and E(C - g)^2 = (|g|/q)^2 r (1 - r)."""
    place, rest, size = sp.symbols("l r n", positive=True)
    levels = sp.Symbol("levels", positive=True, integer=True)
    return {"mean": size * (place + rest) / levels, "error": (size / levels) ** 2 * rest * (1 - rest)}


_statement = partial(unnumbered, PAPER)
_EQUAL = "the rule with n equal agents"
MEAN_SIGN = sp.erf(G / (sp.sqrt(2) * s)) / 2

STATEMENTS = (
    _statement("DSGD, n agents", averaged_gradients(), lambda: model(dsgd), _EQUAL),
    _statement(
        "DCSGD, n agents, sparsification",
        compressed(agents),
        lambda: model(dcsgd),
        f"{_EQUAL}: every coordinate is sent with probability q, omega = 1/q - 1",
    ),
    _statement(
        "DCSGD, one agent, sparsification", compressed(sp.S.One), lambda: model(sparsified_sgd), "omega = 1/q - 1"
    ),
    _statement(
        "DCSGD, omega of rand-k",
        {"omega": sp.Rational(DIMENSION, KEPT) - 1},
        lambda: {"omega": omega_of_rand_k()},
        "omega = d/k - 1, here d = 3 and k = 2; the rule has no SDE coordinate by coordinate",
    ),
    _statement(
        "DCSGD, error of QSGD",
        printed_qsgd(),
        mean_and_error_of_qsgd,
        "one entry |g| (l + r)/q of a vector of norm |g|; the rule has no SDE coordinate by coordinate",
    ),
    _statement("DSignSGD, n agents, Gaussian noise", averaged_signs(MEAN_SIGN), lambda: model(signsgd_mean), _EQUAL),
    _statement("DSignSGD, n agents, Student-t noise", averaged_signs(xi(G / s, nu)), with_student_t, _EQUAL),
    _statement(
        "DSignSGD against the majority of three",
        averaged_signs(MEAN_SIGN, sp.Integer(VOTERS)),
        voted,
        "the SDE is that of averaged signs: a majority is steeper and noisier, with the mean mu (3 - mu^2)/2",
        "differs",
        provenance="derived",
    ),
    _statement(
        "DSignSGD, majority of three, slope for small signals",
        {"slope of majority/slope of mean": sp.Rational(3, 2)},
        lambda: {"slope of majority/slope of mean": slope_of_vote()},
        "relative to averaged signs",
        provenance="derived",
    ),
)
