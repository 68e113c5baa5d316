"""Experiments of a paper: what is run, what is kept, and what is shown."""

import dataclasses
import json

import numpy as np
import pytest
from click.testing import CliRunner

from adasde import UnknownName
from adasde.cli import main
from adasde.ensemble import Ensemble, Moments
from adasde.papers import experiments
from adasde.plots import loss_bands
from adasde.reproduce import chosen, reproduce

OPTIMIZERS = ["sgd", "signsgd", "rmsprop", "rmspropw", "adam", "adamw"]


@pytest.fixture
def small(monkeypatch):
    """The quadratic experiment with 60 steps of 64 paths, for two optimizers."""
    quadratic = chosen("compagnoni2025", "quadratic")[0]
    settings = {name: quadratic.hyperparameters[name] for name in ("sgd", "adam")}
    copy = dataclasses.replace(quadratic, hyperparameters=settings, quick={"steps": 60, "paths": 64})
    monkeypatch.setattr("adasde.reproduce.experiments", lambda: {"compagnoni2025": (copy,)})


def test_the_demo_covers_six_optimizers_on_three_losses():
    """Quadratic, saddle and the breast-cancer network, each with every optimizer, at dt = lr and lr/4."""
    found = experiments()["compagnoni2025"]
    assert [e.figure for e in found] == ["quadratic", "saddle", "mlp"]
    assert all(list(e.hyperparameters) == OPTIMIZERS and e.substeps == (1, 4) for e in found)


def test_unknown_names_are_refused():
    with pytest.raises(UnknownName, match="did you mean 'saddle'"):
        chosen("compagnoni2025", "sadle")
    with pytest.raises(UnknownName, match="paper"):
        chosen("malladi2022")


def test_results_are_on_disk_as_they_come(small, tmp_path):
    """After each result the record holds everything so far: an interrupt loses only what is running."""
    lengths = []
    for _ in reproduce("compagnoni2025", out=tmp_path):
        lengths.append(len(json.loads((tmp_path / "results.json").read_text())))
    assert lengths == [1, 2]
    record = json.loads((tmp_path / "results.json").read_text())[1]
    assert record["algorithm"]["optimizer"] == "adam"
    assert {m["model"] for m in record["models"]} == {"sde", "compagnoni2025", "malladi2022"}
    assert all(len(m["ensemble"]["loss_mean"]) == len(m["ensemble"]["times"]) for m in record["models"])


def test_the_command_prints_verdicts_and_writes_the_figure(small, tmp_path):
    """A table row for every model and time step, and a figure that is a PNG of some size."""
    result = CliRunner().invoke(main, ["reproduce", "compagnoni2025", "--quick", "--out", str(tmp_path)])
    assert result.exit_code == 0, result.output
    assert result.output.count("lr/4") == 5
    assert (tmp_path / "losses.png").read_bytes()[:8] == b"\x89PNG\r\n\x1a\n"


def ensemble(model, loss, substeps=1):
    times = np.linspace(0, 1, len(loss))
    zero = np.zeros((len(loss), 1))
    second = np.full(len(loss), 9 * 0.01)
    moments = Moments(
        np.full(len(loss), 10), zero[:, 0].astype(int), zero, zero[:, :, None], np.stack([loss, second], 1)
    )
    return Ensemble("sgd", model, "quadratic:1", "gaussian:1", {"lr": 0.1}, 0, 10, substeps, 0, times, moments)


def test_loss_bands_show_mean_and_spread():
    """Curves lie at the mean losses, bands one standard deviation around them; the axis is logarithmic for decades."""
    loss = np.array([5.0, 1.0, 0.1])
    figure = loss_bands([ensemble("algorithm", loss), ensemble("sde", 2 * loss, 4)])
    axes = figure.axes[0]
    assert [line.get_label() for line in axes.get_lines()] == ["optimizer", "sde, dt = lr/4"]
    np.testing.assert_allclose(axes.get_lines()[1].get_ydata(), 2 * loss)
    band = axes.collections[0].get_paths()[0].vertices[:, 1]
    assert band.max() == pytest.approx(5.1) and band.min() == pytest.approx(0.0, abs=1e-12)
    assert axes.get_yscale() == "log"
    assert loss_bands([ensemble("algorithm", np.array([1.0, 0.9, 0.8]))]).axes[0].get_yscale() == "linear"
