"""Ensembles on a GPU: a checked `Run`, batch by batch of leaves, on kernels of `adasde.kernels.cuda`.

One thread simulates one path on the draws that the CPU gives it, and a block of threads reduces a leaf; so the result
depends neither on the grid nor on the batches, and differs from the CPU's by rounding alone.
"""

from __future__ import annotations

import importlib.util
import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass, fields
from functools import cached_property
from types import ModuleType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from adasde import cache, optimizers
from adasde.arithmetic import DEFAULT_ARITHMETIC
from adasde.ensemble import FULL_COVARIANCE_UP_TO, Array, Ensemble, Moments
from adasde.errors import InvalidParameter, MissingData, NoModel
from adasde.losses.base import FunctionName, Loss, by_name
from adasde.merging import MergeTree
from adasde.quantiles import Sketch
from adasde.run import Run

PRECISIONS = {"float32": np.float32, "float64": np.float64}
REMEDY = "use --device cpu, which gives the same up to rounding"
THREADS = 128
"""Threads of a block of the simulation."""
STEPS_PER_LAUNCH = 1 << 14
"""Optimizer steps of one kernel; between two of them an interrupt gets through."""
BATCH_BYTES = 1 << 29
"""Memory that the saved positions and losses of a batch of paths may take."""

FAMILIES = {
    "quadratic.diagonal_value quadratic.diagonal_gradient quadratic.diagonal_hessian_vector": "DIAGONAL",
    "quadratic.dense_value quadratic.plane_gradient quadratic.plane_hessian_vector": "DENSE",
    "quadratic.dense_value quadratic.dense_gradient quadratic.dense_hessian_vector": "DENSE",
    "quadratic.dense_value quadratic.blas_gradient quadratic.blas_hessian_vector": "DENSE",
    "saddle.saddle_value saddle.saddle_gradient saddle.saddle_hessian_vector": "SADDLE",
    "rosenbrock.rosenbrock_value rosenbrock.rosenbrock_gradient rosenbrock.rosenbrock_hessian_vector": "ROSENBROCK",
    "logistic.value logistic.gradient logistic.hessian_vector": "LOGISTIC",
}
"""Families of `adasde.kernels.cuda.device.losses` by the value, gradient and Hessian-vector product on the CPU; by
name, for a loss is compiled when its module is imported."""


def simulate_on_gpu(run: Run, precision: str, progress: Callable[[int, int], None] | None = None) -> Ensemble:
    """The moments of a run with the state in ``float32`` or ``float64``; draws are float32 normals in both.

    Raises `MissingData` without numba-cuda or a GPU, and `InvalidParameter` or `NoModel` for what has no kernel there.
    An interrupt returns the moments of the batches that are finished.
    """
    checked_precision(precision)
    require_package()
    device_run = DeviceRun(run, precision)
    require_gpu()
    tree = MergeTree(run.leaves, Moments.merged)
    try:
        for batch in device_run.batches():
            for number, leaf in zip(batch, device_run.leaves(batch), strict=True):
                tree.add(number, leaf)
            if progress is not None:
                progress(min(batch.stop * run.leaf, run.paths), run.paths)
    except KeyboardInterrupt:
        if not tree.done:
            raise
    return run.ensemble(tree.result(), tree.complete)


def checked_precision(precision: str) -> str:
    """The precision, if there is such."""
    if precision not in PRECISIONS:
        raise InvalidParameter("precision", precision, f"{{{', '.join(PRECISIONS)}}}", "choose one of these")
    return precision


def simulated() -> bool:
    """Whether numba's simulator stands in for a GPU."""
    return os.environ.get("NUMBA_ENABLE_CUDASIM", "0") not in ("", "0")


def require_package() -> None:
    """Raises `MissingData` unless numba-cuda is installed."""
    if not simulated() and importlib.util.find_spec("numba_cuda") is None:
        install = "pip install 'adasde[cu12]' or 'adasde[cu13]', for the CUDA version of your driver"
        raise MissingData(f"device cuda: the package numba-cuda is not installed: {install}; or {REMEDY}")


def require_gpu() -> None:
    """Raises `MissingData` unless there is a GPU that CUDA can use."""
    from numba import cuda

    if simulated():
        return
    try:
        found = cuda.is_available() and len(cuda.gpus) > 0
    except Exception as error:  # the driver's own exceptions have no common base
        raise MissingData(f"device cuda: the driver says {error}; {REMEDY}") from error
    if not found:
        hint = "check the driver with nvidia-smi, and pip install 'adasde[cu12]' or 'adasde[cu13]' to match it"
        raise MissingData(f"device cuda: no GPU that CUDA can use was found; {hint}; or {REMEDY}")


def family_of(loss: Loss) -> Any:
    """The loss as device functions. Raises `InvalidParameter` unless all three of its functions are those that a family
    stands for."""
    from adasde.kernels.cuda.device import losses

    functions = [by_name(f) for f in (loss.value, loss.gradient, loss.hessian_vector)]
    names = [f"{f.module}.{f.name}" if isinstance(f, FunctionName) else "" for f in functions]
    family = FAMILIES.get(" ".join(name.removeprefix("adasde.losses.") for name in names))
    if family is None:
        domain = "{logistic, quadratic, rosenbrock, saddle}"
        raise InvalidParameter("device cuda: loss", loss.name, domain, REMEDY)
    return getattr(losses, family)


@dataclass(frozen=True, eq=False)
class DeviceRun:
    """A run on a GPU: its kernels, built for a precision, and its batches."""

    run: Run
    precision: str

    def __post_init__(self) -> None:
        run = self.run
        for f in fields(run.arithmetic):
            asked, only = getattr(run.arithmetic, f.name), getattr(DEFAULT_ARITHMETIC, f.name)
            if asked != only:
                remedy = "leave it out, or use --device cpu"
                raise InvalidParameter(f"device cuda: {f.name}", asked, f"{{{only}}}", remedy)
        if run.kept:
            raise InvalidParameter("device cuda: keep_paths", run.kept, "{0}", "paths are kept with --device cpu")
        if self.dimension > FULL_COVARIANCE_UP_TO:
            domain, remedy = f"[1, {FULL_COVARIANCE_UP_TO}]", f"a path's state must fit one thread; {REMEDY}"
            raise InvalidParameter("device cuda: dimension", self.dimension, domain, remedy)
        if run.noise.scale is None or run.noise.covariance is not None:
            domain = "the noises with a number per coordinate"
            raise InvalidParameter("device cuda: noise", run.noise.name, domain, REMEDY)
        self.family, self.kernels  # noqa: B018 - what has no kernel is refused here, before anything runs

    @property
    def dimension(self) -> int:
        return int(self.run.initial.shape[1])

    @cached_property
    def family(self) -> Any:
        """The loss as device functions."""
        return family_of(self.run.loss)

    @cached_property
    def module(self) -> ModuleType:
        """The generated module of the optimizer under the noise's law, derived where there is none yet."""
        return optimizers.cuda_kernels(self.run.optimizer, self.run.noise.law_key)

    @cached_property
    def kernels(self) -> dict[str, Any]:
        """The generated kernels by model: of the optimizer, where it takes steps of its own, and of the run's model."""
        own = ["algorithm"] if self.run.handover else []
        return {model: self._kernel(model) for model in dict.fromkeys([*own, self.run.model_name])}

    def _kernel(self, model: str) -> Any:
        run, law, models = self.run, self.run.noise.law, self.module.MODELS
        if law in models.get(model, ()):
            return models[model][law]
        where = f"device cuda, {run.optimizer}"
        remedy = f"{self.module.HOST_ONLY.get(model, 'it has no kernel')}; {REMEDY}"
        if model != run.model_name:
            raise NoModel(f"{where}, model {run.model_name}: start", run.start, "{0}", remedy)
        others = ", ".join(name for name, laws in models.items() if law in laws)
        raise NoModel(f"{where}, {law} noise: model", model, f"{{{others}}}", remedy)

    def __getstate__(self) -> dict[str, Any]:
        """The generated module by name, with its text where it is not checked in."""
        return {"run": self.run, "precision": self.precision, "home": cache.portable(self.module.__name__)}

    def __setstate__(self, state: dict[str, Any]) -> None:
        module = cache.restored(*state.pop("home"))
        vars(self).update(state | {"module": module})

    def batches(self, leaves: range | None = None) -> Iterator[range]:
        """Ranges of leaves (all by default) whose saved positions fit the memory; how they are cut changes no bit of
        the result."""
        leaves = range(self.run.leaves) if leaves is None else leaves
        times = len(self.run.saves)
        path_bytes = np.dtype(self.precision).itemsize * self.dimension * (times + 8) + 8 * times
        most = max(1, BATCH_BYTES // (path_bytes * self.run.leaf))
        for first in range(leaves.start, leaves.stop, most):
            yield range(first, min(first + most, leaves.stop))

    def leaves(self, batch: range) -> list[Moments]:
        """Simulates a batch of leaves and returns the moments of each."""
        return self._moments(self.positions(batch), len(batch))

    def positions(self, batch: range) -> Any:
        """x (T, d, paths) on the device at the saved times, for the paths of a batch of leaves."""
        from numba import cuda

        run, T, d = self.run, PRECISIONS[self.precision], self.dimension
        first_path = batch.start * run.leaf
        paths = min(batch.stop * run.leaf, run.paths) - first_path
        state = cuda.to_device(np.repeat(run.initial.astype(T)[:, :, None], paths, axis=2))
        xs = cuda.device_array((len(run.saves), d, paths), T)
        scale = cuda.to_device(run.noise.scales(d).astype(T))
        data = cuda.to_device(run.loss.data.astype(T))
        threads = min(THREADS, paths)
        numbers = {model: cuda.to_device(kernel.numbers(run.p).astype(T)) for model, kernel in self.kernels.items()}
        for which, kernel, table, first, last, saved in self._launches():
            steps, shared = cuda.to_device(run.saves[saved].copy()), cuda.to_device(table)
            # An empty slice is no array on the device; where nothing is saved nothing is written either.
            places = xs[saved.start : saved.stop] if steps.size else xs[:1]
            launch = kernel[-(-paths // threads), threads]
            launch(state, scale, data, shared, numbers[which], first, last, steps, places, first_path, run.seed)
        cuda.synchronize()
        return xs

    def _launches(self) -> Iterator[tuple[str, Any, Any, int, int, slice]]:
        """(model, kernel, table, first step, last step, saved times) of each launch, in order."""
        from adasde.kernels.cuda.device.paths import built

        run, T = self.run, PRECISIONS[self.precision]
        spans = [("algorithm", 1, 0, run.handover), (run.model_name, run.substeps, run.handover, run.steps)]
        for model, substeps, begin, end in spans:
            for first in range(begin, end, STEPS_PER_LAUNCH):
                last = min(first + STEPS_PER_LAUNCH, end)
                table = self._table(model, first, last, substeps)
                high = last + (last == run.steps)
                saved = slice(*(int(i) for i in np.searchsorted(run.saves, [first, high])))
                kernel = built(self.kernels[model], T, self.dimension, substeps, self.family)
                yield model, kernel, np.ascontiguousarray(table, dtype=T), first, last, saved

    def _table(self, model: str, first: int, last: int, substeps: int) -> NDArray[np.float64]:
        try:
            table: NDArray[np.float64] = self.kernels[model].table(self.run.p, first, last, substeps)
        except (OverflowError, ValueError, ZeroDivisionError) as error:
            name = f"device cuda: {self.run.optimizer}, model {model}: coefficients"
            raise InvalidParameter(name, str(error), "the finite numbers", REMEDY) from error
        return table

    def _moments(self, xs: Any, leaves: int) -> list[Moments]:
        from numba import cuda

        from adasde.kernels.cuda.device.moments import THREADS as threads
        from adasde.kernels.cuda.device.moments import moments_kernel

        times, d, paths = xs.shape
        found = [Moments.empty(times, d, True) for _ in range(leaves)]
        arrays = {name: np.stack([getattr(moments, name) for moments in found]) for name in Moments.ARRAYS}
        on_device = {name: cuda.to_device(array) for name, array in arrays.items()}
        kernel = moments_kernel(self.family, d)
        losses = cuda.device_array((times, paths), np.float64)
        kernel[leaves, threads](xs, self.run.leaf, cuda.to_device(self.run.loss.data), losses, *on_device.values())
        back = {name: array.copy_to_host() for name, array in on_device.items()}
        sketches = self._sketches(losses.copy_to_host(), leaves)
        return [Moments(**{name: back[name][i] for name in Moments.ARRAYS}, sketch=sketches[i]) for i in range(leaves)]

    def _sketches(self, losses: Array, leaves: int) -> list[Sketch]:
        """The histogram of each leaf, counted on the host from the losses (T, paths)."""
        from adasde.kernels.sketch import buckets_of

        leaf, found = self.run.leaf, [Sketch() for _ in range(leaves)]
        for i, sketch in enumerate(found):
            sketch.add(buckets_of(np.ascontiguousarray(losses[:, i * leaf : (i + 1) * leaf])))
        return found
