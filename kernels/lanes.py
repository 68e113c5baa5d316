"""Signatures of the functions that a kernel driver calls, and the decorators that compile them.

Everything a kernel touches is laid out in *lanes*: an array ``(d, L)`` holds coordinate ``i`` of path ``j`` at
``[i, j]``, so that the innermost loop runs over independent paths and vectorises. A network's flat parameter
vector is the same thing with ``d = 1`` and one lane per parameter.

The signatures are explicit because a driver takes these functions as typed pointers: that is what lets numba find
the compiled driver in its disk cache in the next process, and lets a new loss or optimizer recompile nothing else.
"""

# helpers 59df08b01e18: numba's cache watches this file only, so `adasde kernels --write` stamps what it inlines here.
from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from numba import float64, int64, types

from adasde.kernels.compilation import compiled

SCALARS = float64[::1]
LANES = float64[:, ::1]
LANE_STACK = float64[:, :, ::1]

GAUSSIAN, STUDENT_T, LAPLACE, EXPONENTIAL, RADEMACHER, TWO_POINT, MIXTURE, EMPIRICAL = range(8)
LAW_CODES = {
    "gaussian": GAUSSIAN,
    "student-t": STUDENT_T,
    "laplace": LAPLACE,
    "exponential": EXPONENTIAL,
    "rademacher": RADEMACHER,
    "two-point": TWO_POINT,
    "mixture": MIXTURE,
    "empirical": EMPIRICAL,
}
"""Noise laws by the code that compiled functions know them by."""

VALUE = types.void(LANES, SCALARS, SCALARS)
"""``value(x, f, data)``: writes the loss of lane j to ``f[j]``; x is (d, L), f is (L,)."""

FIELD = types.void(LANES, LANES, SCALARS)
"""``field(x, out, data)``: writes a vector per lane to ``out`` (d, L): a gradient, or a per-sample noise scale."""

COVARIANCE = types.void(LANES, LANE_STACK, SCALARS)
"""``covariance(x, out, data)``: writes a symmetric matrix per lane to ``out`` (d, d, L): the covariance of one sample's
gradient at x (d, L), in units of the gradient squared."""

HESSIAN_VECTOR = types.void(LANES, LANES, LANES, SCALARS)
"""``hessian_vector(x, u, out, data)``: writes Hess f(x) u per lane to ``out``; all three arrays are (d, L)."""

STEP = types.void(LANE_STACK, LANES, LANES, LANE_STACK, LANE_STACK, SCALARS, int64, float64, float64)
"""``step(state, gradient, scale, curvature, noise, p, k, t, dt)``: advances the lanes in place by one step.

state (n, d, L): the rule's states, position first; gradient (d, L): at the position; scale (d, L): noise scale s;
curvature (2, d, L): Hb and sb, the Hessian times the leading position drift and the derivative of the noise scale
along it, which models of weak order two read (others may be given an empty first axis);
noise (m, d, L): standard draws, one layer per Brownian motion (for an algorithm: the noise itself); p: the parameter
array of the optimizer's module; k: number of this step, from 1; t: time before the step; dt: time step.
"""

CORRELATE = types.void(LANE_STACK, int64[::1], LANE_STACK, LANES, LANES)
"""``correlate(draws, degrees, matrices, gradient, scale)``: the same for all lanes from factors, see
`correlated.correlate`, or lane by lane from covariances, see `correlated.correlate_lanes`."""

PLAN = types.UniTuple(int64, 7)
"""(start, steps, substeps, noises, order, law, seed): steps of the optimizer before the model takes over, steps
in all, model steps per optimizer step, draws per coordinate of the model, its weak order, law code and seed."""

FILL = types.void(LANE_STACK, int64, int64, int64, types.boolean, PLAN, SCALARS)
"""``fill(noise, d, chunk, first_path, algorithm, plan, law_data)``: draws for the optimizer steps ``chunk S ...
chunk S + S - 1``; noise is (S m, d, L) with m layers per step, one for the optimizer, else one per motion.

Coordinate i of step k owns number k d + i of its path in each stream, so that optimizer and SDE share their draws.
"""

SUBSTEPS = types.void(LANE_STACK, LANE_STACK, int64, int64, PLAN)
"""``substeps(fine, coarse, k, first_path, plan)``: the draws of optimizer step k over its r substeps, fine (r m, d, L),
from those of the step, coarse (m, d, L)."""


value_kernel = compiled(VALUE)
field_kernel = compiled(FIELD)
covariance_kernel = compiled(COVARIANCE)
hessian_vector_kernel = compiled(HESSIAN_VECTOR)
fill_kernel = compiled(FILL)
substeps_kernel = compiled(SUBSTEPS)


@dataclass(frozen=True)
class Hyperparameter:
    """One hyperparameter as the runners see it: default, domain as an interval, meaning, torch's name, aliases."""

    name: str
    default: float
    domain: str
    meaning: str
    torch: str
    aliases: tuple[str, ...] = ()


@dataclass(eq=False)
class StepKernel:
    """A generated step, compiled when it is first asked for and cached on disk.

    Called like a function it runs the plain Python body, which is how the checks read it; ``compiled`` is the numba
    dispatcher with signature `STEP`.

    noises    how many standard draws it takes per coordinate
    moments   order of the noise moment that must exist for the model to exist
    singular  the model must start from a state after some real steps of the optimizer
    degrees   for each motion the degree of its Hermite polynomial of Z, 0 for a sign; None where that is not known, and
              the model is not defined under a full covariance
    along     for models of weak order two: writes the leading position drift to curvature[0], with signature `STEP`
    """

    body: Callable[..., None]
    noises: int
    moments: int
    singular: bool
    along: Callable[..., None] | None = None
    degrees: tuple[int, ...] | None = None

    def __call__(self, *arguments: Any) -> None:
        self.body(*arguments)

    @cached_property
    def compiled(self) -> Any:
        return compiled(STEP)(self.body)

    @cached_property
    def compiled_along(self) -> Any:
        """``along`` compiled; for a model that has none, the step itself, which is then never called as such."""
        return self.compiled if self.along is None else compiled(STEP)(self.along)


def step_kernel(
    *,
    noises: int,
    moments: int,
    singular: bool,
    along: Callable[..., None] | None = None,
    degrees: tuple[int, ...] | None = None,
) -> Callable[[Callable[..., None]], StepKernel]:
    """Decorator of generated steps."""
    return lambda body: StepKernel(body, noises, moments, singular, along, degrees)
