"""The networks by name, and modules of one's own by file."""

from __future__ import annotations

import importlib.util
import traceback
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from adasde.errors import InvalidParameter, MissingData, UnknownName
from adasde.nets import architectures, data, local_data
from adasde.nets.loss import DTYPES, TorchLoss
from adasde.nets.torch_module import require_torch

SEED = 0
"""Seed of the initial parameters of the named networks: all runs start from the same point."""


@dataclass(frozen=True)
class Net:
    """A named network on data: its title says what the data is; build() gives module, inputs and targets."""

    title: str
    build: Callable[[], tuple[Any, Any, Any]]


def _digits(samples: int, module: Callable[[], Any]) -> tuple[Any, Any, Any]:
    return module(), *data.digits(samples)


def _breast_cancer(hidden: tuple[int, ...]) -> tuple[Any, Any, Any]:
    return architectures.mlp(30, hidden, 2), *data.breast_cancer()


def _characters(samples: int, context: int) -> tuple[Any, Any, Any]:
    windows, vocabulary = data.characters(samples, context)
    return architectures.character_transformer(vocabulary, context, 24, 2, 4, 48), *windows


def _mnist(module: Callable[[], Any]) -> tuple[Any, Any, Any]:
    return module(), *local_data.mnist(POPULATION)


def _cifar10(module: Callable[[], Any]) -> tuple[Any, Any, Any]:
    return module(), *local_data.cifar10(POPULATION)


POPULATION = 1000
"""Images of MNIST and CIFAR-10 that are taken as the fixed population."""
TUMOURS = "scikit-learn's breast cancer data (569 samples, 30 inputs)"
IMAGES = "256 of scikit-learn's 1797 digits (8 × 8)"
NETS = {
    "mlp-breast-cancer": Net(f"MLP 30-20-2 on {TUMOURS}", lambda: _breast_cancer((20,))),
    "mlp10-breast-cancer": Net(f"MLP of 10 layers of 20 units on {TUMOURS}", lambda: _breast_cancer((20,) * 10)),
    "cnn-digits": Net(f"CNN on {IMAGES}", lambda: _digits(256, lambda: architectures.cnn(1, 8, (8, 16), 32))),
    "resnet-digits": Net(
        f"ResNet with GroupNorm on {IMAGES}", lambda: _digits(256, lambda: architectures.resnet(1, 8, 12, 24))
    ),
    "vit-digits": Net(
        f"Vision transformer on {IMAGES}", lambda: _digits(256, lambda: architectures.vit(8, 2, 24, 2, 4, 48))
    ),
    "char-transformer": Net(
        "Character transformer on 256 windows of 16 characters of scikit-learn's own descriptions of data sets",
        lambda: _characters(256, 16),
    ),
    "cnn-mnist": Net(
        f"CNN on the first {POPULATION} training images of MNIST",
        lambda: _mnist(lambda: architectures.cnn(1, 28, (32, 32), 128)),
    ),
    "vit-mnist": Net(
        f"Vision transformer on the first {POPULATION} training images of MNIST, as one patch each",
        lambda: _mnist(lambda: architectures.vit(28, 28, 48, 3, 6, 192)),
    ),
    "resnet-cifar10": Net(
        f"ResNet with GroupNorm on the first {POPULATION} training images of CIFAR-10",
        lambda: _cifar10(lambda: architectures.resnet(3, 32, 32, 128)),
    ),
}
BUNDLED = tuple(name for name in NETS if not name.endswith(("-mnist", "-cifar10")))
"""Networks on data that scikit-learn ships; the others need the user's own files, see `local_data`."""


def network(name: str, dtype: str = "float64") -> TorchLoss:
    """The loss of a named network, or of ``./file.py:make``, where make() returns a `TorchLoss`, or a module, inputs,
    targets and, if it is not cross-entropy, the loss per sample.

    Raises `UnknownName`; `MissingData` without torch, scikit-learn or the file; `InvalidParameter` for a file that
    does not run, or a module as in `TorchLoss`.
    """
    torch = require_torch()
    if dtype not in DTYPES:
        raise UnknownName("dtype", dtype, DTYPES)
    if ":" in name:
        return _from_file(name, dtype)
    if name not in NETS:
        better = "a module of your own is spelled net:./file.py:make" if name.endswith(".py") else ""
        raise UnknownName("net", name, NETS, better)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(SEED)
        return TorchLoss(*NETS[name].build(), name=f"net:{name}", title=NETS[name].title, dtype=dtype)


def _from_file(name: str, dtype: str) -> TorchLoss:
    file, _, function = name.rpartition(":")
    path = Path(file).expanduser()
    if not path.is_file():
        raise MissingData(f"net:{name}: no file {file}; write it as net:./file.py:make, with the name of a function")
    try:
        with require_torch().random.fork_rng(devices=[]):
            require_torch().manual_seed(SEED)
            made = _function(path, name, function)()
    except (InvalidParameter, MissingData):
        raise
    except Exception as error:
        where = traceback.extract_tb(error.__traceback__)[-1]
        reason = f"{Path(where.filename).name}, line {where.lineno}: {type(error).__name__}: {error}"
        raise InvalidParameter("net", name, "the files that run", reason) from error
    if isinstance(made, TorchLoss):
        return made
    if not isinstance(made, tuple) or len(made) not in (3, 4):
        remedy = "return a TorchLoss, or module, inputs, targets[, loss per sample]"
        raise InvalidParameter(f"net:{name}: result", type(made).__name__, "{TorchLoss, tuple of 3 or 4}", remedy)
    return TorchLoss(*made, name=f"net:{name}", dtype=dtype)


def _function(path: Path, name: str, function: str) -> Callable[[], Any]:
    spec = importlib.util.spec_from_file_location(f"adasde_net_{path.stem}", path)
    if spec is None or spec.loader is None:
        raise InvalidParameter("net", name, "the Python files", "name a file that ends in .py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    known = {key for key, value in vars(module).items() if callable(value) and not key.startswith("_")}
    if function not in known:
        raise UnknownName(f"net:{name}: function", function, known)
    made: Callable[[], Any] = getattr(module, function)
    return made
