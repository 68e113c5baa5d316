"""The loss of a torch module against a plain torch loop, the law of its noise, and what it refuses."""

from __future__ import annotations

import copy
import re
import sys
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from scipy import stats

from adasde.errors import InvalidParameter, MissingData, UnknownName
from adasde.nets import TorchLoss

torch = pytest.importorskip("torch")
nn = torch.nn
FALSE_ALARM = 1e-6
"""Probability that the statistical test below fails with right code; its seed is fixed."""


def dense() -> Any:
    return nn.Sequential(nn.Linear(3, 4), nn.Tanh(), nn.Linear(4, 3))


def convolution() -> Any:
    layers = nn.Conv2d(1, 4, 3, padding=1), nn.GroupNorm(2, 4), nn.SiLU(), nn.MaxPool2d(2), nn.Flatten()
    return nn.Sequential(*layers, nn.Linear(16, 3))


def attention() -> Any:
    layer = nn.TransformerEncoderLayer(4, 2, 6, dropout=0.0, activation="gelu", batch_first=True, norm_first=True)
    return nn.Sequential(
        nn.Embedding(5, 4), nn.TransformerEncoder(layer, 1, enable_nested_tensor=False), nn.Linear(4, 5)
    )


def problem(build: Callable[[], Any], **options: Any) -> tuple[Any, TorchLoss, Any, Any]:
    """The user's module in float64, its loss, and 11 samples."""
    torch.manual_seed(0)
    module = build().double()
    rng = np.random.default_rng(0)
    if build is attention:
        X, y = rng.integers(5, size=(11, 6)), rng.integers(5, size=(11, 6))
    else:
        X, y = rng.standard_normal((11, 3) if build is dense else (11, 1, 4, 4)), rng.integers(3, size=11)
    return module, TorchLoss(module, X, y, **options), torch.from_numpy(X), torch.from_numpy(y)


def plain_loop(module: Any, X: Any, y: Any) -> np.ndarray:
    """Per-sample gradients (N, d), one backward pass at a time."""
    rows = []
    for inputs, target in zip(X, y, strict=True):
        module.zero_grad()
        logits = module(inputs[None])[0]
        nn.functional.cross_entropy(logits, target).backward()
        rows.append(torch.cat([p.grad.flatten() for p in module.parameters()]).numpy().copy())
    return np.array(rows)


def close(found: np.ndarray, expected: np.ndarray, rounding: float = 1e-6) -> bool:
    return found.shape == expected.shape and float(np.abs(found - expected).max()) <= rounding * np.abs(expected).max()


@pytest.mark.parametrize("build", [dense, convolution, attention])
@pytest.mark.parametrize("chunk", [None, 4])
def test_agrees_with_a_plain_loop(build: Callable[[], Any], chunk: int | None) -> None:
    """Gradient, minibatch gradient, Sigma, its diagonal and the weighted gradient, to 1e-6 of the largest entry."""
    module, loss, X, y = problem(build, chunk=chunk)
    x, rows = loss.start, plain_loop(module, X, y)
    assert rows.shape == (11, loss.dimension)
    assert close(loss.gradient(x), rows.mean(axis=0))
    batch = np.array([3, 3, 0, 10])
    assert close(loss.gradient(x, batch), rows[batch].mean(axis=0))
    centred = rows - rows.mean(axis=0)
    assert close(loss.covariance(x), centred.T @ centred / 11)
    assert close(loss.variance(x), (centred**2).mean(axis=0))
    weights = np.random.default_rng(1).standard_normal((2, 11))
    gradient, noise = loss.gradient_and_noise(x, weights[0])
    assert close(gradient, rows.mean(axis=0)) and close(noise, weights[0] @ rows / 11)
    variance, weighted = loss.variance_and_weighted(x, weights)
    assert close(variance, (centred**2).mean(axis=0)) and close(weighted, weights @ rows)
    assert close(loss.noisy_gradient(x, weights[0]), rows.mean(axis=0) + weights[0] @ rows / 11)
    batches = np.random.default_rng(2).integers(11, size=(40, 3))
    negative = np.array([rows[batch].mean(axis=0) < 0 for batch in batches]).mean(axis=0)
    # A mean that is 0 in one order of summation may be 1e-17 in another: count only coordinates without such means.
    sure = (np.abs([rows[batch].mean(axis=0) for batch in batches]) > 1e-12).all(axis=0)
    assert sure.sum() > 10 and np.array_equal(loss.negative(x, batches)[sure], negative[sure])


@pytest.mark.parametrize("build", [dense, convolution, attention])
def test_hessian_vector_products(build: Callable[[], Any]) -> None:
    """Against the derivative of grad f . u that torch works out from the module itself; for fused attention, which has
    none, against central differences of the gradient."""
    module, loss, X, y = problem(build)
    u = np.random.default_rng(3).standard_normal(loss.dimension)
    found = loss.hessian_vector(loss.start, u)
    if build is attention:
        ahead, back = loss.gradient(loss.start + 1e-5 * u), loss.gradient(loss.start - 1e-5 * u)
        assert close(found, (ahead - back) / 2e-5)
        return
    parameters = list(module.parameters())
    gradients = torch.autograd.grad(nn.functional.cross_entropy(module(X), y), parameters, create_graph=True)
    along = torch.cat([g.flatten() for g in gradients]) @ torch.from_numpy(u)
    rows = torch.autograd.grad(along, parameters)
    assert close(found, torch.cat([r.flatten() for r in rows]).numpy())


def noise_fails(loss: TorchLoss, weights: Callable[[np.ndarray, int], np.ndarray]) -> bool:
    """Whether noise with these weights has another covariance than Sigma/B: K u'Su/(u' Sigma u/B) is chi-squared with K
    degrees of freedom for each of 40 directions u, S the mean of n n' over K draws."""
    draws, batch, rng = 4000, 5, np.random.default_rng(7)
    x, sigma = loss.start, loss.covariance(loss.start)
    given = weights(rng.standard_normal((draws, loss.samples)), batch)
    noise = loss.variance_and_weighted(x, given)[1] / loss.samples
    directions = np.vstack([rng.standard_normal((39, loss.dimension)), loss.gradient(x)])
    expected = np.einsum("ki,ij,kj->k", directions, sigma, directions) / batch
    found = ((noise @ directions.T) ** 2).sum(axis=0) / expected
    p = 2 * np.minimum(stats.chi2.cdf(found, draws), stats.chi2.sf(found, draws))
    return bool(p.min() < FALSE_ALARM / len(directions))


def test_covariance_of_weighted_noise() -> None:
    """The law of the weighted loss; weights that are not centred, and those of a batch drawn without replacement, are
    seen to be wrong."""
    _, loss, _, _ = problem(dense)
    assert not noise_fails(loss, loss.noise_weights)
    assert noise_fails(loss, lambda z, batch: np.sqrt(11 / batch) * z)
    assert noise_fails(loss, lambda z, batch: np.sqrt(11 / batch * 6 / 10) * (z - z.mean(axis=-1, keepdims=True)))


def test_noise_is_the_weighted_gradient() -> None:
    _, loss, _, _ = problem(dense)
    z = np.random.default_rng(0).standard_normal(11)
    expected = loss.variance_and_weighted(loss.start, loss.noise_weights(z, 4)[None])[1][0] / 11
    assert close(loss.noise(loss.start, z, 4), expected)


def test_float32_follows_float64() -> None:
    """In float32 the same numbers to its rounding; x and results stay float64."""
    _, double, _, _ = problem(dense)
    _, single, _, _ = problem(dense, dtype="float32")
    assert single.gradient(single.start).dtype == np.float64
    assert close(single.gradient(double.start), double.gradient(double.start), 1e-5)
    assert not np.array_equal(single.gradient(double.start), double.gradient(double.start))


def test_works_on_the_memory_of_x() -> None:
    """No copy of x in float64, and the user's module is left alone."""
    module, loss, _, _ = problem(dense)
    before = copy.deepcopy(module.state_dict())
    x = loss.start.copy()
    assert loss._flat(x).data_ptr() == x.ctypes.data
    x -= 0.1 * loss.gradient(x)
    assert loss.value(x) < loss.value(loss.start)
    assert all(torch.equal(before[name], value) for name, value in module.state_dict().items())


def test_frozen_parameters_stay() -> None:
    module = dense()
    module[0].requires_grad_(False)
    loss = TorchLoss(module, np.ones((4, 3)), np.zeros(4, dtype=int))
    assert loss.dimension == 15


class Coupled(nn.Module):  # type: ignore[misc]
    """Subtracts the batch's mean, as batch normalisation does, in a form of its own."""

    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.Linear(3, 3)

    def forward(self, x: Any) -> Any:
        return self.layer(x - x.mean(dim=0))


class Random(nn.Module):  # type: ignore[misc]
    """Dropout as a function, which no module shows; it may leave the losses as they are by chance."""

    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.Linear(3, 3)

    def forward(self, x: Any) -> Any:
        return nn.functional.dropout(self.layer(x), 1e-9)


ONES, ZEROS = np.ones((4, 3)), np.zeros(4, dtype=int)
MEAN = nn.CrossEntropyLoss()
OWN_STATISTICS = nn.Sequential(nn.Linear(3, 3), nn.BatchNorm1d(3, track_running_stats=False).eval())
REFUSED = {
    "batch norm": (nn.Sequential(nn.Linear(3, 3), nn.BatchNorm1d(3)), ONES, ZEROS, None, "GroupNorm or LayerNorm"),
    "batch statistics": (OWN_STATISTICS, ONES, ZEROS, None, "GroupNorm or LayerNorm"),
    "dropout": (nn.Sequential(nn.Linear(3, 3), nn.Dropout(0.2)), ONES, ZEROS, None, "set p = 0, or call .eval()"),
    "dropout of attention": (nn.MultiheadAttention(4, 2, dropout=0.1), ONES, ZEROS, None, "set p = 0"),
    "coupled": (Coupled(), np.arange(12.0).reshape(4, 3), ZEROS, None, "couples the samples of a batch"),
    "random": (Random(), ONES, ZEROS, None, "switch dropout off with self.training"),
    "width": (dense(), ONES[:, :2], ZEROS, None, "RuntimeError: mat1 and mat2 shapes"),
    "class": (dense(), ONES, ZEROS + 9, None, "IndexError: Target 9 is out of bounds"),
    "nan input": (dense(), np.array([[1, 2, 3], [1, np.nan, 3]]), ZEROS[:2], None, "sample 1 = not finite"),
    "nan loss": (dense(), ONES, ZEROS, lambda z, y: (z[:, 0] - torch.inf) * 0, "loss of sample 0 = nan"),
    "mean loss": (dense(), ONES, ZEROS, MEAN, "reduction='none'"),
    "lengths": (dense(), ONES, ZEROS[:3], None, "one target per row"),
    "no module": (lambda x: x, ONES, ZEROS, None, "the torch modules"),
    "nothing to train": (dense().requires_grad_(False), ONES, ZEROS, None, "requires_grad"),
    "no samples": (dense(), ONES[:0], ZEROS[:0], None, "one row per sample"),
}  # fmt: skip


@pytest.mark.parametrize("case", REFUSED)
def test_refusals_name_the_remedy(case: str) -> None:
    module, X, y, per_sample, remedy = REFUSED[case]
    with pytest.raises(InvalidParameter, match=re.escape(remedy)):
        TorchLoss(module, X, y, per_sample, name="mine")


def test_what_may_stay() -> None:
    """Frozen batch normalisation and dropout that is off are no obstacle."""
    module = nn.Sequential(nn.Linear(3, 3), nn.BatchNorm1d(3), nn.Dropout(0.5)).eval()
    assert TorchLoss(module, ONES, ZEROS).dimension == 18


def test_wrong_arguments() -> None:
    _, loss, _, _ = problem(dense)
    with pytest.raises(InvalidParameter, match="one number per trainable parameter"):
        loss.gradient(np.zeros(3))
    with pytest.raises(UnknownName, match="float64"):
        TorchLoss(dense(), ONES, ZEROS, dtype="bfloat16")


def test_without_torch(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "torch", None)
    with pytest.raises(MissingData, match=r"adasde\[nets\]"):
        TorchLoss(None, ONES, ZEROS)
