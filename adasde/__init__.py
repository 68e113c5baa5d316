"""From an optimizer's update rule to its SDE, to fast kernels, to a verdict."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

_HOMES = {
    "simulate": "simulation",
    "compare": "comparison",
    "sweep": "sweep_run",
    "read_sweep": "sweep_store",
    "Ensemble": "ensemble",
    "Loss": "losses.base",
    "Quadratic": "losses.quadratic",
    "EmbeddedSaddle": "losses.saddle",
    "Rosenbrock": "losses.rosenbrock",
    "Logistic": "losses.logistic",
    "MLP": "losses.mlp",
    "TorchLoss": "nets.loss",
    "Noise": "noise",
    "gaussian": "noise",
    "student_t": "noise",
    "laplace": "noise",
    "exponential": "noise",
    "rademacher": "noise",
    "two_point": "noise",
    "mixture": "noise",
    "empirical": "noise",
    "InvalidParameter": "errors",
    "MissingData": "errors",
    "NoModel": "errors",
    "UnknownName": "errors",
}
__all__ = list(_HOMES)

if TYPE_CHECKING:
    from adasde.comparison import compare as compare
    from adasde.ensemble import Ensemble as Ensemble
    from adasde.errors import InvalidParameter as InvalidParameter
    from adasde.errors import MissingData as MissingData
    from adasde.errors import NoModel as NoModel
    from adasde.errors import UnknownName as UnknownName
    from adasde.losses.base import Loss as Loss
    from adasde.losses.logistic import Logistic as Logistic
    from adasde.losses.mlp import MLP as MLP
    from adasde.losses.quadratic import Quadratic as Quadratic
    from adasde.losses.rosenbrock import Rosenbrock as Rosenbrock
    from adasde.losses.saddle import EmbeddedSaddle as EmbeddedSaddle
    from adasde.nets.loss import TorchLoss as TorchLoss
    from adasde.noise import Noise as Noise
    from adasde.noise import empirical as empirical
    from adasde.noise import exponential as exponential
    from adasde.noise import gaussian as gaussian
    from adasde.noise import laplace as laplace
    from adasde.noise import mixture as mixture
    from adasde.noise import rademacher as rademacher
    from adasde.noise import student_t as student_t
    from adasde.noise import two_point as two_point
    from adasde.simulation import simulate as simulate
    from adasde.sweep_run import sweep as sweep
    from adasde.sweep_store import read_sweep as read_sweep


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(importlib.import_module(f"{__name__}.{_HOMES[name]}"), name)
    globals()[name] = value
    return value
