"""Noise diagnostics on a network whose noise is known, and what the command writes."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner
from scipy import stats

from adasde.cli import main
from adasde.nets import TorchLoss
from adasde.nets.diagnostics import degrees_of_freedom, diagnose, noise_scale, spectrum
from adasde.nets.noise_figure import noise_figure

torch = pytest.importorskip("torch")


class Location(torch.nn.Module):  # type: ignore[misc]
    """Loss |x - a_i|^2/2 per sample: the gradient of sample i at x = 0 is -a_i."""

    def __init__(self, dimension: int) -> None:
        super().__init__()
        self.x = torch.nn.Parameter(torch.zeros(dimension))

    def forward(self, a: Any) -> Any:
        return self.x - a


def location(a: np.ndarray) -> TorchLoss:
    return TorchLoss(Location(a.shape[1]), a, np.zeros(len(a)), lambda out, _: (out**2).sum(dim=1) / 2)


@pytest.fixture(scope="module")
def skewed() -> tuple[np.ndarray, Any]:
    """Exponential samples around 1/2, and a coordinate without noise."""
    a = np.random.default_rng(0).exponential(size=(400, 6)) * [1, 1, 1, 2, 4, 0] - 0.5
    return a, diagnose(location(a), np.zeros(6), batch=4, minibatches=300, coordinates=5, seed=1)


def test_exact_numbers(skewed: tuple[np.ndarray, Any]) -> None:
    """Moments over the population, as numpy has them."""
    a, report = skewed
    sigma = np.cov(a.T, bias=True)
    assert report.gradient_norm_squared == pytest.approx(float((a.mean(axis=0) ** 2).sum()))
    assert report.trace_sigma == pytest.approx(float(np.trace(sigma)))
    assert report.noise_scale.population == pytest.approx(report.trace_sigma / report.gradient_norm_squared)
    assert report.without_noise == pytest.approx(1 / 6) and report.coordinates == 5
    assert report.skewness.median == pytest.approx(float(np.median(np.abs(stats.skew(a[:, :5])))) / 2)
    assert report.excess_kurtosis.median == pytest.approx(float(np.median(stats.kurtosis(a[:, :5]))) / 4)
    values = np.linalg.eigvalsh(sigma[:5, :5])[::-1]
    assert np.allclose(report.eigenvalues, values)
    shares = values / values.sum()
    assert report.effective_rank == pytest.approx(float(np.exp(-(shares * np.log(shares)).sum())))
    assert report.participation_ratio == pytest.approx(values.sum() ** 2 / (values**2).sum())


def test_skewed_noise_is_told_from_gaussian(skewed: tuple[np.ndarray, Any]) -> None:
    """P(g < 0) of a mean of four exponentials is off the Gaussian prediction by more than sampling explains; for
    Gaussian samples in large batches neither that nor the fits are."""
    _, report = skewed
    assert report.negative_gap > 2 * report.negative_gap_null
    a = np.random.default_rng(1).standard_normal((2000, 20)) + 0.1
    null = diagnose(location(a), np.zeros(20), batch=16, minibatches=400, coordinates=10, seed=1)
    assert null.negative_gap < 1.5 * null.negative_gap_null
    assert null.below_null < 0.5 and null.nu.median > 20


def test_heavy_tails_are_fitted() -> None:
    """nu of Student-t samples with nu = 3, fitted to 2000 of them, within 30 %; Gaussian ones read far more."""
    rng = np.random.default_rng(2)
    heavy, light = rng.standard_t(3, size=(2000, 4)), rng.standard_normal((2000, 4))
    assert np.abs(degrees_of_freedom(heavy) / 3 - 1).max() < 0.3
    assert degrees_of_freedom(light).min() > 12


def test_noise_scale_interval_covers() -> None:
    """Of 60 intervals at 95 % at least 48 hold the true tr Sigma/|mu|^2: fewer have a
    probability below 1e-4. They are narrow enough to leave out half of it; without the pivot too few hold it."""
    held = shifted = 0
    truth = 1 / 0.15**2
    for seed in range(60):
        rows = np.random.default_rng(seed).standard_normal((150, 20)) + 0.15
        found = noise_scale(rows, seed)
        assert found.low < found.value <= found.high
        held += found.low <= truth <= found.high
        shifted += found.low <= 0.5 * truth <= found.high
    assert held >= 48 > shifted


def test_spectrum_of_either_shape() -> None:
    """The eigenvalues of Sigma from N x N or d x d, whichever is smaller."""
    rows = np.random.default_rng(3).standard_normal((30, 8))
    centred = rows - rows.mean(axis=0)
    assert np.allclose(spectrum(centred), np.linalg.eigvalsh(np.cov(rows.T, bias=True))[::-1])
    wide = centred.T - centred.T.mean(axis=0)
    values = np.linalg.eigvalsh(wide.T @ wide / 8)[::-1][:7]
    assert np.allclose(spectrum(wide)[:7], values)


def test_figure_has_four_panels(skewed: tuple[np.ndarray, Any], tmp_path: Path) -> None:
    figure = noise_figure(skewed[1], "exponential samples")
    assert [bool(axes.get_title()) for axes in figure.axes] == [True] * 4
    assert all((np.diff(line.get_xdata()) > 0).all() for line in figure.axes[0].lines)
    figure.savefig(tmp_path / "noise.png")


def test_the_command(tmp_path: Path) -> None:
    """Writes the file that its help describes: every field named there is in it, and the table goes to stdout; and
    `scaling-rule` reads the noise scale from it, with its interval."""
    pytest.importorskip("sklearn")
    stats_file = tmp_path / "stats.json"
    options = ["--steps", "10", "--minibatches", "200", "--coordinates", "3", "--grad-stats", str(stats_file)]
    result = CliRunner().invoke(main, ["noise", "--loss", "net:mlp-breast-cancer", *options])
    assert result.exit_code == 0, result.output
    assert "Gaussian null" in result.stdout
    facts = json.loads(stats_file.read_text())
    text = CliRunner().invoke(main, ["noise", "--help"]).stdout
    assert facts["format"] == "adasde grad-stats 1" and facts["steps"] == 10
    assert all(name in text for name in (*facts, *facts["noise_scale"]))
    rule = ["scaling-rule", "adamw", "--batch", "32:64", "--grad-stats", str(stats_file), "--json"]
    result = CliRunner().invoke(main, rule)
    assert result.exit_code == 0, result.output
    test, measured = json.loads(result.stdout)["regime_test"], facts["noise_scale"]
    assert test["noise_scale"] == measured["value"] and test["interval"] == [measured["low"], measured["high"]]


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--loss", "quadratic:1"], "per-sample gradients"),
        (["--batch", "0"], "batch = 0"),
        (["--plot", "noise.txt"], ".png"),
        (["--grad-stats", "nowhere/stats.json"], "make it first"),
        (["--steps", "3", "--lr", "1e300", "--optimizer", "sgd"], "choose a smaller one"),
        (["--optimizer", "adamm"], "adamm"),
    ],
)
def test_usage_errors(options: list[str], words: str) -> None:
    result = CliRunner().invoke(main, ["noise", *options])
    assert result.exit_code == 2 and words in result.output
