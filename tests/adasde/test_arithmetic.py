"""How a run computes: precision of the noise, increments of two values, contraction, dense matrices."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from scipy import stats

from adasde.errors import UnknownName
from adasde.losses.quadratic import BLAS_FROM, Quadratic, dense_gradient
from adasde.simulation import simulate

FALSE_ALARM = 1e-4
RUN: dict[str, Any] = {"loss": "quadratic:1,0.5", "noise": "gaussian:0.5", "lr": 0.05, "steps": 60}
RUN |= {"paths": 20_480, "save": 3}


def moments_agree(a: Any, b: Any) -> bool:
    """Means and variances of two independent ensembles of nearly Gaussian paths, at all times after the first."""
    means = (a.mean - b.mean)[1:] / np.sqrt((a.var + b.var)[1:] / a.paths)
    # The excess kurtosis of Student-t noise with nu = 9 is 6/5 in one step, and below 0.2 in a sum over thirty.
    z = np.concatenate([means, (a.var[1:] / b.var[1:] - 1) / np.sqrt(2 * (2 + 0.2) / a.paths)])
    return bool(np.abs(z).max() < stats.norm.isf(FALSE_ALARM / (2 * z.size)))


@pytest.mark.parametrize("model", ["algorithm", "sde"])
def test_double_precision_draws_have_the_same_law(model: str) -> None:
    """Other draws, same moments; also in substeps, and for Student-t noise."""
    for noise in ("gaussian:0.5", "student-t:9:0.5"):
        mix, double = (
            simulate("sgd", model, **RUN | {"noise": noise}, substeps=2, noise_precision=p) for p in ("mix", "double")
        )
        assert not np.array_equal(mix.mean[1:], double.mean[1:])
        assert moments_agree(mix, double)


def test_optimizer_and_model_share_draws_in_double_precision() -> None:
    """SGD is its own Euler scheme: the same bytes in mean and variance."""
    optimizer, model = (simulate("sgd", m, **RUN, noise_precision="double") for m in ("algorithm", "sde"))
    np.testing.assert_allclose(optimizer.mean, model.mean, rtol=0, atol=1e-13)
    np.testing.assert_allclose(optimizer.var, model.var, rtol=1e-10)


@pytest.mark.parametrize("substeps", [1, 3])
def test_increments_of_two_values_keep_the_moments(substeps: int) -> None:
    """The mean and the variance of a linear SDE do not depend on the law of the increments; a scale off by 5 % would be
    seen. The optimizer itself does not draw increments: its bytes stay."""
    gauss, signs = (simulate("sgd", "sde", **RUN, substeps=substeps, increments=i) for i in ("gaussian", "rademacher"))
    assert moments_agree(gauss, signs)
    wrong = simulate("sgd", "sde", **RUN | {"noise": "gaussian:0.525"}, substeps=substeps, increments="rademacher")
    assert not moments_agree(gauss, wrong)
    same = [simulate("sgd", "algorithm", **RUN, increments=i) for i in ("gaussian", "rademacher")]
    assert np.array_equal(same[0].mean, same[1].mean)


def test_contraction_changes_the_last_digits_only() -> None:
    strict, fast = (simulate("signsgd", **RUN, fast=f) for f in (False, True))
    np.testing.assert_allclose(fast.mean, strict.mean, rtol=0, atol=1e-5)
    np.testing.assert_allclose(fast.var, strict.var, rtol=1e-4)


@pytest.mark.parametrize("name", ["noise_precision", "increments"])
def test_unknown_names_are_refused(name: str) -> None:
    with pytest.raises(UnknownName, match=name):
        simulate("sgd", **RUN, **{name: "doubel"})


@pytest.mark.parametrize("d", [2, 3, 4, 5, 8, 9, 14, BLAS_FROM])
def test_dense_gradients_are_matrix_products(d: int) -> None:
    """All ways to compute H x agree with numpy: in registers, four columns at a time, and by BLAS."""
    random = np.random.default_rng(d)
    H = random.normal(size=(d, d))
    loss, x = Quadratic(H + H.T), random.normal(size=(d, 24))
    for gradient in (loss.gradient, dense_gradient):
        g = np.full_like(x, np.nan)
        gradient(x, g, loss.data)
        np.testing.assert_allclose(g, (H + H.T) @ x, rtol=0, atol=1e-12 * d)
    out = np.empty_like(x)
    loss.hessian_vector(x, x, out, loss.data)
    np.testing.assert_allclose(out, (H + H.T) @ x, rtol=0, atol=1e-12 * d)


def test_products_by_blas_do_not_depend_on_threads() -> None:
    H = np.diag(np.linspace(0.1, 1, BLAS_FROM)) + 0.01
    one, two = (
        simulate("sgd", loss=Quadratic(H), noise="gaussian:1", lr=0.1, steps=9, paths=600, threads=t) for t in (1, 2)
    )
    assert one.moments.m2.tobytes() == two.moments.m2.tobytes()
