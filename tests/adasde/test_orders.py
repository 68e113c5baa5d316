"""Rung 5: derived models have their weak order, and models with one mistake lose it."""

import dataclasses

import numpy as np
import pytest
import sympy as sp

from adasde import UnknownName
from adasde.derive.expansion import derive
from adasde.derive.law import NotDerivable
from adasde.derive.noise import Gaussian
from adasde.derive.notation import eta, g, rho1, x
from adasde.derive.rule import update_rule
from adasde.verify import order_cases, orders, transfer
from adasde.verify.chain import optimizer
from adasde.verify.order_cases import adam_uncorrected, cases, lion, mutants
from adasde.verify.orders import WeakOrder, weak_orders
from adasde.verify.polynomials import basis
from adasde.verify.problem import Problem, coefficients, default_problem, evaluation

PAIR = (1 / 32, 1 / 64)
FASTER = ["sgd", "signsgd", "rmsprop", "lion"]


def models(rule, *chosen):
    """sde, order2 and the chosen mutants."""
    found = dict(order_cases.models(rule))
    return [(name, found[name]) for name in ("sde", "order2", *chosen)]


@pytest.mark.parametrize("name", FASTER)
def test_derived_models_have_their_order(name):
    """Slope within 0.15 of 1 for the SDE and of 2 for the order-2 model, for every test function."""
    rule = cases()[name].rule
    for order in weak_orders(rule, models(rule), etas=PAIR):
        assert order.holds and max(order.uncertainties) < orders.RESOLVED, (order.model, order.slopes)


def test_every_mistake_in_rmsprops_model_costs_an_order():
    """Each mutant of the order-2 model falls well below 2 for some test function."""
    rule = cases()["rmsprop"].rule
    found = weak_orders(rule, mutants(derive(rule, order=2).sde), etas=PAIR)
    assert len(found) == 5
    assert all(order.loses and min(order.slopes) < 1.5 for order in found), [(o.model, o.slopes) for o in found]


def test_adam_as_shipped_and_with_the_wrong_correlation():
    """Three states and bias factors: order 1, order 2, no order 2 with anticorrelated noises of m and v."""
    rule = cases()["adam"].rule
    first, second, wrong = weak_orders(rule, models(rule, "order2, noise 1 of m reversed"), etas=PAIR)
    assert first.holds and second.holds, (first.slopes, second.slopes)
    assert wrong.loses and not wrong.holds


@pytest.mark.slow
@pytest.mark.parametrize("name", list(cases()))
def test_committed_slopes_are_reproduced(name):
    """Every slope of the table, measured afresh, to 0.01."""
    assert all(row.agrees for row in order_cases.reproduce(name))


@pytest.mark.parametrize("name", list(cases()))
def test_the_committed_table_supports_the_claims(name):
    """sde and order2 hold, and every mutant on record loses its order."""
    assert set(orders.table()) == set(cases()) == set(orders.remarks())
    for order in orders.table()[name]:
        assert max(order.uncertainties) < orders.RESOLVED
        assert order.holds if order.model in ("sde", "order2") else order.loses, (order.model, order.slopes)


def test_reproduction_compares_slopes():
    """One committed case is reproduced, and a table whose order-1 errors are another's is not."""
    committed = orders.table()["sgd"]
    fresh = weak_orders(cases()["sgd"].rule, models(cases()["sgd"].rule))
    assert all(row.agrees for row in orders.compare(committed, fresh))
    swapped = [dataclasses.replace(committed[1], model="sde"), dataclasses.replace(committed[0], model="order2")]
    assert not any(row.agrees for row in orders.compare(swapped, fresh))
    with pytest.raises(UnknownName, match="order2"):
        orders.compare(committed[:1], fresh)


def test_table_survives_writing(tmp_path):
    """What is written is what is read."""
    path = tmp_path / "orders.json"
    orders.write([("sgd", "a remark", orders.table()["sgd"])], path)
    assert '"a remark"' in path.read_text()
    row = orders.json.loads(path.read_text())["sgd"]["models"][1]
    assert orders._read("sgd", row) == orders.table()["sgd"][1]


START = np.array([[1.5]]), np.ones(1)
LINEAR = Problem(2 * x, sp.S.Half, {x: 1.5}, {}, (x, x**2))


def test_sgd_on_a_quadratic_is_exact():
    """Mean and variance of SGD, and of its SDE (an Ornstein-Uhlenbeck process), against closed forms to 1e-9."""
    step, rule, a = 1 / 16, cases()["sgd"].rule, 2.0
    at, chain = transfer.fine(1), optimizer(rule, LINEAR)
    moving = transfer.frame(chain, START, LINEAR.steps(step), transfer.gaussian, 1.0)
    functions = evaluation(LINEAR, rule.states)
    found = transfer.optimizer_means(chain, functions, START, moving, transfer.gaussian, at)
    mean, variance = 1.5 * (1 - step * a) ** 16, sum((step / 2) ** 2 * (1 - step * a) ** (2 * j) for j in range(16))
    assert found == pytest.approx([mean, mean**2 + variance], rel=1e-11)
    model = coefficients(derive(rule).sde, LINEAR)
    found = transfer.model_means(model, functions, START, moving, at)
    mean, variance = 1.5 * np.exp(-a), step / 4 * (1 - np.exp(-2 * a)) / (2 * a)
    assert found == pytest.approx([mean, mean**2 + variance], rel=1e-8)


def test_signsgd_equals_its_lattice_walk():
    """The transfer operator against the exact law of SignSGD on its lattice, state by state."""
    rule, step, n = cases()["signsgd"].rule, 1 / 16, 16
    problem = default_problem(rule)
    slope, scale = (sp.lambdify(x, f, "numpy") for f in (problem.gradient, problem.scale))
    law = {0: 1.0}
    for _ in range(n):
        after: dict[int, float] = {}
        for place, p in law.items():
            at = 1.5 + step * place
            up = float(Gaussian().cdf(sp.Float(-slope(at) / scale(at))))
            after[place + 1] = after.get(place + 1, 0) + p * up
            after[place - 1] = after.get(place - 1, 0) + p * (1 - up)
        law = after
    exact = sum(p * (1.5 + step * place) ** 2 for place, p in law.items())
    chain, start = optimizer(rule, problem), START
    moving = transfer.frame(chain, start, problem.steps(step), transfer.gaussian, 1.0)
    functions = evaluation(problem, rule.states)
    found = transfer.optimizer_means(chain, functions, start, moving, transfer.gaussian, transfer.fine(1))
    assert found[0] == pytest.approx(exact, rel=1e-9)


def test_resolution_does_not_matter():
    """Degree, nodes, frame width and tolerance move RMSprop's errors by less than 1e-6 of the order-2 error."""
    rule = cases()["rmsprop"].rule
    second = models(rule)[1:]
    base = transfer.fine(2)
    changed = dataclasses.replace(base, degree=12, nodes=15, noise_nodes=24, width=1.3, tolerance=1e-11)
    arguments = (rule, second, default_problem(rule), 1 / 64, transfer.gaussian)
    errors, others = (orders.weak_errors(*arguments, at) for at in (base, changed))
    assert np.abs(errors - others).max() < 1e-8 < 1e-3 * np.abs(errors).max()


def test_basis_is_orthonormal_and_its_derivatives_are_exact():
    """<psi_a, psi_b> = delta_ab, and d/dxi_i of a random polynomial equals a central difference."""
    polynomials = basis((5, 5, 3), (7, 7, 5))
    gram = polynomials.project(polynomials.values.T)
    assert np.abs(gram - np.eye(len(gram))).max() < 1e-12
    rng = np.random.default_rng(0)
    u, xi = rng.normal(size=len(gram)), rng.normal(size=(3, 4))
    for i in range(3):
        h = np.zeros((3, 1))
        h[i] = 1e-5
        difference = (polynomials.at(xi + h) - polynomials.at(xi - h)).T @ u / 2e-5
        assert polynomials.at(xi).T @ (polynomials.derivatives[i] @ u) == pytest.approx(difference, rel=1e-6, abs=1e-6)


def test_kinked_rule_integrates_both_sides():
    """E sign(Z - c) and E Z^2 1(Z > c) at several kinks, two kinks at once."""
    kinks = np.array([[-1.0, 0.5], [0.3, 20.0]])
    z, w = transfer.gaussian(20, kinks)
    assert w.sum(axis=1) == pytest.approx(1, abs=1e-12)
    means = (w * np.sign(z - kinks[:, :1])).sum(axis=1)
    exact = [float(1 - 2 * Gaussian().cdf(sp.Float(c))) for c in kinks[:, 0]]
    assert means == pytest.approx(exact, abs=1e-12)


def errors(first, second, floor=0.0):
    return WeakOrder("case", "model", 2, ("x",), PAIR, ((first, second),), ((floor, floor),))


def test_verdicts():
    """Order two holds at slope 2; 1.8 and 2.2 do not; a slope near the numerical error decides nothing."""
    assert errors(4e-4, 1e-4).holds and not errors(4e-4, 1e-4).loses
    assert errors(4e-4, 1e-4, floor=8e-6).holds and not errors(4e-4, 1e-4, floor=9e-6).holds
    assert not errors(2e-4, 1e-4, floor=2e-6).loses and errors(2e-4, 1e-4, floor=2e-6).verdict == "fails"
    assert not errors(3.4e-4, 1e-4).holds and errors(3.4e-4, 1e-4).loses
    assert not errors(4.7e-4, 1e-4).holds and not errors(4.7e-4, 1e-4).loses
    outcomes = [orders.checks([e])[0].outcome for e in (errors(4, 1), errors(2, 1), errors(4, 1, floor=0.1))]
    assert outcomes == ["holds", "fails", "undecided"]


@update_rule(states=(x,), dialect="paper", cite="none")
def cubed():
    """A sign that is not affine in the gradient."""
    return {x: x - eta * sp.sign(g**3 - g)}


def test_refusals():
    """Non-affine signs, unknown cases, step sizes that do not fit, values that are missing."""
    with pytest.raises(NotDerivable, match="affine"):
        optimizer(cubed, default_problem(cubed))
    with pytest.raises(UnknownName, match="signsgd"):
        order_cases.reproduce("nadamw")
    with pytest.raises(ValueError, match="halve"):
        weak_orders(lion, [], etas=(1 / 8, 1 / 12))
    with pytest.raises(ValueError, match="divide"):
        LINEAR.steps(0.3)
    lacking = dataclasses.replace(default_problem(adam_uncorrected), values={rho1: 2.0})
    with pytest.raises(ValueError, match="eps, rho2"):
        optimizer(adam_uncorrected, lacking)
