"""Runs by flat kernels: which runs have one, and one block of lanes of such a run."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from adasde.ensemble import FULL_COVARIANCE_UP_TO, Moments
from adasde.fusion import flat_kernel
from adasde.pointers import pointer

if TYPE_CHECKING:
    from adasde.run import Run

WORTHWHILE = 3e7
"""Path-steps from which a flat kernel pays for its compilation, a second or two where it is not cached yet."""
_GAUSSIAN_INCREMENTS = ("gaussian", "laplace", "exponential", "rademacher", "two-point", "mixture", "empirical")
"""Laws under which a model's increments are those of `draws.fill_gaussian`."""


def flat_of(run: Run) -> Any:
    """The flat kernel of a run; None where it has none, as where a step goes in stages.

    It must be long enough, on a loss with a `family`, with the same noise scale for all lanes, independent coordinates,
    Gaussian draws, a model of weak order one, and no substeps.
    """
    if run.in_stages:
        return None
    step = run.model if run.model_name != "algorithm" else run.algorithm
    laws = ("gaussian",) if run.model_name == "algorithm" else _GAUSSIAN_INCREMENTS
    gaussian = run.noise.law in laws and run.arithmetic.increments == "gaussian"
    simple = run.order == 1 and run.substeps == 1 and run.correlated[1].size == 0 and run.noise.scale is not None
    if run.loss.family is None or not gaussian or not simple or run.paths * run.steps < WORTHWHILE:
        return None
    return flat_kernel(step, run.loss.family, run.noises, run.arithmetic.noise_precision == "double")


def flat_moments(flat: Any, run: Run, number: int) -> Moments:
    """`Run.moments` of leaf ``number`` by its flat kernel; the optimizer's own steps before the handover are those of
    the general driver."""
    from adasde.kernels.driver import steps_per_chunk
    from adasde.kernels.flat import buffers, flat_driver

    double, d = run.arithmetic.noise_precision == "double", run.initial.shape[1]
    driver, fill = flat_driver(double)
    path, paths = number * run.leaf, min(run.leaf, run.paths - number * run.leaf)
    begin = 0 if run.model_name == "algorithm" else run.handover
    early = run.saves[run.saves < begin]
    state, xs, losses = run.started(path, paths if begin > 0 else 1, early, begin)
    result = Moments.empty(len(run.saves), d, d <= FULL_COVARIANCE_UP_TO)
    buckets = np.empty((len(run.saves), paths), np.int32)
    own = run.arithmetic.compiled
    driver(
        *(pointer(function) for function in (own(flat), fill, own(run.loss.value))),
        run.loss.data,
        run.p,
        np.ascontiguousarray(run.noise.scales(d)),
        state,
        run.saves,
        xs,
        losses,
        begin,
        run.plan,
        path,
        run.lanes,
        *buffers(double, steps_per_chunk(d), run.noises, len(state), d, min(run.lanes, paths)),
        result.count,
        result.mean,
        result.m2,
        result.loss,
        result.diverged,
        buckets,
    )
    result.sketch.add(buckets)
    return result
