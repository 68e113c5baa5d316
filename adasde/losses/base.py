"""What a loss must supply."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

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
