"""What a generated CUDA kernel is: its builder and the numbers that all paths share."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
from numba import cuda, float32, float64, int64
from numpy.typing import NDArray

from adasde.kernels.cuda.device.losses import LossFamily

Coefficients = Callable[..., tuple[float, ...]]


@dataclass(frozen=True)
class PathKernel:
    """One thread simulates one path.

    build         build(T, d, substeps, gradient, hessian_vector) is the kernel, see `SIGNATURE`
    coefficients  coefficients(p, k, t, dt), on the host and in float64: what all paths share in step k
    along         the same for the leading position drift that models of weak order two differentiate along
    varying       whether they change from step to step
    numbers       numbers(p), on the host and in float64: what else the kernel reads; the parameter array itself, for
                  quadrature nodes and the law's numbers, but for draws that need these in another form
    """

    build: Callable[..., Any]
    coefficients: Coefficients
    along: Coefficients | None
    varying: bool
    numbers: Callable[[NDArray[np.float64]], NDArray[np.float64]]

    def table(self, p: NDArray[np.float64], first: int, last: int, substeps: int) -> NDArray[np.float64]:
        """Row (k - first) substeps + part of the coefficients of steps first, ..., last - 1; one row if they are all
        alike."""
        eta = float(p[0])
        dt = eta / substeps
        numbers = [float(value) for value in p]
        steps = [(k, part) for k in range(first, last) for part in range(substeps)] if self.varying else [(first, 0)]
        rows = []
        for k, part in steps:
            t = eta * k + dt * part
            row = self.coefficients(numbers, k + 1, t, dt)
            rows.append(row + self.along(numbers, k + 1, t, dt) if self.along else row)
        return np.array(rows, dtype=np.float64)


@cache
def built(kernel: PathKernel, T: Any, d: int, substeps: int, family: LossFamily) -> Any:
    """The kernel for a precision, a dimension, a number of substeps and a loss; compiled when it is first launched."""
    return kernel.build(T, d, substeps, family.gradient, family.hessian_vector)


def path_kernel(
    *,
    coefficients: Coefficients,
    varying: bool,
    along: Coefficients | None = None,
    numbers: Callable[[NDArray[np.float64]], NDArray[np.float64]] = np.asarray,
) -> Callable[[Callable[..., Any]], PathKernel]:
    """Decorator of the generated builders."""
    return lambda build: PathKernel(build, coefficients, along, varying, numbers)


def signature(T: Any) -> tuple[Any, ...]:
    """Types of the arguments of every kernel: state (n, d, paths), scale (d,), data, table, numbers, first, last,
    saves (S,), xs (S, d, paths), first_path, seed.

    The thread runs steps first, ..., last - 1 of path first_path + its number, from ``state`` and back into it, and
    writes x before the steps in ``saves`` to ``xs``; a save that is left over is that after the last step.
    """
    real = float32 if T is np.float32 else float64
    flat, stack = real[::1], real[:, :, ::1]
    return (stack, flat, flat, real[:, ::1], flat, int64, int64, int64[::1], stack, int64, int64)


def compile_ptx(kernel: Any, types: tuple[Any, ...], capability: tuple[int, int] = (9, 0)) -> str:
    """The kernel's PTX for a compute capability; needs the compiler, but no GPU."""
    text: str = cuda.compile_ptx(kernel.py_func, types, cc=capability)[0]
    return text
