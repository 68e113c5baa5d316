"""`adasde stationary`: printed, derived and simulated variances side by side, also where H and Sigma do not commute."""

import dataclasses
import json

import numpy as np
import pytest
from click.testing import CliRunner, Result
from scipy.linalg import solve_continuous_lyapunov

import adasde.stationary
from adasde import Quadratic, gaussian, simulate
from adasde.cli import main
from adasde.noise import empirical
from adasde.papers.compagnoni2025 import schedules
from adasde.stationary import stationary
from adasde.stationary_linear import covariance, rates
from adasde.stationary_problem import problem_of
from adasde.stationary_terms import exact_variances, two_terms

ROTATION = np.array([[np.cos(0.6), -np.sin(0.6)], [np.sin(0.6), np.cos(0.6)]])
DENSE = ROTATION @ np.diag([0.7, 2.5]) @ ROTATION.T
SIGMA = np.array([[1.0, 0.5], [0.5, 0.8]])
Z_LIMIT = 4.9
"""False alarms: below 1e-5 a test."""


def run(line: str) -> Result:
    return CliRunner().invoke(main, ["stationary", *line.split()])


@pytest.fixture(scope="module")
def adamw():
    """Every model of AdamW."""
    values = {"lr": 0.01, "beta1": 0.9, "beta2": 0.99, "weight_decay": 0.3}
    return stationary("adamw", loss="quadratic:1", noise="gaussian:0.5", paths=30_000, **values)


def test_adamw(adamw):
    """The optimizer, the derived SDE and the printed SDE each have the variance that is derived for them; the printed
    SDE's is that of the optimizer times beta1^2, and the printed closed form is off by rho1/(rho1 + theta)."""
    assert adamw.holds and {row.verdict for row in adamw.rows} == {"holds"}
    optimizer, printed = adamw.row("algorithm"), adamw.row("compagnoni2025")
    assert printed.simulated / optimizer.simulated == pytest.approx([0.81], rel=0.05)
    rho1 = 0.1 / 0.01
    assert optimizer.leading / adamw.printed["compagnoni2025"] == pytest.approx([rho1 / (rho1 + 0.3)], rel=1e-6)


def test_sgd_is_exact():
    """eta s^2/(lambda (2 - eta lambda)) against 70 thousand paths, printed form off by eta lambda/2, in JSON."""
    result = run("sgd --loss quadratic:1,3 --noise gaussian:2 --batch 4 --lr 0.2 --paths 70000 --json")
    assert result.exit_code == 0, result.output
    found = json.loads(result.stdout)
    algorithm = found["models"]["algorithm"]
    expected = [0.2 / (a * (2 - 0.2 * a)) for a in (1, 3)]
    assert algorithm["exact"] == pytest.approx(expected)
    assert algorithm["leading"] == pytest.approx([0.1, 0.1 / 3]) == found["printed"]["compagnoni2025"]
    assert algorithm["next_order"] == pytest.approx([0.01, 0.01])
    scores = (np.array(algorithm["simulated"]) - expected) / algorithm["standard_error"]
    assert np.abs(scores).max() < Z_LIMIT
    assert {"algorithm", "sde", "order2", "compagnoni2025"} == set(found["models"])
    for model in found["models"].values():
        assert {"leading", "next_order", "simulated", "standard_error"} <= set(model)


@pytest.mark.parametrize("noise", ["student-t:1:1", "student-t:2:0.5", "gaussian:1"])
def test_signsgd_for_any_law(noise):
    """The exact law of optimizer and SDE, also where the noise has no variance."""
    result = stationary("signsgd", loss="quadratic:2", noise=noise, lr=0.05, paths=30_000)
    algorithm = result.row("algorithm")
    assert algorithm.verdict == "holds" and result.row("sde").verdict == "holds"
    assert algorithm.leading + algorithm.next_order == pytest.approx(algorithm.exact, rel=0.02)


def test_a_wrong_variance_fails(monkeypatch):
    """The leading order in place of the exact variance is noticed."""
    result = stationary("sgd", loss="quadratic:1", noise="gaussian:1", lr=0.3, paths=20_000)
    algorithm = result.row("algorithm")
    assert result.holds and algorithm.verdict == "holds"
    monkeypatch.setattr(adasde.stationary, "exact_variances", lambda problem, model: (algorithm.leading, None))
    wrong = stationary("sgd", loss="quadratic:1", noise="gaussian:1", lr=0.3, paths=20_000)
    assert not wrong.holds and wrong.row("algorithm").verdict == "fails"


@pytest.mark.parametrize("optimizer", ["sgd", "adamw", "signsgd"])
def test_dense_quadratics(optimizer):
    """H and Sigma that do not commute: Lyapunov equations against the simulated optimizer, in every entry."""
    values = {"lr": 0.01, "beta1": 0.9, "beta2": 0.999, "weight_decay": 0.5} if optimizer == "adamw" else {"lr": 0.02}
    noise, loss = gaussian(covariance=SIGMA), Quadratic(DENSE)
    problem = problem_of(optimizer, loss, noise, values)
    expected = covariance(problem, "sde" if optimizer == "signsgd" else "algorithm")
    paths = 40_000
    result = simulate(
        optimizer,
        "algorithm",
        loss=loss,
        noise=noise,
        steps=1500,
        paths=paths,
        save=[1500],
        x0=[0, 0],
        seed=2,
        **values,
    )
    spread = np.sqrt((np.outer(np.diag(expected), np.diag(expected)) + expected**2) / paths)
    allowed = {"sgd": 0.0, "adamw": 0.02, "signsgd": 0.02}[optimizer] * np.sqrt(np.outer(*[np.diag(expected)] * 2))
    assert (np.abs(result.cov[-1] - expected) < Z_LIMIT * spread + allowed).all()
    diagonal = covariance(dataclasses.replace(problem, noise=gaussian([1.0, 0.8**0.5])), problem_model(optimizer))
    assert (np.abs(diagonal - expected) > 2 * (Z_LIMIT * spread + allowed)).any()


def test_dense_models_of_order_two():
    """Hess f times the drift goes through all of H: SGD's drift is -(H + lr H^2/2) x, and Adam's has H of its own."""
    lr = 0.1
    problem = problem_of("sgd", Quadratic(DENSE), gaussian(covariance=SIGMA), {"lr": lr})
    expected = solve_continuous_lyapunov(-(DENSE + lr / 2 * DENSE @ DENSE), -lr * SIGMA)
    np.testing.assert_allclose(covariance(problem, "order2"), expected, rtol=1e-10)
    values = {"lr": 0.01, "beta1": 0.9, "beta2": 0.999}
    flat = problem_of("adam", Quadratic([0.7, 2.5]), gaussian([1.0, 1.0]), values)
    turned = problem_of("adam", Quadratic(DENSE), gaussian([1.0, 1.0]), values)
    # Equal noise in both coordinates: a rotation of H rotates the covariance.
    rotated = ROTATION @ covariance(flat, "order2") @ ROTATION.T
    np.testing.assert_allclose(covariance(turned, "order2"), rotated, rtol=1e-8, atol=1e-12)


def test_empirical_noise():
    """Moments are those of the data: SGD has its closed form, RMSprop's the kurtosis 3.25 of these two points, from
    which the relative variance of v follows."""
    data = empirical([2.0, -0.5], weights=[0.2, 0.8], scale=1.0)
    terms = two_terms(problem_of("sgd", "quadratic:1", data, {"lr": 0.1}), "algorithm")
    assert [float(term[0]) for term in terms] == pytest.approx([0.05, 0.0025])
    problem = problem_of("rmsprop", "quadratic:1", data, {"lr": 1e-3, "beta2": 0.9})
    assert float(problem.law.moment(4).subs(problem.symbols)) == pytest.approx(3.25)
    assert rates(problem) == pytest.approx((1e-3, 0.05 * 2.25), rel=1e-6)


def problem_model(optimizer):
    return "sde" if optimizer == "signsgd" else "algorithm"


def test_dense_equals_separable_where_both_apply():
    """A diagonal H through the matrix equations gives the closed forms."""
    problem = problem_of("adam", "quadratic:1,2", "gaussian:0.5", {"lr": 0.01})
    _, frozen = exact_variances(problem, "algorithm")
    assert np.diag(covariance(problem, "algorithm")) == pytest.approx(frozen, rel=1e-6)
    sgd = problem_of("sgd", "quadratic:1,2", "gaussian:0.5", {"lr": 0.01})
    assert np.diag(covariance(sgd, "order2")) == pytest.approx([0.00125 / (1 + 0.005), 0.00125 / 2 / (1 + 0.01)])


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("sgd --loss mlp:breast_cancer", "linearised as quadratic"),
        ("sgd --loss logistic:breast_cancer:0.1", "linearised as quadratic"),
        ("sgd --loss rosenbrock", "linearised as quadratic"),
        ("sgd --loss quadratic:1,-1", "least eigenvalue of H = -1"),
        ("sgd --lr 1e-7", "a larger lr or curvature relaxes sooner"),
        ("signsgd --noise empirical:@FILE:1", "the linearised model does not relax"),
        ("SCHEDULES:sgd_schedule", "there is no stationary law"),
        ("signsgd --noise rademacher:1", "the linearised model does not relax"),
        ("sgd --plot x.txt", "plot: ending"),
    ],
)
def test_refusals(tmp_path, line, message):
    np.save(tmp_path / "values.npy", np.linspace(-1, 1, 9))
    places = {"FILE": str(tmp_path / "values.npy"), "SCHEDULES": str(schedules.__file__)}
    for word, place in places.items():
        line = line.replace(word, place)
    result = run(line)
    assert result.exit_code == 2 and message in " ".join(result.output.split())


def test_the_table_and_the_figure(tmp_path):
    """Every column in the text, and a figure with four panels that draws the simulated optimizer."""
    path = tmp_path / "stationary.png"
    result = run(f"sgd --loss quadratic:1,3 --lr 0.1 --paths 4000 --plot {path}")
    assert result.exit_code == 0, result.output
    for word in ("leading", "next order", "exact", "simulated", "compagnoni2025, printed", "holds"):
        assert word in result.stdout
    assert path.stat().st_size > 20_000


def test_laws_with_numbers_of_their_own():
    """Skewed noise of SGD: its variance alone counts, to both orders, whatever p is."""
    for noise in ("two-point:0.2:1", "mixture:0.3,-1,1/0.7,1,2:1"):
        terms = two_terms(problem_of("sgd", "quadratic:1", noise, {"lr": 0.1}), "algorithm")
        assert [float(term[0]) for term in terms] == pytest.approx([0.05, 0.0025])


def test_the_dense_figure():
    """One panel with four ellipses, those of the optimizer and of its SDE, simulated and derived."""
    from adasde.stationary_plot import stationary_figure

    noise = gaussian(1.0)
    result = stationary("sgd", loss=Quadratic(DENSE), noise=noise, lr=0.1, paths=100, steps=20)
    (axes,) = stationary_figure(result, noise).axes
    labels = [line.get_label() for line in axes.get_lines()]
    assert labels == ["optimizer, simulated", "optimizer, derived", "sde, simulated", "sde, derived"]
    derived = axes.get_lines()[1].get_xdata()
    assert derived.max() == pytest.approx(
        np.sqrt(covariance(problem_of("sgd", Quadratic(DENSE), noise, {"lr": 0.1}), "algorithm")[0, 0]), rel=1e-3
    )
