"""The optimizers that have generated kernels, and the checking of their hyperparameters. Loads no sympy."""

from __future__ import annotations

import importlib
import math
import pkgutil
from collections.abc import Mapping
from types import ModuleType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from adasde.errors import InvalidParameter, UnknownName


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


def parameter_array(optimizer: str, values: Mapping[str, float], nu: float = math.inf) -> NDArray[np.float64]:
    """The array p that every generated step of this optimizer takes."""
    array: NDArray[np.float64] = kernels(optimizer).parameters(**values, nu=nu)
    return array


def checked(parameter: str, value: Any, domain: str) -> float:
    """``value`` as a float if it lies in an interval such as ``[0, 1)``, else `InvalidParameter`."""
    low, high = (float(end) for end in domain[1:-1].split(", "))
    try:
        number = float(value)
    except (TypeError, ValueError):
        raise InvalidParameter(parameter, value, domain, "give a number") from None
    above = number > low or (domain[0] == "[" and number == low)
    below = number < high or (domain[-1] == "]" and number == high)
    if not (above and below and math.isfinite(number)):
        raise InvalidParameter(parameter, value, domain, "choose a finite number inside")
    return number


def counted(parameter: str, value: Any, remedy: str) -> int:
    """``value`` as an int if it is a whole number of at least one, else `InvalidParameter`."""
    try:
        whole = not isinstance(value, bool) and int(value) == value and value >= 1
    except (TypeError, ValueError, OverflowError):
        whole = False
    if not whole:
        raise InvalidParameter(parameter, value, "{1, 2, 3, ...}", remedy)
    return int(value)


def spelled(value: float) -> str:
    """The shortest decimal that reads back as ``value``: 1, 0.5, 1e-08."""
    short = f"{value:g}"
    return short if float(short) == value else repr(float(value))
