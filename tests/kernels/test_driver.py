"""The driver: one's own losses, the disk cache across processes, draws, substeps, and moments of blocks."""

from __future__ import annotations

import math
import subprocess
import sys
import textwrap
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy import stats

from adasde.ensemble import Moments
from adasde.kernels import driver, rademacher
from adasde.kernels.draws import draw_functions
from adasde.kernels.lanes import LAW_CODES, field_kernel, value_kernel
from adasde.losses.base import Loss
from adasde.noise import gaussian
from adasde.simulation import simulate

Array = NDArray[np.float64]

FALSE_ALARM = 1e-4
NOBODY = (0, 9, 1, 2, 1, 0, 7)
"""A plan, see `kernels.draws.PLAN`."""


# One's own loss


@value_kernel
def quartic_value(x, f, data):  # type: ignore[no-untyped-def]
    """f = sum_i a x_i^4 / 4; data = (a,)."""
    f[:] = 0.0
    for i in range(x.shape[0]):
        for j in range(x.shape[1]):
            f[j] += 0.25 * data[0] * x[i, j] ** 4


@field_kernel
def quartic_gradient(x, g, data):  # type: ignore[no-untyped-def]
    for i in range(x.shape[0]):
        for j in range(x.shape[1]):
            g[i, j] = data[0] * x[i, j] ** 3


@field_kernel
def proportional_noise(x, s, data):  # type: ignore[no-untyped-def]
    for i in range(x.shape[0]):
        for j in range(x.shape[1]):
            s[i, j] = abs(x[i, j])


QUARTIC = Loss(
    name="quartic",
    dimension=2,
    data=np.array([0.5]),
    start=np.array([1.0, -2.0]),
    value=quartic_value,
    gradient=quartic_gradient,
    hessian_vector=None,
    noise_scale=proportional_noise,
)


@pytest.mark.parametrize("model", ["algorithm", "sde"])
def test_a_loss_of_ones_own(model: str) -> None:
    """A gradient and a value function are enough; without noise SGD is x' = x - eta a x^3, step by step."""
    found = simulate("sgd", model, loss=QUARTIC, noise="gaussian:0", lr=0.1, steps=10, paths=3)
    x = QUARTIC.start
    for k in range(11):
        np.testing.assert_allclose(found.mean[k], x, rtol=1e-14)
        np.testing.assert_allclose(found.loss_mean[k], (0.5 * x**4 / 4).sum(), rtol=1e-13)
        x = x - 0.1 * 0.5 * x**3
    assert np.abs(found.var).max() < 1e-30


def test_noise_from_the_loss() -> None:
    """`noise_scale` at the current point, over sqrt(B), is the scale of the noise: Var x_1 = (eta |x_0|)^2/B, by
    its chi-square law; and after the first step the scale has moved with x."""
    paths, batch, eta = 20_000, 4, 0.1
    found = simulate(
        "sgd",
        "algorithm",
        loss=QUARTIC,
        noise=gaussian(None, batch),
        lr=eta,
        steps=2,
        paths=paths,
        save=[0, 1, 2],
    )
    first = (eta * np.abs(QUARTIC.start)) ** 2 / batch
    bounds = stats.chi2.ppf([FALSE_ALARM / 8, 1 - FALSE_ALARM / 8], paths - 1) / (paths - 1)
    assert (bounds[0] < found.var[1] / first).all() and (found.var[1] / first < bounds[1]).all()
    x1 = QUARTIC.start - eta * 0.5 * QUARTIC.start**3
    slope = 1 - eta * 1.5 * x1**2
    second = slope**2 * first + eta**2 * (x1**2 + first) / batch
    np.testing.assert_allclose(found.var[2], second, rtol=0.1)
    assert (np.abs(found.var[2] / (slope**2 * first + first) - 1) > 0.15).any()


# The disk cache

PROGRAM = """
from numba.core import event
with event.install_recorder("numba:compile") as recorder:
    from adasde.kernels import driver
    from adasde.simulation import simulate
    from mine import loss
    for model in ("algorithm", "sde"):
        for noise in ("gaussian:1", "student-t:5:1"):
            simulate("adam", model, loss=loss, noise=noise, lr=0.1, steps=20, paths=8)
            simulate("adam", model, loss="quadratic:1,2", noise=noise, lr=0.1, steps=20, paths=8)
compiled = {e.data["dispatcher"].py_func.__name__ for _, e in recorder.buffer}
stats = driver.run_block.stats
print(sum(stats.cache_hits.values()), sum(stats.cache_misses.values()), *sorted(compiled))
"""

MINE = """
import numpy as np
from adasde.kernels.lanes import field_kernel, value_kernel
from adasde.losses.base import Loss

@value_kernel
def my_value(x, f, data):
    f[:] = data[0]

@field_kernel
def my_gradient(x, g, data):
    for i in range(x.shape[0]):
        for j in range(x.shape[1]):
            g[i, j] = np.sin(x[i, j])

loss = Loss("mine", 1, np.zeros(1), np.ones(1), my_value, my_gradient, None)
"""


def test_the_next_process_compiles_nothing(tmp_path: Path) -> None:
    """With warm caches a process that brings a new loss compiles that loss only, and the next one nothing:
    driver and steps come from the disk."""
    for noise in ("gaussian:1", "student-t:5:1"):
        for model in ("algorithm", "sde"):
            simulate("adam", model, loss="quadratic:1,2", noise=noise, lr=0.1, steps=20, paths=8)
    (tmp_path / "mine.py").write_text(textwrap.dedent(MINE))

    def process() -> list[str]:
        program = f"import sys; sys.path.append({str(tmp_path)!r})\n{PROGRAM}"
        done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
        return done.stdout.split()

    hits, misses, *compiled = process()
    assert (hits, misses) == ("1", "0") and set(compiled) == {"my_gradient", "my_value"}
    hits, misses, *compiled = process()
    assert (hits, misses) == ("1", "0") and not compiled


# Draws


@pytest.mark.parametrize("d", [1, 2, 3, 4, 5, 7, 16, 33])
def test_chunks_are_whole_generator_blocks(d: int) -> None:
    """The steps whose draws are made together hold a multiple of four numbers, for every dimension."""
    assert driver.steps_per_chunk(d) * d % 4 == 0


@pytest.mark.parametrize("law", ["gaussian", "student-t"])
@pytest.mark.parametrize("algorithm", [True, False])
@pytest.mark.parametrize("double", [0, 1])
def test_draws_do_not_depend_on_the_blocks(law: str, algorithm: bool, double: int) -> None:
    """Two chunks of four steps are one of eight; lanes 3 to 7 are a block of five lanes that starts there."""
    plan = (*NOBODY[:5], LAW_CODES[law], 7)
    layers = 1 if algorithm else 2
    whole, halves = np.empty((8 * layers, 3, 16)), np.empty((2, 4 * layers, 3, 16))
    fill = draw_functions(law, bool(double))[0]
    fill(whole, 3, 0, 100, algorithm, plan, np.array([5.0]))
    for half in range(2):
        fill(halves[half], 3, half, 100, algorithm, plan, np.array([5.0]))
    np.testing.assert_array_equal(halves.reshape(whole.shape), whole)
    part = np.empty((8 * layers, 3, 5))
    fill(part, 3, 0, 103, algorithm, plan, np.array([5.0]))
    np.testing.assert_array_equal(part, whole[:, :, 3:8])


@pytest.mark.parametrize("double", [0, 1])
def test_the_algorithms_draws_are_the_models_first(double: int) -> None:
    """Gaussian: the optimizer's Z is the first Brownian increment. Student-t: it has its sign, and its order."""
    for law in ("gaussian", "student-t"):
        plan = (*NOBODY[:5], LAW_CODES[law], 7)
        own, model = np.empty((8, 3, 500)), np.empty((16, 3, 500))
        fill = draw_functions(law, bool(double))[0]
        fill(own, 3, 0, 0, True, plan, np.array([3.0]))
        fill(model, 3, 0, 0, False, plan, np.array([3.0]))
        first, second = model[0::2], model[1::2]
        if law == "gaussian":
            np.testing.assert_array_equal(own, first)
        else:
            np.testing.assert_array_equal(np.sign(own), np.sign(first))
            assert stats.spearmanr(own.ravel(), first.ravel()).statistic > 0.95
        # 12 000 independent pairs: |correlation| > 0.05 has probability 1e-7.
        assert abs(np.corrcoef(first.ravel(), second.ravel())[0, 1]) < 0.05


def standard_normal_p_value(z: Array) -> float:
    """Whether the rows of z (variables, samples) are independent standard normals: chi-square of the mean, and
    the likelihood ratio of the covariance with Bartlett's correction."""
    p, n = z.shape
    S = np.cov(z)
    bartlett = 1 - (2 * p + 1 - 2 / (p + 1)) / (6 * (n - 1))
    ratio = bartlett * (n - 1) * (np.trace(S) - np.linalg.slogdet(S)[1] - p)
    return float(stats.chi2.sf(n * (z.mean(axis=1) ** 2).sum() + ratio, p + p * (p + 1) // 2))


@pytest.mark.parametrize("double", [0, 1])
def test_all_draws_of_a_run_are_independent(double: int) -> None:
    """4 steps of 3 coordinates and 2 motions are 24 independent standard normals; in 3 substeps they are 72."""
    lanes = 20_000
    coarse, three = np.empty((8, 3, lanes)), (*NOBODY[:2], 3, *NOBODY[3:])
    fill, _, bridge = draw_functions("gaussian", bool(double))
    fill(coarse, 3, 0, 0, False, three, np.empty(0))
    assert standard_normal_p_value(coarse.reshape(-1, lanes)) > FALSE_ALARM / 2
    fine = np.empty((4, 6, 3, lanes))
    for k in range(4):
        bridge(fine[k], coarse[2 * k : 2 * k + 2], k, 0, three)
    assert standard_normal_p_value(fine.reshape(-1, lanes)) > FALSE_ALARM / 2


@pytest.mark.parametrize("substeps", [2, 5, 16])
def test_substeps_add_up_to_the_step(substeps: int) -> None:
    """The fine draws of each motion and coordinate sum to sqrt(r) times the coarse one: dW's add up."""
    coarse = np.random.default_rng(0).standard_normal((2, 3, 40))
    fine = np.empty((substeps * 2, 3, 40))
    draw_functions("gaussian")[2](fine, coarse, 5, 0, (*NOBODY[:2], substeps, *NOBODY[3:]))
    total = fine.reshape(substeps, 2, 3, 40).sum(axis=0)
    np.testing.assert_allclose(total, math.sqrt(substeps) * coarse, rtol=0, atol=1e-13)


def test_increments_of_two_values() -> None:
    """Every draw of a model is one bit of its own: +-1, balanced, uncorrelated between steps, coordinates, motions and
    substeps; how steps are cut into chunks changes nothing."""
    plan = (*NOBODY[:2], 3, *NOBODY[3:])
    whole, halves = np.empty((80, 3, 5000)), np.empty((2, 40, 3, 5000))
    rademacher.fill_rademacher(whole, 3, 0, 0, False, plan, np.empty(0))
    for half in range(2):
        rademacher.fill_rademacher(halves[half], 3, half, 0, False, plan, np.empty(0))
    np.testing.assert_array_equal(halves.reshape(whole.shape), whole)
    fine = np.empty((40, 6, 3, 5000))
    for k in range(40):
        rademacher.fresh_signs(fine[k], whole[2 * k : 2 * k + 2], k, 0, plan)
    for z in (whole.reshape(-1, 5000), fine.reshape(-1, 5000)):
        assert set(np.unique(z)) == {-1.0, 1.0}
        found = np.concatenate([z.mean(axis=1), np.corrcoef(z)[np.triu_indices(len(z), 1)]]) * math.sqrt(5000)
        assert np.abs(found).max() < stats.norm.isf(FALSE_ALARM / (2 * found.size))


# Moments


def test_blocks_add_up_to_numpys_moments() -> None:
    """Blocks of different widths, added one by one, give numpy's mean, centred second moments and losses, with
    the full matrix and with the diagonal only."""
    rng = np.random.default_rng(4)
    blocks = [(rng.standard_normal((3, 2, n)) + 5, rng.standard_normal((3, n))) for n in (1, 7, 32, 5)]
    xs, losses = (np.concatenate([block[i] for block in blocks], axis=-1) for i in range(2))
    for full in (True, False):
        total = Moments.empty(3, 2, full)
        for block in blocks:
            total.add(*block)
        centred = xs - xs.mean(axis=2, keepdims=True)
        second = np.einsum("tij,tkj->tik", centred, centred)
        expected = second if full else np.diagonal(second, axis1=1, axis2=2)[:, :, None]
        np.testing.assert_allclose(total.mean, xs.mean(axis=2), rtol=1e-13)
        np.testing.assert_allclose(total.m2, expected, rtol=1e-12)
        np.testing.assert_allclose(total.loss[:, 0], losses.mean(axis=1), rtol=1e-12)
        np.testing.assert_allclose(total.loss[:, 1], 45 * losses.var(axis=1), rtol=1e-12)
        assert total.count.tolist() == [45] * 3 and not total.diverged.any()


@pytest.mark.parametrize("bad", [math.nan, math.inf, -math.inf, 1e76])
def test_a_diverged_lane_stays_out(bad: float) -> None:
    """A lane that is not finite, or beyond the limit, at one saved time is counted there and at all later times,
    even where it looks fine again, and is in no average; a loss that is not finite counts too."""
    rng = np.random.default_rng(5)
    xs, losses = rng.standard_normal((4, 2, 6)), rng.standard_normal((4, 6))
    xs[1, 0, 2] = bad
    losses[2, 4] = bad if abs(bad) != 1e76 else math.nan
    total = Moments.empty(4, 2, True)
    total.add(xs, losses)
    assert total.diverged.tolist() == [0, 1, 2, 2] and total.count.tolist() == [6, 5, 4, 4]
    np.testing.assert_allclose(total.mean[1], np.delete(xs[1], 2, axis=1).mean(axis=1), rtol=1e-13)
    left = np.delete(xs[3], [2, 4], axis=1)
    np.testing.assert_allclose(total.mean[3], left.mean(axis=1), rtol=1e-12)
    np.testing.assert_allclose(total.m2[3], 3 * np.cov(left), rtol=1e-12)


def test_merging_with_nothing_changes_nothing() -> None:
    """Leaves without a surviving path neither move the moments of others nor make them nan."""
    some, none = Moments.empty(2, 2, True), Moments.empty(2, 2, True)
    some.add(np.random.default_rng(6).standard_normal((2, 2, 5)), np.ones((2, 5)))
    none.add(np.full((2, 2, 3), math.nan), np.full((2, 3), math.nan))
    for merged in (some.merged(none), none.merged(some)):
        assert merged.count.tolist() == [5, 5] and merged.diverged.tolist() == [3, 3]
        np.testing.assert_allclose(merged.mean, some.mean, rtol=1e-15)
        np.testing.assert_allclose(merged.m2, some.m2, rtol=1e-15)
        np.testing.assert_allclose(merged.loss, some.loss, rtol=1e-15)
    nothing = none.merged(none)
    assert nothing.count.tolist() == [0, 0] and nothing.diverged.tolist() == [6, 6]
    assert not nothing.mean.any() and not nothing.m2.any() and not nothing.loss.any()


def test_saved_times_are_the_states_after_those_steps() -> None:
    """Saving every step or a few gives the same numbers at the same steps, first and last included."""
    options: dict[str, Any] = {
        "loss": "quadratic:1,3",
        "noise": "gaussian:0.5",
        "lr": 0.1,
        "steps": 10,
        "paths": 40,
    }
    every = simulate("sgd", "algorithm", **options, save=range(11))
    few = simulate("sgd", "algorithm", **options, save=[10, 3, 3, 0])
    np.testing.assert_array_equal(few.times, 0.1 * np.array([0, 3, 10]))
    np.testing.assert_array_equal(few.mean, every.mean[[0, 3, 10]])
