"""SGDA, SEG and SHGD with additive noise: their SDEs on a quadratic game, and E |z|^2/2 on f = lambda x y."""

from __future__ import annotations

from functools import partial

import sympy as sp

from adasde.derive.expansion import derive
from adasde.derive.notation import eta, s
from adasde.derive.optimizers.elsewhere import extragradient
from adasde.derive.optimizers.games import shgd
from adasde.derive.optimizers.sgd import sgd
from adasde.papers.compagnoni2024 import closed_forms
from adasde.papers.compagnoni2024.closed_forms import C, k, rho
from adasde.papers.compagnoni2024.plane import PLANE, QUADRATIC, SCALES, a, c, energy, field, lambda_, on_plane
from adasde.papers.compagnoni2024.rules import seg_same, seg_schedule, shgd_schedule
from adasde.papers.parts import Parts, coefficients, to_first_order
from adasde.papers.statement import Statement, unnumbered

PAPER = "compagnoni2024"
J = QUADRATIC
SIGMA = sp.diag(*(scale**2 for scale in SCALES))
GAME = "f = a x^2/2 + lambda x y - c y^2/2, additive noise of scale s_x and s_y"


def sgda() -> Parts:
    """dZ = -F dt + sqrt(eta) Sigma^(1/2) dW."""
    return _parts(-field(J), SIGMA)


def seg(same: bool = False) -> Parts:
    """dZ = -(F - rho E[grad F_1 F_2]) dt + sqrt(eta) (Sigma + rho (S + S^T))^(1/2) dW with grad F_1 = J. S = 0 for
    independent minibatches; S = -Sigma J^T, the covariance of F_1 and -J F_1, where both are the same."""
    cross = -SIGMA * J.T if same else sp.zeros(2, 2)
    return _parts(-field(J) + rho * J * field(J), SIGMA + rho * (cross + cross.T))


def hamiltonian() -> Parts:
    """dZ = -grad E[F_1.F_2/2] dt + sqrt(eta) (Cov of (J^T F_1 + J^T F_2)/2)^(1/2) dW."""
    return _parts(-J.T * field(J), J.T * SIGMA * J / 2)


def _parts(drift: sp.Matrix, covariance: sp.Matrix) -> Parts:
    return coefficients(PLANE, list(drift.applyfunc(sp.expand)), (eta * covariance).applyfunc(sp.expand))


def _alike(parts: Parts) -> Parts:
    """The parts for two players with the same curvature and noise, whose noises stay uncorrelated at order rho^2."""
    return {part: value.subs({c: a, SCALES[1]: SCALES[0]}) for part, value in parts.items()}


_statement = partial(unnumbered, PAPER)
_PUBLIC = "public code"


def _closed_form(method: str, alpha: sp.Expr) -> Statement:
    """E r of the notebook against the equation that the derived model gives it."""
    rule, constants = {
        "SEG": (seg_schedule, {k: 2 * rho * lambda_**2, C: eta * s**2 * (1 + rho**2 * lambda_**2)}),
        "SHGD": (shgd_schedule, {k: 2 * lambda_**2, C: eta * s**2 * lambda_**2}),
    }[method]
    remark = {
        "SEG": "k = 2 rho lambda^2, C = eta s^2 (1 + rho^2 lambda^2)",
        "SHGD": "k = 2 lambda^2, C = eta s^2 lambda^2: one minibatch, used twice",
    }[method]
    return _statement(
        f"{method}, E r with the learning rate eta (1 + t)^-alpha, alpha = {alpha}",
        closed_forms.rate_of_change(alpha, constants),
        lambda: closed_forms.by_the_model(rule, alpha, constants),
        f"{remark}; as a solution of its equation",
        provenance=_PUBLIC,
    )


STATEMENTS = (
    _statement("SGDA", sgda(), lambda: on_plane(derive(sgd).sde), GAME),
    _statement(
        "SEG, independent minibatches",
        _alike(seg()),
        lambda: _alike(on_plane(derive(extragradient).sde)),
        f"{GAME}, here with c = a and s_y = s_x: the printed covariance is to first order in rho",
        "agrees to leading order",
        rho,
    ),
    _statement(
        "SEG, the same minibatch",
        seg(same=True),
        lambda: on_plane(derive(seg_same).sde),
        f"{GAME}: the printed covariance is to first order in rho",
        "agrees to leading order",
        rho,
    ),
    *(
        _statement(
            f"SEG, {which}, to first order in rho",
            seg(same),
            lambda rule=rule: to_first_order(on_plane(derive(rule).sde), rho),  # type: ignore[misc]
            GAME,
        )
        for which, same, rule in (
            ("independent minibatches", False, extragradient),
            ("the same minibatch", True, seg_same),
        )
    ),
    _statement("SHGD, independent minibatches", hamiltonian(), lambda: on_plane(derive(shgd).sde), GAME),
    _statement(
        "SEG, E r on f = lambda x y",
        {"rate k": 2 * rho * lambda_**2, "level C": eta * s**2 * (1 + rho**2 * lambda_**2)},
        lambda: energy(derive(extragradient).sde),
        "d E r/dt = C - k E r with r = |z|^2/2",
        provenance=_PUBLIC,
    ),
    _statement(
        "SHGD, E r on f = lambda x y",
        {"rate k": 2 * lambda_**2, "level C": eta * s**2 * lambda_**2},
        lambda: energy(derive(shgd).sde),
        "C is that of one minibatch of scale s used twice; with two independent ones it is half of that",
        "differs",
        provenance=_PUBLIC,
    ),
    *(_closed_form(method, alpha) for method in ("SEG", "SHGD") for alpha in closed_forms.EXPONENTS),
    _statement(
        "SEG, decay of E r for noise on lambda",
        {"rate k": 2 * rho * lambda_**2 - eta * s**2 * (1 + rho**2 * (2 * lambda_**2 + s**2))},
        lambda: {"rate k": closed_forms.rate(closed_forms.of_rule(extragradient))},
        "f = (lambda + s Z) x y, independent minibatches",
        provenance=_PUBLIC,
    ),
    _statement(
        "SHGD, decay of E r for noise on lambda",
        {"rate k": 2 * lambda_**2 - eta * s**2 * (2 * lambda_**2 + s**2)},
        lambda: {"rate k": closed_forms.rate(closed_forms.of_hamiltonian())},
        "f = (lambda + s Z) x y, independent minibatches; from grad (F_1.F_2)/2 itself, as J is random here",
        provenance=_PUBLIC,
    ),
)
