"""Networks as losses of `simulate` and `verify`, by their names on the command line."""

from __future__ import annotations

import json
import pickle
import sys
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

from adasde import simulate
from adasde.cli import main
from adasde.errors import MissingData
from adasde.losses import parse_loss
from adasde.nets import network

torch = pytest.importorskip("torch")
MINE = """
import numpy as np, torch

def make():
    rng = np.random.default_rng(0)
    return torch.nn.Linear(3, 2), rng.standard_normal((30, 3)), rng.integers(2, size=30)

def odd():
    return *make(), lambda out, y: -out[:, 0] * y
"""


@pytest.fixture(scope="module")
def mine(tmp_path_factory: pytest.TempPathFactory) -> str:
    path: Path = tmp_path_factory.mktemp("net") / "mine.py"
    path.write_text(MINE)
    return f"net:{path}:make"


def test_functions_over_lanes(mine: str) -> None:
    """The four compiled functions give what torch does in every lane, also after a journey to another process."""
    loss, plain = pickle.loads(pickle.dumps(parse_loss(mine))), network(mine.removeprefix("net:"))
    x = loss.start[:, None] + np.array([0.0, 0.1, -0.2])
    u = np.random.default_rng(1).standard_normal(x.shape)
    f, g, s, h = np.empty(3), np.empty_like(x), np.empty_like(x), np.empty_like(x)
    loss.value(x, f, loss.data)
    loss.gradient(x, g, loss.data)
    loss.noise_scale(x, s, loss.data)
    loss.hessian_vector(x, u, h, loss.data)
    for j in range(3):
        at = x[:, j]
        assert f[j] == plain.value(at) and np.array_equal(g[:, j], plain.gradient(at))
        assert np.array_equal(s[:, j], np.sqrt(plain.variance(at)))
        assert np.array_equal(h[:, j], plain.hessian_vector(at, u[:, j]))
    assert loss.minimum == 0 and parse_loss(mine.replace("make", "odd")).minimum == -np.inf


def test_data_names_the_text_of_the_file(mine: str, tmp_path: Path) -> None:
    """A file that changes makes another loss, so that nothing takes old results for its own."""
    path = tmp_path / "mine.py"
    path.write_text(MINE)
    first = parse_loss(f"net:{path}:make")
    path.write_text(MINE.replace("default_rng(0)", "default_rng(1)"))
    second = parse_loss(f"net:{path}:make")
    assert not np.array_equal(first.data, second.data)
    assert second.start.size == 8


def test_simulation_is_a_plain_loop(mine: str) -> None:
    """Three steps of gradient descent without noise, and noise from the samples themselves."""
    plain = network(mine.removeprefix("net:"))
    x = plain.start.copy()
    for _ in range(3):
        x -= 0.1 * plain.gradient(x)
    run = simulate("sgd", "algorithm", loss=mine, noise="gaussian:0", lr=0.1, steps=3, paths=2)
    assert np.allclose(run.mean[-1], x, rtol=0, atol=1e-14) and run.loss_mean[-1] == pytest.approx(plain.value(x))
    noisy = simulate("sgd", "algorithm", loss=mine, noise="gaussian:data", lr=0.1, steps=1, paths=400)
    assert np.allclose(noisy.var[-1], 0.01 * plain.variance(plain.start), rtol=6 * np.sqrt(2 / 400))


def test_command_line(mine: str) -> None:
    options = ["--noise", "gaussian:data", "--lr", "0.01", "--steps", "12", "--paths", "2", "--batch", "8", "--json"]
    result = CliRunner().invoke(main, ["simulate", "adamw", "--loss", mine, *options])
    assert result.exit_code == 0, result.output
    found = json.loads(result.stdout)
    assert found["loss_mean"][-1] < found["loss_mean"][0] and found["diverged"][-1] == 0


@pytest.mark.parametrize(
    ("loss", "code", "words"),
    [
        ("net:cnn-digit", 2, "did you mean 'cnn-digits'"),
        ("net:./nothing.py:make", 3, "no file"),
        ("net:mine.py", 2, "net:./file.py:make"),
    ],
)
def test_exit_codes(loss: str, code: int, words: str) -> None:
    result = CliRunner().invoke(main, ["simulate", "sgd", "--loss", loss])
    assert result.exit_code == code and words in result.output


def test_the_catalog_names_all_networks() -> None:
    from adasde.losses import KINDS
    from adasde.nets import NETS

    assert all(name in KINDS["net"] for name in NETS)


def test_without_torch(monkeypatch: pytest.MonkeyPatch) -> None:
    """Exit code 3, and what to install."""
    monkeypatch.setitem(sys.modules, "torch", None)
    with pytest.raises(MissingData, match="nets"):
        parse_loss("net:cnn-digits")
    result = CliRunner().invoke(main, ["simulate", "sgd", "--loss", "net:cnn-digits"])
    assert result.exit_code == 3 and "pip install" in result.output
