"""The derivation against moments computed without it."""

import contextlib
import dataclasses

import mpmath
import numpy as np
import pytest
import sympy as sp
from scipy import integrate, stats

from adasde.derive.covariance import cholesky
from adasde.derive.expansion import derive
from adasde.derive.law import MomentDoesNotExist, NotDerivable
from adasde.derive.noise import Gaussian, StudentT
from adasde.derive.notation import G, Hb, eps, eta, g, k, m, nu, rho1, rho2, s, t, theta, v, x
from adasde.derive.optimizers import checked_in, registry
from adasde.derive.rule import decay, update_rule
from adasde.derive.scaling_limit import schedule_limit

POINT = {x: 0.3, m: -0.4, v: 0.8, G: 0.6, s: 0.9, eps: 1e-3, theta: 0.2, rho1: 3.0, rho2: 0.7, nu: 7, t: 1.7}


def adam_step(x, m, v, g, lr, b1, b2, eps, decay, k):
    m, v = b1 * m + (1 - b1) * g, b2 * v + (1 - b2) * g * g
    return x - lr * decay * x - lr * (m / (1 - b1**k)) / (np.sqrt(v / (1 - b2**k)) + eps), m, v


def rmsprop_step(x, v, g, lr, b2, eps, decay):
    v = b2 * v + (1 - b2) * g * g
    return x - lr * decay * x - lr * g / (np.sqrt(v) + eps), v


TEXTBOOK = {
    "sgd": lambda q, g: (q["x"] - q["lr"] * g,),
    "signsgd": lambda q, g: (q["x"] - q["lr"] * np.sign(g),),
    "rmsprop": lambda q, g: rmsprop_step(q["x"], q["v"], g, q["lr"], q["b2"], q["eps"], 0.0),
    "rmspropw": lambda q, g: rmsprop_step(q["x"], q["v"], g, q["lr"], q["b2"], q["eps"], q["theta"]),
    "adam": lambda q, g: adam_step(q["x"], q["m"], q["v"], g, q["lr"], q["b1"], q["b2"], q["eps"], 0.0, q["k"]),
    "adamw": lambda q, g: adam_step(q["x"], q["m"], q["v"], g, q["lr"], q["b1"], q["b2"], q["eps"], q["theta"], q["k"]),
}
"""The optimizers once more in plain Python, as textbooks have them: an edit of a rule must not go unnoticed."""


def one_step_moments(name, law, eta_value):
    """Mean/eta and covariance/eta of one textbook step, by adaptive quadrature: no part of the derivation is used."""
    q = {str(symbol): value for symbol, value in POINT.items()} | {"lr": eta_value, "k": POINT[t] / eta_value + 1}
    q |= {"b1": 1 - eta_value * POINT[rho1], "b2": 1 - eta_value * POINT[rho2]}
    states = [q[str(y)] for y in registry()[name].states]
    frozen = stats.norm() if isinstance(law, Gaussian) else stats.t(POINT[nu])
    kink = -POINT[G] / POINT[s]

    def change(z):
        after = TEXTBOOK[name](q, POINT[G] + POINT[s] * z)
        return np.array([a - b for a, b in zip(after, states, strict=True)])

    def mean(function):
        integrand = lambda z: function(z) * frozen.pdf(z)  # noqa: E731
        pieces = [(-np.inf, kink), (kink, np.inf)]
        return sum(integrate.quad_vec(integrand, *piece, epsabs=1e-13, epsrel=1e-12, limit=400)[0] for piece in pieces)

    means = mean(change)
    covariance = mean(lambda z: np.outer(change(z) - means, change(z) - means))
    return means / eta_value, covariance / eta_value


def model_moments(sde, eta_value):
    values = POINT | {eta: eta_value}
    return (
        np.array(sde.full_drift.subs(values).evalf(20), dtype=float).ravel(),
        np.array(sde.full_covariance.subs(values).evalf(20), dtype=float),
    )


def moments_agree(name, rule, law):
    """Whether drift and covariance of the derived model are those of one textbook step up to O(eta)."""
    sde = derive(rule, law).sde
    gaps = []
    for eta_value in (1e-3, 5e-4):
        exact, model = one_step_moments(name, law, eta_value), model_moments(sde, eta_value)
        gaps.append(
            np.concatenate([np.abs(a - b).ravel() / (1 + np.abs(a)).ravel() for a, b in zip(exact, model, strict=True)])
        )
    coarse, fine = gaps
    return bool((fine <= 0.6 * coarse + 1e-9).all() and (coarse < 2e-2).all())


@pytest.mark.parametrize("law", [Gaussian(), StudentT()], ids=["gaussian", "student-t"])
@pytest.mark.parametrize("name", checked_in())
def test_drift_and_covariance_match_one_step(name, law):
    """Drift and covariance are those of one step of the optimizer: halving eta halves the gap, if there is one."""
    assert moments_agree(name, registry()[name], law)


@pytest.mark.parametrize("name", checked_in())
def test_one_wrong_sign_in_a_rule_is_noticed(name):
    """Turning the sign of any one additive term of a rule breaks the agreement with the textbook step."""
    rule = registry()[name]
    wrong = []
    for i, update in enumerate(rule.update):
        terms = sp.Add.make_args(update)
        for term in terms:
            if term not in rule.states:
                wrong.append(tuple(u - 2 * term if j == i else u for j, u in enumerate(rule.update)))
    assert wrong
    for update in wrong:
        copy = dataclasses.replace(rule, update=update)
        with contextlib.suppress(NotDerivable):  # a state that no longer tends to its old value is refused
            assert not moments_agree(name, copy, Gaussian())


@pytest.mark.parametrize("name", checked_in())
@pytest.mark.parametrize("law", [Gaussian(), StudentT()], ids=["gaussian", "student-t"])
def test_diffusion_is_a_factor_of_the_one_step_covariance(name, law):
    """B B^T equals eta Cov h computed entry by entry from expectations, not from the factor."""
    from adasde.derive.expectation import expectation

    derivation = derive(registry()[name], law)
    h, sde = derivation.increment, derivation.sde
    for i in range(len(h)):
        for j in range(i + 1):
            exact = eta * (expectation(h[i] * h[j], law) - expectation(h[i], law) * expectation(h[j], law))
            gap = sde.expand_names(exact) - sde.full_covariance[i, j]
            assert abs(gap.subs(POINT | {eta: 0.01}).evalf(20)) < 1e-12


def test_bias_correction_is_derived():
    """(1 - eta rho)^(t/eta + 1) tends to e^(-rho t), and Adam's drift carries 1 - e^(-rho t)."""
    decays = [h for h in registry()["adam"].hyperparameters if h.rate is not None]
    assert [schedule_limit(h) for h in decays] == [sp.exp(-rho1 * t), sp.exp(-rho2 * t)]
    drift = derive(registry()["adam"]).sde.full_drift[0]
    assert drift.has(sp.exp(-rho1 * t)) and drift.has(sp.exp(-rho2 * t))


def test_adams_look_ahead_keeps_its_noise():
    """Adam's position carries both halves of eta rho1 (g - m): drift and noise, with the Brownian motion of dm."""
    sde = derive(registry()["adam"]).sde
    ratio = sp.simplify(sde.diffusion[0, 0] / sde.diffusion[1, 0])
    assert sp.simplify(ratio + eta / sp.Symbol("P", positive=True) / sp.Symbol("gamma1", positive=True)) == 0


def test_signsgd_drift_is_the_mean_sign():
    """Drift -erf(G/(sqrt 2 s)), and -(2 F_nu(G/s) - 1) for nu = 1, 2, 3, to 1e-12 against scipy."""
    rule = registry()["signsgd"]
    for law, frozen in [(Gaussian(), stats.norm)] + [(StudentT(sp.Integer(n)), stats.t(n)) for n in (1, 2, 3)]:
        drift = sp.lambdify((G, s), derive(rule, law).sde.full_drift[0], "mpmath")
        for gradient in (-5.0, -0.3, 0.0, 0.02, 1.0, 30.0):
            assert float(drift(mpmath.mpf(gradient), 0.8)) == pytest.approx(
                1 - 2 * frozen.cdf(gradient / 0.8), abs=1e-12
            )


def test_missing_moments_stop_a_derivation():
    """SGD with nu <= 2 has no SDE; RMSprop and Adam need nu > 4; SignSGD needs nothing."""
    for name, enough in (("sgd", 2), ("rmsprop", 4), ("adam", 4), ("adamw", 4)):
        with pytest.raises(MomentDoesNotExist):
            derive(registry()[name], StudentT(sp.Integer(enough)))
        derive(registry()[name], StudentT(sp.Integer(enough) + sp.Rational(1, 2)))
    assert derive(registry()["signsgd"], StudentT(sp.Rational(1, 2))).sde.moments == 0


def test_what_is_not_supported_is_refused_by_name():
    """A rule that stands still on its clock, a schedule in no whole power of k, a state that forgets at once, a rule
    without noise."""
    scheduled = update_rule(states=(x,), dialect="paper", cite="-")(lambda: {x: x - eta * g / k})
    with pytest.raises(NotDerivable, match="increments vanish to first order"):
        derive(scheduled)
    rooted = update_rule(states=(x,), dialect="paper", cite="-")(lambda: {x: x - eta * g * sp.sqrt(k)})
    with pytest.raises(NotDerivable, match=r"it contains sqrt\(k\)"):
        derive(rooted)
    reset = update_rule(states=(x, m), dialect="paper", cite="-")(lambda: {x: x - eta * m, m: g})
    assert derive(reset).sde.covariance == derive(registry()["sgd"]).sde.covariance  # m is averaged out
    fed = update_rule(states=(x, m), dialect="paper", cite="-")(lambda: {x: x - eta * m, m: m * g})
    with pytest.raises(NotDerivable, match="increment of m does not vanish with eta"):
        derive(fed)
    noiseless = update_rule(states=(x,), dialect="paper", cite="-")(lambda: {x: x - eta * x})
    with pytest.raises(NotDerivable, match="no noise"):
        derive(noiseless)


def test_schedules_of_the_learning_rate():
    """eta u(eta k): the drift gets u(t), the covariance u(t)^2, and order two -(eta/2) u'(t) of the drift besides."""

    def scheduled(clock):
        return update_rule(states=(x,), dialect="paper", cite="-")(lambda: {x: x - eta * g / (1 + clock)})

    for clock in (eta * (k - 1), eta * k):
        rule = scheduled(clock)
        first, second = derive(rule).sde, derive(rule, order=2).sde
        assert sp.simplify(first.drift[0] + G / (1 + t)) == 0
        assert sp.simplify(first.covariance[0] - eta * s**2 / (1 + t) ** 2) == 0
        late = eta * G / (1 + t) ** 2 if clock == eta * k else sp.S.Zero  # u(t + eta) = u + eta u'
        expected = -G / (1 + t) + late + eta / 2 * (Hb / (1 + t) - G / (1 + t) ** 2)
        assert sp.simplify(sp.series(second.drift[0] - expected, eta, 0, 2).removeO()) == 0


def test_a_dependent_noise_function_gets_no_column():
    """Where Z^2 is a function of Z under the law, the covariance has rank one and so has its factor."""
    factor = cholesky(sp.Matrix([[4, 2], [2, 1]]))
    assert factor.shape == (2, 1) and factor * factor.T == sp.Matrix([[4, 2], [2, 1]])


def test_any_rule_is_derived_by_the_same_procedure():
    """A rule that is not shipped (EMA momentum under SignSGD-like noise) needs no code of its own."""

    @update_rule(states=(x, m), dialect="paper", cite="-")
    def ema(beta1=decay(1, 0.9)):
        m_next = beta1 * m + (1 - beta1) * g
        return {x: x - eta * m_next, m: m_next}

    drift = derive(ema).sde.full_drift
    assert sp.simplify(drift[0] + m + eta * rho1 * (G - m)) == 0 and sp.simplify(drift[1] - rho1 * (G - m)) == 0
