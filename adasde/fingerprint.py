"""Digests of what the bytes of a result depend on."""

from __future__ import annotations

import hashlib
import sys
from collections.abc import Iterator, Mapping
from dataclasses import fields, is_dataclass
from functools import cache
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from adasde.losses.base import Loss
from adasde.run import Run

if TYPE_CHECKING:
    from adasde.cuda import DeviceRun

SOURCES = (
    "losses/*.py",
    "nets/*.py",
    "arithmetic.py",
    "covariance.py",
    "ensemble.py",
    "flat.py",
    "fusion.py",
    "laws.py",
    "merging.py",
    "noise.py",
    "plan.py",
    "pointers.py",
    "quantiles.py",
    "run.py",
    "staged.py",
)
"""Files of this package, besides all kernels, that the bytes of a result depend on."""


@cache
def code_digest() -> str:
    """Digest of the code that calculates: the version, the helpers and driver of the kernels, and `SOURCES`."""
    import adasde.kernels

    home, kernels = Path(next(iter(adasde.__path__))), Path(next(iter(adasde.kernels.__path__)))
    paths = [*kernels.glob("*.py"), *(path for pattern in SOURCES for path in home.glob(pattern))]
    return _files_digest(version("adasde"), paths)


@cache
def device_code_digest() -> str:
    """The same of the code that calculates on a GPU."""
    import adasde.kernels.cuda.device

    folder = Path(next(iter(adasde.kernels.cuda.device.__path__)))
    return _files_digest(code_digest(), [Path(__file__).with_name("cuda.py"), *folder.glob("*.py")])


def _files_digest(start: str, paths: list[Path]) -> str:
    texts = [f"{path.name}\n".encode() + path.read_bytes() for path in sorted(paths)]
    return hashlib.sha256(b"\0".join([start.encode(), *texts])).hexdigest()


def run_digest(run: Run) -> str:
    """Digest of a run: equal digests give results of equal bytes. Losses are told apart by name, data and minimum, so
    those that a command line can spell; the generated steps by the text of their module."""
    module = sys.modules[run.own_step.body.__module__]
    digest = hashlib.sha256(code_digest().encode())
    digest.update(Path(str(module.__file__)).read_bytes())
    for part in _bytes({f.name: getattr(run, f.name) for f in fields(run) if f.name not in run.STEPS}):
        digest.update(len(part).to_bytes(8, "little") + part)
    return digest.hexdigest()


def device_digest(on_gpu: DeviceRun) -> str:
    """Digest of a run on a GPU, in its precision: no run on a CPU has it, nor one in another precision."""
    digest = hashlib.sha256(f"{device_code_digest()} {run_digest(on_gpu.run)} {on_gpu.precision}".encode())
    digest.update(Path(str(on_gpu.module.__file__)).read_bytes())
    return digest.hexdigest()


def _bytes(value: Any) -> Iterator[bytes]:
    """The bytes of a fact, unambiguous within a type. Raises `TypeError` for what it does not know."""
    yield type(value).__name__.encode()
    if isinstance(value, np.ndarray):
        yield f"{value.dtype.str} {value.shape}".encode()
        yield value.tobytes()
    elif isinstance(value, Loss):
        yield from _bytes((value.name, value.data, value.minimum))
    elif isinstance(value, Mapping):
        yield from _bytes(tuple(sorted(value.items())))
    elif isinstance(value, tuple):
        yield str(len(value)).encode()
        for part in value:
            yield from _bytes(part)
    elif is_dataclass(value):
        yield from _bytes(tuple(getattr(value, f.name) for f in fields(value)))
    elif value is None or isinstance(value, str | int | float | bool):
        yield repr(value).encode()
    else:
        raise TypeError(f"no digest of a {type(value).__name__}")
