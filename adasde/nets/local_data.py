"""MNIST and CIFAR-10 from files that the user has. Nothing is downloaded, and no pickle may run anything.

Files are looked for in the folder that the variable ADASDE_DATA names, or in ``data``.
"""

from __future__ import annotations

import gzip
import io
import os
import pickle
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from adasde.errors import InvalidParameter, MissingData
from adasde.nets.data import Samples

FOLDER = "ADASDE_DATA"
Bytes = NDArray[np.uint8]
MNIST_FOLDERS = ("", "raw", "MNIST/raw")
CIFAR_FOLDERS = ("", "cifar-10-batches-bin", "cifar-10-batches-py")
UNSIGNED_BYTE = 8
"""Code of the type of numbers in the IDX files of MNIST."""


def mnist(samples: int) -> Samples:
    """The first training images of MNIST, (1, 28, 28) in [-1, 1], and their classes: IDX files, plain or .gz, or
    mnist.npz as Keras keeps it. Raises `MissingData` with the paths tried."""
    root, tried = _root(), []
    for folder in MNIST_FOLDERS:
        images, labels = (root / folder / f"train-{kind}-ubyte" for kind in ("images-idx3", "labels-idx1"))
        for ending in ("", ".gz"):
            pair = [path.with_name(path.name + ending) for path in (images, labels)]
            tried += pair
            if all(path.is_file() for path in pair):
                return _images("mnist", idx(pair[0])[:, None], idx(pair[1]), (1, 28, 28), samples)
    tried.append(root / "mnist.npz")
    if tried[-1].is_file():
        with _readable(tried[-1], np.load) as file:
            return _images("mnist", file["x_train"][:, None], file["y_train"], (1, 28, 28), samples)
    raise _missing("MNIST", tried, "cnn-digits")


def cifar10(samples: int) -> Samples:
    """The first training images of CIFAR-10, (3, 32, 32) in [-1, 1], and their classes: data_batch_1.bin, or the pickle
    data_batch_1 through `restricted_unpickle`. Raises `MissingData` with the paths tried."""
    root, tried = _root(), []
    for folder in CIFAR_FOLDERS:
        tried += [root / folder / "data_batch_1.bin", root / folder / "data_batch_1"]
        if tried[-2].is_file():
            rows = np.frombuffer(tried[-2].read_bytes(), dtype=np.uint8)
            if rows.size % 3073:
                raise InvalidParameter("cifar10: bytes of the file", rows.size, "the multiples of 3073", str(tried[-2]))
            rows = rows.reshape(-1, 3073)
            return _images("cifar10", rows[:, 1:].reshape(-1, 3, 32, 32), rows[:, 0], (3, 32, 32), samples)
        if tried[-1].is_file():
            batch = _readable(tried[-1], restricted_unpickle)
            images = np.asarray(batch[b"data"]).reshape(-1, 3, 32, 32)
            return _images("cifar10", images, np.asarray(batch[b"labels"]), (3, 32, 32), samples)
    raise _missing("CIFAR-10", tried, "resnet-digits")


def idx(path: Path) -> Bytes:
    """The array of unsigned bytes in an IDX file: two zeros, type, number of axes, their lengths, then the numbers."""
    content = gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes()
    axes = content[3] if len(content) > 3 else 0
    shape = tuple(np.frombuffer(content, dtype=">u4", count=axes, offset=4)) if len(content) >= 4 + 4 * axes else ()
    numbers = np.frombuffer(content[4 + 4 * axes :], dtype=np.uint8)
    if content[:3] != bytes([0, 0, UNSIGNED_BYTE]) or not shape or numbers.size != int(np.prod(shape, dtype=np.int64)):
        remedy = "the header and the length of the file do not go together: it is damaged, or something else"
        raise InvalidParameter("mnist: file", path, "the IDX files of unsigned bytes", remedy)
    return numbers.reshape(shape)


class _Restricted(pickle.Unpickler):
    """Knows how arrays of numbers are put together, and nothing else."""

    def find_class(self, module: str, name: str) -> Any:
        if module in ("numpy.core.multiarray", "numpy._core.multiarray") and name == "_reconstruct":
            from numpy._core.multiarray import _reconstruct  # type: ignore[attr-defined]

            return _reconstruct
        if module == "numpy" and name in ("ndarray", "dtype"):
            return getattr(np, name)
        if (module, name) == ("_codecs", "encode"):
            import codecs

            return codecs.encode
        raise pickle.UnpicklingError(f"it asks for {module}.{name}, which an array of images has no need of")


def restricted_unpickle(path: Path) -> Any:
    """A pickle of containers, numbers and arrays; raises `pickle.UnpicklingError` where it asks for anything else."""
    return _Restricted(io.BytesIO(path.read_bytes()), encoding="bytes").load()


def _readable(path: Path, read: Callable[[Path], Any]) -> Any:
    try:
        return read(path)
    except (pickle.UnpicklingError, ValueError, EOFError, zipfile.BadZipFile) as error:
        raise InvalidParameter("data: file", path, "the files of images", str(error)) from error


def _images(name: str, images: Any, labels: Any, shape: tuple[int, ...], samples: int) -> Samples:
    if images.shape[1:] != shape or labels.shape != images.shape[:1] or len(images) < samples:
        found = f"{images.shape} and {labels.shape}"
        domain = f"(N, {', '.join(map(str, shape))}) and (N,), N >= {samples}"
        raise InvalidParameter(f"{name}: shapes of images and labels", found, domain, "the file is not what it says")
    return images[:samples] / 127.5 - 1, labels[:samples].astype(np.int64)


def _root() -> Path:
    return Path(os.environ.get(FOLDER) or "data").expanduser()


def _missing(data: str, tried: list[Path], instead: str) -> MissingData:
    paths = ", ".join(map(str, tried))
    return MissingData(f"no {data} in {paths}; name its folder by {FOLDER}, or use net:{instead}, which needs no files")
