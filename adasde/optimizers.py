"""The optimizers that have generated kernels, and the checking of their hyperparameters. Loads no sympy."""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Mapping
from functools import cache
from types import ModuleType

import numpy as np
from numpy.typing import NDArray

from adasde import rules
from adasde.cache import cached_kernels
from adasde.domain import checked
from adasde.errors import NoModel, UnknownName
from adasde.noise import Noise

CHECKED_IN = ("gaussian", "student-t")
"""Noise laws whose kernels are checked in."""


def names() -> list[str]:
    """Names of the optimizers whose kernels are checked in."""
    return list(_names())


def shipped() -> list[str]:
    """Names of all shipped optimizers, in alphabetical order. Loads sympy."""
    from adasde.derive.optimizers import registry

    return list(registry())


@cache
def _names() -> tuple[str, ...]:
    folder = importlib.import_module("adasde.kernels.cpu")
    return tuple(sorted(info.name for info in pkgutil.iter_modules(folder.__path__)))


def kernels(optimizer: str, law: str = "gaussian") -> ModuleType:
    """The generated module of one optimizer with its models under a noise law.

    Checked in for the optimizers of `names` under `CHECKED_IN` laws; derived and kept in the user's cache for other
    laws, other shipped optimizers, and a rule of one's own, spelled ``./file.py:name``. Raises `UnknownName` with the
    nearest match.
    """
    if rules.is_file(optimizer) or optimizer not in names() or law not in CHECKED_IN:
        return cached_kernels(optimizer, law)
    return importlib.import_module(f"adasde.kernels.cpu.{optimizer}")


def cuda_kernels(optimizer: str, law: str) -> ModuleType:
    """The same for a GPU: checked in for the same optimizers and laws, derived and kept in the user's cache for all
    others."""
    if rules.is_file(optimizer) or optimizer not in names() or law not in CHECKED_IN:
        return cached_kernels(optimizer, law, "cuda")
    return importlib.import_module(f"adasde.kernels.cuda.{optimizer}")


def require_model(optimizer: str, model: str, module: ModuleType) -> None:
    """Raises `NoModel` with the derivation's own reason where there can be no such model, `UnknownName` otherwise."""
    if model in module.REFUSED:
        raise NoModel(f"{optimizer}: model", model, f"{{{', '.join(module.MODELS)}}}", module.REFUSED[model])
    if model not in module.MODELS:
        raise UnknownName(f"{optimizer}: model", model, module.MODELS)


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
            others = ", ".join(having(name))
            better = f"it belongs to {others}" if others else ""
            raise UnknownName(f"{optimizer}: hyperparameter", name, values, better)
        values[owner[name].name] = checked(f"{optimizer}: {name}", value, owner[name].domain)
    return values


def initial(module: ModuleType) -> dict[str, float]:
    """What the further states of an optimizer start at, where that is not zero."""
    return dict(getattr(module, "INITIAL", {}))


def having(hyperparameter: str) -> list[str]:
    """Names of the optimizers that have a hyperparameter."""
    return [name for name in names() if any(h.name == hyperparameter for h in kernels(name).HYPERPARAMETERS)]


def parameter_array(module: ModuleType, values: Mapping[str, float], noise: Noise) -> NDArray[np.float64]:
    """The array p that every generated step of a module takes under one noise law."""
    quadrature: tuple[float, ...] = ()
    if module.QUADRATURE:
        from adasde.verify.nodes import kernel_nodes

        quadrature = tuple(np.concatenate(kernel_nodes(noise, module.QUADRATURE)).tolist())
    array: NDArray[np.float64] = module.parameters(**values, law=noise.law_data.tolist(), quadrature=quadrature)
    return array
