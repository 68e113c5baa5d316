"""A user's own MNIST and CIFAR-10: every layout, damaged files, and pickles that want to run something."""

from __future__ import annotations

import gzip
import os
import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner

from adasde.cli import main
from adasde.errors import InvalidParameter, MissingData
from adasde.nets import local_data, network

RNG = np.random.default_rng(0)
DIGITS, CLASSES = RNG.integers(256, size=(40, 28, 28), dtype=np.uint8), RNG.integers(10, size=40, dtype=np.uint8)
PHOTOS = RNG.integers(256, size=(40, 3072), dtype=np.uint8)


def idx(array: np.ndarray) -> bytes:
    return bytes([0, 0, 8, array.ndim]) + np.array(array.shape, dtype=">u4").tobytes() + array.tobytes()


def write_idx(folder: Path, ending: str = "") -> None:
    folder.mkdir(parents=True, exist_ok=True)
    pack: Callable[[bytes], bytes] = gzip.compress if ending else bytes
    (folder / f"train-images-idx3-ubyte{ending}").write_bytes(pack(idx(DIGITS)))
    (folder / f"train-labels-idx1-ubyte{ending}").write_bytes(pack(idx(CLASSES)))


@pytest.fixture(autouse=True)
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("ADASDE_DATA", str(tmp_path))
    return tmp_path


@pytest.mark.parametrize("layout", ["", "raw", "MNIST/raw", "raw gz", "npz"])
def test_mnist(layout: str, root: Path) -> None:
    if layout == "npz":
        np.savez(root / "mnist.npz", x_train=DIGITS, y_train=CLASSES)
    else:
        folder, _, packed = layout.partition(" ")
        write_idx(root / folder, "." + packed if packed else "")
    images, labels = local_data.mnist(30)
    assert images.shape == (30, 1, 28, 28) and np.allclose(images[:, 0], DIGITS[:30] / 127.5 - 1)
    assert np.array_equal(labels, CLASSES[:30])


@pytest.mark.parametrize("layout", ["binary", "pickle"])
def test_cifar10(layout: str, root: Path) -> None:
    if layout == "binary":
        (root / "data_batch_1.bin").write_bytes(np.column_stack([CLASSES, PHOTOS]).tobytes())
    else:
        folder = root / "cifar-10-batches-py"
        folder.mkdir()
        batch = {b"data": PHOTOS, b"labels": CLASSES.tolist(), b"batch_label": b"training batch 1 of 5"}
        (folder / "data_batch_1").write_bytes(pickle.dumps(batch, protocol=2))
    images, labels = local_data.cifar10(30)
    assert np.allclose(images.reshape(30, -1), PHOTOS[:30] / 127.5 - 1) and np.array_equal(labels, CLASSES[:30])


class Intruder:
    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> Any:
        return os.mkdir, (str(self.path),)


def test_a_pickle_runs_nothing(root: Path) -> None:
    (root / "data_batch_1").write_bytes(pickle.dumps(Intruder(root / "was-here")))
    with pytest.raises(InvalidParameter, match="mkdir"):
        local_data.cifar10(30)
    assert not (root / "was-here").exists()


def test_damaged_files(root: Path) -> None:
    write_idx(root)
    with pytest.raises(InvalidParameter, match="N >= 1000"):
        local_data.mnist(1000)
    path = root / "train-images-idx3-ubyte"
    path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(InvalidParameter, match="damaged"):
        local_data.mnist(30)
    path.write_bytes(b"")
    with pytest.raises(InvalidParameter, match="damaged"):
        local_data.mnist(30)
    (root / "data_batch_1.bin").write_bytes(b"123")
    with pytest.raises(InvalidParameter, match="3073"):
        local_data.cifar10(30)


def test_absent_data(root: Path) -> None:
    """The error lists what was tried and offers a network that needs no files; exit code 3."""
    with pytest.raises(MissingData, match=r"MNIST/raw/train-images-idx3-ubyte.*mnist\.npz.*net:cnn-digits"):
        local_data.mnist(10)
    pytest.importorskip("torch")
    result = CliRunner().invoke(main, ["simulate", "sgd", "--loss", "net:resnet-cifar10"])
    assert result.exit_code == 3 and "cifar-10-batches-bin" in result.output and "ADASDE_DATA" in result.output


@pytest.mark.parametrize("name", ["cnn-mnist", "vit-mnist", "resnet-cifar10"])
def test_networks_at_the_sizes_of_the_paper(name: str, root: Path) -> None:
    """Built on the user's files, with the population that the title declares."""
    pytest.importorskip("torch")
    many = np.resize(DIGITS, (1000, 28, 28))
    np.savez(root / "mnist.npz", x_train=many, y_train=np.resize(CLASSES, 1000))
    rows = np.column_stack([np.resize(CLASSES, 1000), np.resize(PHOTOS, (1000, 3072))])
    (root / "data_batch_1.bin").write_bytes(rows.tobytes())
    loss = network(name, "float32")
    assert loss.samples == 1000 and "1000" in loss.title
    assert loss.gradient(loss.start, np.arange(4)).shape == (loss.dimension,)
