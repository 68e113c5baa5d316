"""The optimizers that have generated kernels, and the checking of their hyperparameters. Loads no sympy."""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Mapping, Sequence
from types import ModuleType

import numpy as np
from numpy.typing import NDArray

from adasde.domain import checked
from adasde.errors import UnknownName


def names() -> list[str]:
    """Names of all optimizers with kernels."""
    folder = importlib.import_module("adasde.kernels.cpu")
    return sorted(info.name for info in pkgutil.iter_modules(folder.__path__))


def kernels(optimizer: str) -> ModuleType:
    """The generated module of one optimizer. Raises `UnknownName` with the nearest match."""
    if optimizer not in names():
        raise UnknownName("optimizer", optimizer, names())
    return importlib.import_module(f"adasde.kernels.cpu.{optimizer}")


def models(optimizer: str) -> list[str]:
    """Models of one optimizer: ``algorithm``, ``sde`` and the published ones."""
    return list(kernels(optimizer).MODELS)


def hyperparameters(optimizer: str, given: Mapping[str, float]) -> dict[str, float]:
    """The given values by canonical name, the rest at their defaults, all checked against their domains.

    ``beta2`` may also be given as ``beta`` or ``alpha`` where the optimizer has only that decay. Raises
    `InvalidParameter` for a value outside its domain and `UnknownName` for a name that the optimizer lacks.
    """
    known = kernels(optimizer).HYPERPARAMETERS
    owner = {alias: h for h in known for alias in (h.name, *h.aliases)}
    values = {h.name: h.default for h in known}
    for name, value in given.items():
        if name not in owner:
            others = ", ".join(_having(name))
            better = f"it belongs to {others}" if others else ""
            raise UnknownName(f"{optimizer}: hyperparameter", name, values, better)
        values[owner[name].name] = checked(f"{optimizer}: {name}", value, owner[name].domain)
    return values


def _having(hyperparameter: str) -> list[str]:
    return [name for name in names() if any(h.name == hyperparameter for h in kernels(name).HYPERPARAMETERS)]


def parameter_array(optimizer: str, values: Mapping[str, float], law: Sequence[float] = ()) -> NDArray[np.float64]:
    """The array p that every generated step of this optimizer takes; ``law`` is the noise's `Noise.law_data`."""
    array: NDArray[np.float64] = kernels(optimizer).parameters(**values, law=law)
    return array
