"""What a loss must supply."""

from __future__ import annotations

import importlib
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Loss:
    """A loss f on R^d as compiled functions over lanes (signatures in `adasde.kernels.lanes`).

    name            how the command line spells it, e.g. ``quadratic:1,3``
    dimension       d
    data            flat float64 array handed to every function below
    start           default starting point, shape (d,)
    value           `VALUE`: f per lane
    gradient        `FIELD`: grad f per lane
    hessian_vector  `HESSIAN_VECTOR`: Hess f(x) u per lane; None where only models of weak order one are wanted
    noise_scale     `FIELD` or None: per-sample standard deviation of each gradient coordinate at x, for losses
                    that are means over data
    minimum         the least value of f, or a lower bound: what an excess loss is measured from; -inf where there
                    is none
    lanes           the least number of paths to a block; more than 8 where a gradient pays off on many only
    family          the loops of `flat.FAMILIES` that gradient's operations fit into, if any
    noise_covariance  `COVARIANCE` or None: per-sample covariance (d, d) of the gradient at x, whose diagonal is the
                    square of noise_scale where a loss has both
    adjoint         `HESSIAN_VECTOR` or None: J^T u where gradient is a field whose Jacobian J is not symmetric
    """

    name: str
    dimension: int
    data: Array
    start: Array
    value: Any
    gradient: Any
    hessian_vector: Any
    noise_scale: Any = None
    minimum: float = 0.0
    lanes: int = 8
    family: str | None = None
    noise_covariance: Any = None
    adjoint: Any = None

    def __getstate__(self) -> dict[str, Any]:
        """Functions of this package by name, so that another process finds them in numba's cache; a user's own by
        value, as numba pickles them, to be compiled there."""
        return {name: by_name(value) for name, value in vars(self).items()}

    def __setstate__(self, state: dict[str, Any]) -> None:
        for name, value in state.items():
            object.__setattr__(self, name, value.function() if isinstance(value, FunctionName) else value)


class FunctionName(NamedTuple):
    """Where a compiled function of this package is found."""

    module: str
    name: str

    def function(self) -> Any:
        return getattr(importlib.import_module(self.module), self.name)


def by_name(value: Any) -> Any:
    """The `FunctionName` of a compiled function of this package; anything else as it is."""
    body = getattr(value, "py_func", None)
    if body is None or not body.__module__.startswith("adasde."):
        return value
    name = FunctionName(body.__module__, body.__name__)
    return name if getattr(importlib.import_module(name.module), name.name, None) is value else value
