"""The loss bounds: equalities on a quadratic in one dimension, bounds in two, and refused where there is none."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
import sympy as sp

from adasde.derive.bounds import CURVATURE, L, L_tau, at_rest, bounded, ito, mu, sde_bound
from adasde.derive.law import NotDerivable
from adasde.derive.laws import LAWS
from adasde.derive.notation import G, eta, p, s, theta, x
from adasde.derive.optimizers import registry
from adasde.papers.compagnoni2025.bounds import (
    STATEMENTS as BOUNDS,
)
from adasde.papers.compagnoni2025.bounds import _of, as_parts, decoupled_level, first_phase, third_phase
from adasde.papers.compagnoni2025.signsgd import ATOMS, CDF, model, printed_sde
from adasde.papers.compagnoni2025.stationary import STATEMENTS as STATIONARY
from adasde.papers.compagnoni2025.stationary import lamda
from adasde.papers.compagnoni2025.stationary import of_sde as stationary
from adasde.papers.statement import row

RULES = registry()
ONE_DIMENSION = {mu: lamda, L: lamda, L_tau: lamda}


@pytest.mark.parametrize(("optimizer", "coupled"), [("sgd", 0), ("rmsprop", 0), ("rmspropw", 0), ("rmsprop", theta)])
def test_level_is_reached_on_a_quadratic(optimizer: str, coupled: sp.Expr) -> None:
    """On lambda x^2/2 the level of the bound is lambda/2 times the stationary variance of the SDE."""
    level = sde_bound(RULES[optimizer], coupled=coupled).level.subs(ONE_DIMENSION)
    assert sp.simplify(level - lamda / 2 * stationary(optimizer, coupled)) == 0


def test_decoupled_decay_saturates_as_the_noise_grows() -> None:
    """The level of RMSpropW stays below eta L_tau/(2 theta (1 + mu/L)), printed and derived; without decay, or with the
    coupled one, it grows like s."""
    limit = eta * L_tau / (2 * theta * (1 + mu / L))
    assert sp.simplify(sp.limit(decoupled_level(theta), s, sp.oo) - limit) == 0
    assert sp.simplify(sp.limit(sde_bound(RULES["rmspropw"]).level, s, sp.oo) - limit) == 0
    for coupled in (sp.S.Zero, theta):
        assert sp.limit(sde_bound(RULES["rmsprop"], coupled=coupled).level / s, s, sp.oo) not in (0, sp.oo)


def test_third_phase_solves_its_own_equation() -> None:
    """E x^2 of the SDE that is linear in G, on lambda x^2/2: rate and level are those of the bound."""
    sde = third_phase()
    change = sp.expand((2 * x * sde["drift of x"] + sde["variance of x"]).subs(G, lamda * x))
    rate, source = -change.coeff(x, 2), change.coeff(x, 0)
    found = {part: value.subs(ONE_DIMENSION) for part, value in as_parts(_of(sde)).items()}
    assert sp.simplify(found["rate of the bound"] - rate) == 0
    assert sp.simplify(found["level of the bound"] - lamda / 2 * source / rate) == 0


@pytest.mark.parametrize("optimizer", ["sgd", "rmspropw"])
def test_bound_holds_in_two_dimensions(optimizer: str) -> None:
    """E f of the linear SDE on a diagonal quadratic, in closed form, stays below the bound at all times."""
    curvatures, start, numbers = (0.5, 3.0), (1.0, -0.4), {eta: 0.05, s: 0.7, theta: 0.3}
    (drift, variance), constants = at_rest(RULES[optimizer]), {mu: 0.5, L: 3.0, L_tau: 3.5}
    limits = {
        part: float(value.subs(constants).subs(numbers))
        for part, value in as_parts(bounded(ito(drift, variance))).items()
    }
    rate, level = limits["rate of the bound"], limits["level of the bound"]
    times = np.linspace(0.0, 12.0, 100)
    loss = np.zeros_like(times)
    for curvature, at in zip(curvatures, start, strict=True):
        slope = -float(sp.diff(drift.subs(G, curvature * x), x).subs(numbers))
        spread = float(variance.subs(numbers)) / (2 * slope)
        loss += curvature / 2 * (at**2 * np.exp(-2 * slope * times) + spread * (1 - np.exp(-2 * slope * times)))
    assert np.all(loss <= loss[0] * np.exp(-rate * times) + level * (1 - np.exp(-rate * times)) + 1e-14)


def test_first_phase_by_its_flow() -> None:
    """dx = -sign(x) dt on mu x^2/2 comes to rest at |x0| = sqrt(2 S0/mu): no bound of this kind is sharper."""
    S0 = sp.Symbol("S0", positive=True)
    assert sp.simplify(first_phase()["end of phase 1"] - sp.sqrt(2 * S0 / mu)) == 0


def test_growth_has_no_bound() -> None:
    """A drift up the gradient, or noise that grows with it, is refused."""
    for change in (G**2, eta * G**2 * CURVATURE, x * G):
        with pytest.raises(NotDerivable, match="no upper bound"):
            bounded(change)


@pytest.mark.parametrize("law", ATOMS)
def test_signs_of_noise_with_atoms(law: str) -> None:
    """Against the two cases counted by hand: the derived variance is that of sign(g) everywhere, the printed one only
    where g cannot be 0, since sign(0) = 0."""
    chance = sp.Rational(1, 2) if law == "rademacher" else sp.Rational(1, 5)
    high, low = sp.sqrt((1 - chance) / chance), -sp.sqrt(chance / (1 - chance))
    derived, printed = (parts["variance of x"] for parts in (model(LAWS[law]()), printed_sde(CDF[law])))
    met = 0
    for gradient in (sp.Rational(k, 4) for k in range(-14, 15)):
        signs = [(sp.sign(gradient + z), w) for z, w in ((high, chance), (low, 1 - chance))]
        exact = sum(v * v * w for v, w in signs) - sum(v * w for v, w in signs) ** 2
        at, zero = {G: gradient, s: 1, p: chance, eta: 1}, any(v == 0 for v, _ in signs)
        assert sp.simplify(derived.subs(at) - exact) == 0, gradient
        assert (sp.simplify(printed.subs(at) - exact) == 0) != zero, gradient
        met += zero
    assert met == 2


CLOSED = [statement for statement in (*STATIONARY, *BOUNDS) if "scaling rule" not in statement.name]


@pytest.mark.parametrize("statement", CLOSED, ids=lambda statement: statement.name)
def test_a_wrong_exponent_is_noticed(statement) -> None:
    """Every closed form of the stationary and loss sections, with each of its symbols to another power: the verdict, or
    where it is "differs" the difference, is no longer the one on record."""
    derived = statement.derived()
    held = dataclasses.replace(statement, derived=lambda: derived)
    honest = row(held)
    assert honest.verdict == statement.expected
    for part, printed in statement.printed.items():
        for symbol in sorted(printed.free_symbols - {sp.Symbol("S", positive=True)}, key=str):
            wrong = {**statement.printed, part: printed * sp.sqrt(symbol)}
            found = row(dataclasses.replace(held, printed=wrong))
            assert found.verdict != statement.expected or found.difference != honest.difference, (part, symbol)
            assert found.verdict == "differs" or symbol == statement.small
