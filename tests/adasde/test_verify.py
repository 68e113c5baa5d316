"""The ladder holds for what is right, and every rung fails for something that is wrong."""

import dataclasses

import numpy as np
import pytest
import sympy as sp
from scipy import stats

from adasde import NoModel, UnknownName, optimizers
from adasde.derive.notation import G, eta, rho2, s
from adasde.kernels.lanes import StepKernel
from adasde.noise import gaussian, student_t
from adasde.verify import closed_forms, kernels, sign_law, verify
from adasde.verify.claims import published_forms
from adasde.verify.closed_forms import closed_forms as rung4
from adasde.verify.kernels import generated_kernels
from adasde.verify.moments import one_step
from adasde.verify.quadrature import rule as quadrature
from adasde.verify.setting import setting

NOISES = [gaussian(0.3), student_t(7, 0.3)]


def subject(name, model="sde", noise=NOISES[0], **given):
    return setting(name, model, noise, optimizers.hyperparameters(name, given))


def outcomes(checks):
    return [check.outcome for check in checks]


@pytest.mark.parametrize("noise", NOISES, ids=["gaussian", "student-t"])
@pytest.mark.parametrize("name", optimizers.names())
def test_rungs_one_to_three_hold_for_every_derived_sde(name, noise):
    """Published forms as recorded; one-step moments, local weak error and kernels right, under both laws."""
    about = subject(name, noise=noise)
    checks = [*published_forms(about), *one_step(about), *generated_kernels(about)]
    assert set(outcomes(checks)) <= {"holds", "recorded"}, [c for c in checks if not c.passed]


@pytest.mark.parametrize(
    "noise", [gaussian(), gaussian((0.1, 0.2)), gaussian(covariance=np.eye(2)), gaussian(covariance="data")]
)
def test_noise_that_only_some_losses_have(noise):
    """Scales by coordinate, from data, and covariances: the driver is checked under one scale, and says so."""
    driver = generated_kernels(subject("sgd", noise=noise))[-1]
    scale = 0.2 if noise.scale == (0.1, 0.2) else 1
    assert driver.outcome == "holds" and driver.measured.endswith(f"24 steps, under gaussian:{scale}")


@pytest.mark.parametrize("nu", [1.0, 2.0, 3.0, 0.5])
def test_signsgd_under_heavy_tails(nu):
    """SignSGD's drift, covariance and kernel need no moment of the noise."""
    about = subject("signsgd", noise=student_t(nu, 0.3))
    assert set(outcomes([*one_step(about), *generated_kernels(about)])) == {"holds"}


def test_signsgd_of_order_two_at_many_degrees_of_freedom():
    """Its density has gamma functions that overflow from nu = 343 on."""
    about = subject("signsgd", "order2", student_t(400.0, 0.3))
    assert set(outcomes(generated_kernels(about))) == {"holds"}


@pytest.mark.parametrize("name", ["sgd", "signsgd", "adamw"])
def test_rung_four_holds(name):
    """Ensembles equal the linear recursion (or the birth-death law), and the stationary variance is right to O(eta)."""
    assert set(outcomes(rung4(subject(name)))) == {"holds"}


def test_adams_printed_sde_is_off_by_beta1_squared():
    """compagnoni2025 differs from the algorithm's stationary variance by beta1^2, and the check says so."""
    found = rung4(subject("adam", "compagnoni2025", beta1=0.9))[-1]
    assert found.outcome == "fails" and "beta1^2 = 0.8100" in found.measured
    ratio = float(found.measured.split("model/optimizer = ")[1].split()[0])
    assert ratio == pytest.approx(0.81, abs=2e-3)


@pytest.mark.parametrize("model", ["compagnoni2025", "malladi2022"])
def test_published_models_fail_where_they_drop_terms(model):
    """One-step covariance of RMSprop and Adam without the noise of v; the drift too in the noise-dominated form."""
    for name in ("rmsprop", "adam"):
        mean, covariance, weak = outcomes(one_step(subject(name, model)))
        assert covariance == "fails"
        assert mean == ("holds" if model == "compagnoni2025" else "fails")
        assert weak == ("holds" if model == "compagnoni2025" else "fails")


WRONG = {
    "sign of the drift": lambda sde: {"drift": -sde.drift},
    "factor of the noise": lambda sde: {"diffusion": 2 * sde.diffusion},
    "no cross term": lambda sde: {
        "diffusion": sp.ImmutableDenseMatrix(sp.diag(*[sp.sqrt(sde.covariance[i, i]) for i in range(2)]))
    },
    "drift of v": lambda sde: {"drift": sde.drift - sp.ImmutableDenseMatrix([0, rho2 * s**2 / 50])},
    "term of order one": lambda sde: {"drift": sde.drift + sp.ImmutableDenseMatrix([G / 100, 0])},
}


@pytest.mark.parametrize("mistake", WRONG)
def test_rung_two_notices_a_wrong_sde(mistake):
    """Each planted mistake in RMSprop's SDE fails the one-step moments, the local weak error, or both."""
    about = subject("rmsprop")
    wrong = dataclasses.replace(about, sde=dataclasses.replace(about.sde, **WRONG[mistake](about.sde)))
    assert "fails" in outcomes(one_step(wrong))


def test_rung_two_allows_terms_of_higher_order():
    """A term O(eta) in the drift is beyond order one: nothing fails."""
    about = subject("rmsprop")
    drift = about.sde.drift + sp.ImmutableDenseMatrix([eta * G / 10, 0])
    assert set(outcomes(one_step(dataclasses.replace(about, sde=dataclasses.replace(about.sde, drift=drift))))) == {
        "holds"
    }


def tampered(step: StepKernel, size: float) -> StepKernel:
    def body(state, *rest):
        step.body(state, *rest)
        state[0] += size

    copy = StepKernel(body, step.noises, step.moments, step.singular)
    copy.__dict__["compiled"] = body
    return copy


@pytest.mark.parametrize("part", ["algorithm", "sde"])
def test_rung_three_notices_a_wrong_kernel(part, monkeypatch):
    """An error of 1e-11 in a step, hardly above rounding, is seen against the equations in high precision."""
    about = subject("adam", lr=0.01)
    module = about.module
    if part == "algorithm":
        monkeypatch.setattr(module, "algorithm", tampered(module.algorithm, 1e-11))
        monkeypatch.setitem(module.MODELS["algorithm"], "gaussian", module.algorithm)
    else:
        monkeypatch.setitem(module.MODELS["sde"], "gaussian", tampered(module.MODELS["sde"]["gaussian"], 1e-11))
    assert "fails" in outcomes(kernels._steps_equal_equations(about))


@pytest.mark.parametrize("law", ["gaussian", "student-t"])
def test_rung_four_notices_wrong_closed_forms(law, monkeypatch):
    """Variances off by 10 % fail: the closed forms are compared at the resolution of the ensemble."""
    exact = closed_forms.moments
    monkeypatch.setattr(
        closed_forms, "moments", lambda *a: [(mean, 1.1 * covariance) for mean, covariance in exact(*a)]
    )
    noise = gaussian(0.3) if law == "gaussian" else student_t(12, 0.3)
    assert outcomes(rung4(subject("sgd", noise=noise)))[0] == "fails"


@pytest.mark.parametrize("nu", [np.inf, 1.0, 2.0, 3.0, 5.5])
def test_quadrature(nu):
    """Total mass and mean sign to 1e-11, and the second moment where it exists."""
    noise, frozen = (gaussian(1), stats.norm()) if np.isinf(nu) else (student_t(nu, 1), stats.t(nu))
    z, w = quadrature(noise, -0.4, 2 if nu > 2 else 0)
    assert w.sum() == pytest.approx(1, abs=1e-11)
    assert (w * np.sign(z + 0.4)).sum() == pytest.approx(1 - 2 * frozen.cdf(-0.4), abs=1e-11)
    if nu > 2:
        assert (w * z * z).sum() == pytest.approx(1.0 if np.isinf(nu) else nu / (nu - 2), rel=1e-8)


def test_exact_sign_laws_have_the_recorded_expansions():
    """c = sqrt(2/pi) lambda/sigma: optimizer (eta/2c)(1 + (pi/8) eta c), its SDE (eta/2c)(1 + (pi/8 - 1/2) eta c);
    the printed closed form (eta/2c)(1 - eta c/2) is neither."""
    for law, coefficient in (
        (sign_law.lattice_variance, np.pi / 8),
        (sign_law.sde_variance, np.pi / 8 - 0.5),
    ):
        lr, c = 1e-3, np.sqrt(2 / np.pi) / 0.5
        found = (law(gaussian(0.5), 0.5, 1.0, lr) / (lr / (2 * c)) - 1) / (lr * c)
        assert found == pytest.approx(coefficient, abs=2e-3)
        assert abs(found + 0.5) > 0.3


def test_verify_runs_the_whole_ladder():
    """All rungs in order, and every check passes for SGD; unknown and missing models are refused."""
    checks = list(verify("sgd", noise="gaussian:0.5", loss="quadratic:1,3", lr=0.01, steps=300, paths=4096))
    assert [c.rung for c in checks] == sorted(c.rung for c in checks) and {c.rung for c in checks} == {
        1,
        2,
        3,
        4,
        6,
    }
    assert all(c.passed for c in checks)
    with pytest.raises(UnknownName, match="did you mean 'sde'"):
        next(verify("sgd", "sdee", noise="gaussian:0.5", loss="quadratic:1", steps=10, paths=10))
    with pytest.raises(NoModel, match=r"\(2, inf\)"):
        next(verify("sgd", noise="student-t:2:0.5", loss="quadratic:1", steps=10, paths=10))
