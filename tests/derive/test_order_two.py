"""Order two by two routes, its refusals, and what obstructs it in the batch-equivalent scaling."""

import pytest
import sympy as sp

from adasde.derive.expansion import derive
from adasde.derive.generator import expand
from adasde.derive.language import decay, eta, g, hyperparameter, m, sign, update_rule, x
from adasde.derive.law import NotDerivable
from adasde.derive.laws import LAWS, law_named
from adasde.derive.noise import Gaussian
from adasde.derive.notation import G, Hb, s, sb, t
from adasde.derive.obstruction import obstructions
from adasde.derive.optimizers import checked_in, registry
from adasde.derive.scalings import S, ballistic, batch_equivalent, slope

x_ = registry()["sgd"].states[0]
RANDOM = {"m": 0.37, "v": 1.9, "rho1": 2.3, "rho2": 1.7, "eps": 0.21, "theta": 0.4, "t": 0.8, "x": 0.6}
F = 0.3 * x_ + sp.sin(x_)
"""A gradient f'(x); S below is a noise scale."""
SCALE = 0.7 + 0.2 * sp.cos(x_)


def at_random(expression):
    """The value with f' = F, S = SCALE and every symbol at an arbitrary number."""
    expression = expression.subs(slope, F).subs(S, SCALE).doit()
    names = {symbol: RANDOM[symbol.name] for symbol in expression.free_symbols if symbol.name in RANDOM}
    return float(expression.subs(names))


@pytest.mark.parametrize("name", checked_in())
def test_two_routes_to_order_two(name):
    """The model that is derived coordinate by coordinate has, in one dimension, the generator D1 + eta (D2 - D1 D1/2)
    of the algebra of operators: drift and covariance, up to O(eta^2), with a noise scale that depends on x."""
    rule = registry()[name]
    chain = ballistic(rule, state_dependent=True)
    algebra, sde = expand(chain, Gaussian()), derive(rule, Gaussian(), 2).sde
    exact = {sp.Symbol(f"r{i}", positive=True): sp.Symbol(f"rho{i}", positive=True) for i in (1, 2)}
    along = sde.expand_names(sde.along)
    second = {Hb: sp.diff(F, x_) * along, sb: sp.diff(SCALE, x_) * along}
    for i in range(len(rule.states)):
        drift = sde.full_drift[i].subs(second).subs({G: F, s: SCALE})
        terms = []
        for operator in (algebra.leading, algebra.correction):
            coefficient = operator.drift[i]
            for symbol, value in reversed(chain.named):
                coefficient = coefficient.subs(symbol, value)
            terms.append(coefficient)
        for step in (1e-3, 5e-4):
            rate = {q: -sp.log(1 - step * RANDOM[p.name]) / step for q, p in exact.items()}
            expected = at_random((terms[0] + step * terms[1]).subs(rate))
            assert at_random(drift.subs(eta, step)) == pytest.approx(expected, abs=60 * step**2)
    covariance = sde.full_covariance.subs({G: F, s: SCALE})
    for i in range(len(rule.states)):
        for j in range(len(rule.states)):
            second_part = algebra.correction.covariance[i, j]
            for symbol, value in reversed(chain.named):
                second_part = second_part.subs(symbol, value)
            rate = {q: RANDOM[p.name] for q, p in exact.items()}
            found = at_random(covariance[i, j].subs(eta, 1e-6)) / 1e-6
            assert found == pytest.approx(at_random(second_part.subs(rate)), abs=1e-4)


def test_time_dependence_enters():
    """Adam's bias factors: without their derivative in time the two routes would part (t is a state)."""
    assert t in ballistic(registry()["adam"]).states and t not in ballistic(registry()["sgd"]).states


@update_rule(states=(x, m), dialect="paper", cite="-")
def signum(beta1=decay(1, 0.9)):
    m_next = beta1 * m + (1 - beta1) * g
    return {x: x - eta * sign(m_next), m: m_next}


@update_rule(states=(x,), dialect="paper", cite="-")
def clipped(c=hyperparameter("c", 1.0, "(0, inf)")):
    return {x: x - eta * sp.Max(sp.Min(g, c), -c)}


@update_rule(states=(x,), dialect="paper", cite="-")
def soft_sign():
    return {x: x - eta * sp.tanh(g)}


def test_a_sign_without_noise_is_refused_at_order_two():
    """Signum: the sign's argument loses its noise as eta -> 0; order one says what it assumes."""
    with pytest.raises(NotDerivable, match=r"sign\(m\), and no noise of order one smooths it"):
        derive(signum, Gaussian(), 2)
    assert any("smoothed by no noise" in note for note in derive(signum).sde.assumptions)


@pytest.mark.parametrize("law", [name for name, law in LAWS.items() if not law().smooth])
def test_a_law_without_a_density_is_refused_at_order_two(law):
    """The mean sign has a jump or a kink: no order two for signs, order two for polynomials all the same."""
    with pytest.raises(NotDerivable, match=f"under {law} noise"):
        derive(registry()["signsgd"], law_named(law), 2)
    assert derive(registry()["rmsprop"], law_named(law), 2).sde.weak_order == 2


def test_orders_above_two_are_refused():
    with pytest.raises(NotDerivable, match=r"order = 3 is outside \{1, 2\}"):
        derive(registry()["sgd"], Gaussian(), 3)


def test_running_maximum_is_refused():
    """AMSGrad: the maximum of two states' successors is smoothed by no noise."""
    from adasde.derive.notation import rho2, v

    top = sp.Symbol("m", real=True)

    @update_rule(states=(x, top, v), dialect="torch", cite="-")
    def amsgrad(beta2=decay(2, 0.99), eps=hyperparameter("eps", 1e-8, "(0, inf)")):
        v_next = beta2 * v + (1 - beta2) * g**2
        largest = sp.Max(top, v_next)
        return {x: x - eta * g / (sp.sqrt(largest) + eps), top: largest, v: v_next}

    assert rho2 in {h.rate for h in amsgrad.hyperparameters}
    for order in (1, 2):
        with pytest.raises(NotDerivable, match="amsgrad"):
            derive(amsgrad, Gaussian(), order)


@pytest.mark.parametrize("rule", [clipped, soft_sign], ids=lambda rule: rule.name)
def test_clipping_and_soft_signs_have_both_orders(rule):
    """Var h = E h^2 - (E h)^2 as one motion, drift with Hb at order two."""
    for order in (1, 2):
        sde = derive(rule, Gaussian(), order).sde
        assert sde.diffusion.shape == (1, 1)
        assert sde.full_drift.has(Hb) == (order == 2)


def coefficients(operator):
    return dict(operator.named_terms())


def test_obstructions_of_sgd():
    """F3, F4: skewness at half an order, kurtosis, and a noise scale that depends on x; Gaussian noise of constant
    scale alone has none."""
    M3, M4 = sp.Symbol("M3", real=True), sp.Symbol("M4", positive=True)
    found = obstructions(registry()["sgd"], state_dependent=True)
    assert coefficients(found.expansion.half) == {"d_x^3": -M3 * S**3 / 6}
    rest = coefficients(found.expansion.obstruction)
    assert sp.simplify(rest["d_x^4"] - S**4 * (M4 - 3) / 24) == 0
    assert sp.simplify(rest["d_x^3"] + S**3 * S.diff(x) / 2) == 0
    assert found.possible and found.laws == ("gaussian",)


@pytest.mark.parametrize(
    ("name", "moved", "third", "fourth"),
    [("rmsprop", "x", "rho2*s**4*(M4 - 1)/(2*P**2)", "s**4*(M4 - 3)/(24*P**4)"),
     ("adam", "m", "rho1**2*rho2*s**4*(M4 - 1)/2", "rho1**4*s**4*(M4 - 3)/24")],
)  # fmt: skip
def test_no_law_has_order_two_for_adaptive_methods(name, moved, third, fourth):
    """F3: M4 = 1 and M4 = 3 would both be needed; computed in seconds."""
    found = obstructions(registry()[name])
    rest = coefficients(found.expansion.obstruction)
    assert {key: str(value) for key, value in rest.items()} == {f"d_{moved}^2 d_v": third, f"d_{moved}^4": fourth}
    assert not found.possible and found.laws == ()


def test_batch_equivalent_sgd_has_the_terms_that_the_naive_rule_misses():
    """b1 = -f'f''/2 + s^2 f'''/4 and a1 = s^2 f'' for Gaussian noise of constant scale."""
    found = expand(batch_equivalent(registry()["sgd"]), Gaussian())
    f2, f3 = slope.diff(x), slope.diff(x, 2)
    assert sp.simplify(found.correction.drift[0] - (s**2 * f3 / 4 - slope * f2 / 2)) == 0
    assert sp.simplify(found.correction.covariance[0, 0] - s**2 * f2) == 0
    assert not found.obstruction.terms and not found.half.terms
