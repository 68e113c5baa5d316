"""Optimizers and SDE models on a network: torch's optimizers against the generated steps, noise against its law."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from scipy import special, stats

from adasde import optimizers
from adasde.errors import InvalidParameter, UnknownName
from adasde.nets import TorchLoss
from adasde.nets.noise_bank import Bank, draw_bank, empirical_signs, motion
from adasde.nets.streams import minibatch, normals
from adasde.nets.trajectory import Curve, Setting, Trajectory, check, kernel_steps, trajectory
from adasde.noise import gaussian

torch = pytest.importorskip("torch")
OPTIMIZERS = ("sgd", "signsgd", "rmsprop", "rmspropw", "adam", "adamw")
FALSE_ALARM = 1e-6
"""Probability that a statistical test below fails with right code; seeds are fixed."""


@pytest.fixture(scope="module")
def loss() -> TorchLoss:
    """A network of ReLU units, one of which no sample reaches."""
    rng = np.random.default_rng(0)
    torch.manual_seed(0)
    module = torch.nn.Sequential(torch.nn.Linear(4, 5), torch.nn.ReLU(), torch.nn.Linear(5, 3))
    with torch.no_grad():
        module[0].bias[2] = -100.0
    return TorchLoss(module, rng.standard_normal((40, 4)), rng.integers(3, size=40))


def setting(optimizer: str, steps: int = 25, **other: Any) -> Setting:
    decay = {"weight_decay": 0.1} if optimizer.endswith("w") else {}
    return Setting(optimizer, {"lr": 0.01, **decay}, 8, steps, (0, steps), **other)


@pytest.mark.parametrize("optimizer", OPTIMIZERS)
def test_torch_optimizers_are_the_rules(optimizer: str, loss: TorchLoss) -> None:
    """torch.optim on real minibatches, and the generated step on the same gradients, to 1e-12 after 25 steps."""
    given = setting(optimizer)
    found = trajectory(loss, Curve("algorithm", "minibatch"), given, seed=3)
    module = optimizers.kernels(optimizer)
    values = optimizers.hyperparameters(optimizer, given.hyperparameters)
    p = optimizers.parameter_array(module, values, gaussian(1.0))
    state = np.zeros((len(module.STATES), 1, loss.dimension))
    state[0, 0] = loss.start
    zero, none = np.zeros((1, loss.dimension)), np.zeros((0, 1, loss.dimension))
    for k in range(25):
        gradient = loss.gradient(state[0, 0], minibatch(3, k, loss.samples, 8))
        module.algorithm.compiled(state, gradient[None], zero, none, zero[None], p, k + 1, 0.01 * k, 0.01)
    assert np.abs(found.x - state[0, 0]).max() < 1e-12
    assert found.losses[1] == loss.value(found.x) and not found.diverged


def test_sgd_is_its_sde_at_the_step(loss: TorchLoss) -> None:
    """x' = x - lr (grad f + n) for both at dt = lr, on the same noise, as a plain loop has it."""
    given = setting("sgd")
    x = loss.start.copy()
    for k in range(25):
        z = normals(5, k, 1, (loss.samples,))[0]
        x -= 0.01 * (loss.gradient(x) + loss.noise(x, z, 8))
    for model in ("algorithm", "sde"):
        assert np.abs(trajectory(loss, Curve(model, "full"), given, seed=5).x - x).max() < 1e-13
    other = trajectory(loss, Curve("sde", "full"), given, seed=6).x
    assert np.abs(other - x).max() > 1e-4


@pytest.mark.parametrize("optimizer", OPTIMIZERS)
@pytest.mark.parametrize("noise", ["full", "diagonal", "empirical"])
def test_what_has_no_gradient_stays(optimizer: str, noise: str, loss: TorchLoss) -> None:
    """Weights into and out of the unit that is never reached have neither gradient nor noise: optimizer and model leave
    them alone, but for the decay."""
    if noise == "empirical" and optimizer != "signsgd":
        with pytest.raises(InvalidParameter, match="no other model"):
            check(Curve("sde", noise), setting(optimizer))
        return
    dead = np.flatnonzero((loss.variance(loss.start) == 0) & (loss.gradient(loss.start) == 0))
    assert len(dead) == 8
    for model in ("algorithm", "sde") if noise != "empirical" else ("sde",):
        found = trajectory(loss, Curve(model, noise, 2 if model == "sde" else 1), setting(optimizer), seed=1)
        kept = (1 - 0.01 * 0.1) ** 25 if optimizer.endswith("w") else 1.0
        assert np.allclose(found.x[dead], kept * loss.start[dead], rtol=1e-4, atol=0)
        assert np.abs(np.delete(found.x - loss.start, dead)).min() > 0


def test_substeps_share_the_noise_of_the_step() -> None:
    """Parts add up to the whole, are standard normal, and uncorrelated: t-tests of products of two parts."""
    parts = normals(1, 2, 4, (20_000,))
    whole = normals(1, 2, 1, (20_000,))[0]
    assert np.allclose(parts.sum(axis=0) / 2, whole, atol=1e-12)
    products = [parts[i] * parts[j] - (i == j) for i in range(4) for j in range(i, 4)]
    p = [stats.ttest_1samp(product, 0).pvalue for product in products]
    assert min(p) > FALSE_ALARM / len(p)
    assert not np.array_equal(normals(1, 3, 1, (4,)), normals(1, 2, 1, (4,)))


@pytest.mark.parametrize("degree", [0, 2])
def test_motions_are_correlated_like_their_function(degree: int) -> None:
    """A motion is linear in the mixture: z = c'W, so that its covariance over c is W'W, which is the correlation over
    the bank of sign(G + n), or of n^2; a coordinate where that is constant has no motion."""
    rng, gradient = np.random.default_rng(2), np.array([0.5, 0.0, -0.4, 9.0, 0.0])
    draws = rng.standard_normal((300, 5)) @ np.diag([1.0, 2.0, 0.5, 1.0, 0.0])
    draws[:, 1] += draws[:, 0]
    bank = Bank(draws.std(axis=0), draws.astype(np.float32))
    W = np.array([motion(bank, gradient, degree, row) for row in np.eye(300)])
    values = np.sign(gradient + draws) if degree == 0 else draws**2
    moving = values.std(axis=0) > 0
    assert moving.sum() == (3 if degree == 0 else 4) and not W[:, ~moving].any()
    assert np.allclose((W.T @ W)[np.ix_(moving, moving)], np.corrcoef(values[:, moving].T), atol=1e-5)
    c = rng.standard_normal(300)
    assert np.allclose(motion(bank, gradient, degree, c), c @ W, atol=1e-4)


def test_empirical_signs() -> None:
    """The Gaussian model's erf is the mean sign of the bank, and its diffusion has the covariance of the signs, less
    where g = 0 with positive probability."""
    rng = np.random.default_rng(3)
    draws = np.column_stack([rng.exponential(size=200) - 0.3, np.repeat([0.0, 1.0], 100), np.ones(200), np.zeros(200)])
    bank = Bank(draws.std(axis=0), draws.astype(np.float32))
    mixture = rng.standard_normal((20_000, 200))
    found = [empirical_signs(bank, np.zeros(4), row) for row in mixture]
    G, s, _ = found[0]
    signs = np.sign(draws)
    mu = special.erf(G / s / np.sqrt(2))
    assert np.allclose(mu, signs.mean(axis=0), atol=1e-12)
    diffusion = np.array([z for _, _, z in found]) * np.sqrt(1 - mu**2)
    expected = np.cov(signs.T)
    assert expected[1, 1] < 0.3 and 1 - mu[1] ** 2 == pytest.approx(0.75)
    assert np.allclose(np.cov(diffusion.T), expected, atol=6 * np.sqrt(2 / 20_000))
    assert not diffusion[:, 2:].any()


def test_bank_of_real_minibatches(loss: TorchLoss) -> None:
    """Draws of the empirical bank are gradients of minibatches less the full gradient; scales are sqrt(Sigma_jj/B)."""
    bank = draw_bank(loss, loss.start, "empirical", 8, 5, seed=4, step=2)
    assert bank.draws.shape == (5, loss.dimension)
    assert np.allclose(bank.scale, np.sqrt(loss.variance(loss.start) / 8))
    from adasde.nets.streams import BANK, stream

    batches = stream(4, BANK, 2).integers(40, size=(5, 8))
    expected = [loss.gradient(loss.start, batch) - loss.gradient(loss.start) for batch in batches]
    assert np.allclose(bank.draws, expected, atol=1e-7)


def test_works_on_one_memory(loss: TorchLoss) -> None:
    """The x that torch evaluates is the row of the state that the kernel advances."""
    steps = kernel_steps(loss, Curve("sde", "diagonal"), setting("adam"), seed=0)
    first = next(steps)
    before = first.copy()
    second = next(steps)
    assert first is second and not np.array_equal(before, second)


def test_blow_up_is_kept_as_such(loss: TorchLoss) -> None:
    """A learning rate far beyond stability: the loss is nan from the blow-up on, and the run says that it diverged."""
    given = Setting("sgd", {"lr": 1e200}, 8, 6, tuple(range(7)))
    found = trajectory(loss, Curve("algorithm", "full"), given, seed=0)
    assert isinstance(found, Trajectory) and found.diverged and np.isfinite(found.losses[0])


def test_refusals() -> None:
    with pytest.raises(InvalidParameter, match="real minibatches drive the optimizer itself"):
        check(Curve("sde", "minibatch"), setting("sgd"))
    with pytest.raises(InvalidParameter, match="weak order one"):
        check(Curve("order2", "full"), setting("sgd"))
    with pytest.raises(UnknownName, match="malladi2022"):
        check(Curve("malladi2022", "full"), setting("sgd"))
    with pytest.raises(UnknownName, match="minibatch"):
        check(Curve("sde", "half"), setting("sgd"))


def test_how_often_noise_is_looked_at(loss: TorchLoss, monkeypatch: pytest.MonkeyPatch) -> None:
    """Sigma every ten steps; the signs of real minibatches at every substep, each time new ones."""
    seen: list[tuple[str, int]] = []

    def watched(*arguments: Any) -> Bank:
        seen.append((arguments[2], arguments[-1]))
        return draw_bank(*arguments)

    monkeypatch.setattr("adasde.nets.trajectory.draw_bank", watched)
    for noise in ("full", "empirical"):
        trajectory(loss, Curve("sde", noise, 2), setting("signsgd"), seed=0)
    assert [k for noise, k in seen if noise == "full"] == [0, 10, 20]
    assert [k for noise, k in seen if noise == "empirical"] == list(range(50))
