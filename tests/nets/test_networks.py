"""The named networks: real data, a loss that falls, and modules from files."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from adasde.errors import InvalidParameter, MissingData, UnknownName
from adasde.nets import network
from adasde.nets.catalog import BUNDLED, NETS
from adasde.nets.data import characters

torch = pytest.importorskip("torch")
pytest.importorskip("sklearn")


@pytest.mark.parametrize("name", BUNDLED)
def test_networks_learn(name: str) -> None:
    """The initial loss is about that of guessing, log of the number of classes, and 60 steps of Adam lower it by a
    tenth at least; the same parameters at every call."""
    loss = network(name, "float32")
    x = torch.from_numpy(loss.start.copy()).requires_grad_()
    assert np.array_equal(network(name, "float32").start, loss.start)
    classes = {"mlp": 2, "mlp10": 2, "char": characters(4, 4)[1]}.get(name.split("-")[0], 10)
    first = loss.value(loss.start)
    assert abs(first / np.log(classes) - 1) < 0.15
    adam = torch.optim.Adam([x], lr=0.005)
    for _ in range(60):
        x.grad = torch.from_numpy(loss.gradient(x.detach().numpy()))
        adam.step()
    assert loss.value(x.detach().numpy()) < 0.9 * first


def test_titles_say_what_the_data_is() -> None:
    assert all("scikit-learn's" in NETS[name].title for name in BUNDLED)
    assert all(NETS[name].title.count("first 1000 training images") == 1 for name in NETS if name not in BUNDLED)


def test_characters_are_text() -> None:
    """The target of a window is the window one character on, and classes run from 0 to their number."""
    (inputs, targets), classes = characters(100, 16)
    assert inputs.shape == targets.shape == (100, 16)
    assert np.array_equal(inputs[:, 1:], targets[:, :-1])
    assert targets.min() >= 0 and targets.max() < classes and 30 < classes < 80


MINE = """
import numpy as np, torch

def make():
    return torch.nn.Linear(2, 1), np.ones((5, 2)), np.zeros((5, 1)), lambda out, y: ((out - y) ** 2).mean(dim=1)

def few():
    return torch.nn.Linear(2, 1), np.ones((5, 2))

def broken():
    return torch.nn.Linear(2, 1), np.ones((5, 3)), np.zeros(5)
"""


def test_modules_from_files(tmp_path: Path) -> None:
    path = tmp_path / "mine.py"
    path.write_text(MINE)
    loss = network(f"{path}:make")
    assert loss.dimension == 3 and np.array_equal(loss.start, network(f"{path}:make").start)
    with pytest.raises(InvalidParameter, match=r"return a TorchLoss, or module, inputs, targets"):
        network(f"{path}:few")
    with pytest.raises(InvalidParameter, match="mat1 and mat2 shapes"):
        network(f"{path}:broken")
    with pytest.raises(UnknownName, match="'make'"):
        network(f"{path}:maker")
    with pytest.raises(MissingData, match="no file"):
        network(f"{tmp_path / 'other.py'}:make")
    with pytest.raises(UnknownName, match="did you mean 'cnn-digits'"):
        network("cnn-digit")
