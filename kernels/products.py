"""Matrix products that losses over data are made of, in one fixed order of summation.

BLAS sums in an order that depends on the CPU it runs on; here every entry of the result has the same bytes everywhere,
and a column of the right factor gives the same column of the product whatever stands beside it.
"""

# helpers 59df08b01e18: numba's cache watches this file only, so `adasde kernels --write` stamps what it inlines here.
from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from adasde.kernels.compilation import compiled

Array = NDArray[np.float64]
Function = TypeVar("Function", bound=Callable[..., Any])


def device(function: Function) -> Function:
    """Compiles a function that only kernels call, without the wrappers for other callers, each of which would be
    compiled with a copy of it; what kernels leave in the disk cache contains it."""
    alone: Function = compiled(cache=False, no_cpython_wrapper=True, no_cfunc_wrapper=True)(function)
    return alone


@device
def add_product(out: Array, left: Array, right: Array) -> None:
    """out += left @ right: (r, c) += (r, k) (k, c)."""
    for r in range(out.shape[0]):
        row = out[r]
        k = 0
        # Four rows at a time: one load and one store of `row` for four products.
        while k + 4 <= right.shape[0]:
            a, b, c, d = left[r, k], left[r, k + 1], left[r, k + 2], left[r, k + 3]
            row_a, row_b, row_c, row_d = right[k], right[k + 1], right[k + 2], right[k + 3]
            for i in range(row.size):
                row[i] += a * row_a[i] + b * row_b[i] + c * row_c[i] + d * row_d[i]
            k += 4
        while k < right.shape[0]:
            a = left[r, k]
            row_a = right[k]
            for i in range(row.size):
                row[i] += a * row_a[i]
            k += 1
