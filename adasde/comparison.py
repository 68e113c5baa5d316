"""The optimizer against its SDE models, on common noise."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike
from scipy import special

from adasde import optimizers
from adasde.domain import checked
from adasde.ensemble import Ensemble, Moments
from adasde.losses.base import Loss
from adasde.noise import Noise
from adasde.plan import plan
from adasde.run import Run
from adasde.simulation import Progress, report_paths, run_leaves, worker_threads

MARGIN = 0.05
LEVEL = 0.99


@dataclass(frozen=True)
class Agreement:
    """How far the final mean loss of one model is from the optimizer's, relative to the optimizer's excess loss.

    difference   (E f(model) - E f(optimizer)) / (E f(optimizer) - min f); the excess counts as at least 0.1 % of what
                 it was at the start
    low, high    its confidence interval, simultaneous over all models of one comparison
    margin       what counts as agreement, chosen before the run
    verdict      ``agrees``: the interval lies within +- margin; ``differs``: it lies outside; ``undecided``: neither,
                 more paths are needed; ``diverged``: paths of one of the two blew up
    """

    model: str
    substeps: int
    difference: float
    low: float
    high: float
    margin: float
    verdict: str


@dataclass(frozen=True)
class Comparison:
    """The optimizer's ensemble, each model's at each time step, and a verdict for each: all on the same draws."""

    algorithm: Ensemble
    ensembles: tuple[Ensemble, ...]
    agreements: tuple[Agreement, ...]
    level: float


def compare(
    optimizer: str,
    models: Sequence[str] | None = None,
    *,
    substeps: Sequence[int] = (1, 4),
    loss: Loss | str,
    noise: Noise | str,
    steps: int,
    paths: int,
    seed: int = 0,
    start: int | None = None,
    save: int | Sequence[int] = 11,
    x0: ArrayLike | None = None,
    init: Mapping[str, float] | None = None,
    margin: float = MARGIN,
    level: float = LEVEL,
    threads: int | None = None,
    progress: Progress | None = None,
    **hyperparameters: float,
) -> Comparison:
    """Runs the optimizer and its SDE models at dt = eta / r for each r in ``substeps`` on the same Brownian paths.

    Differences are taken path by path, so that common noise cancels. The probability that any interval of the
    comparison misses its true difference is at most 1 - level (Bonferroni, Student-t). Other arguments as in
    `adasde.simulate`; ``models`` defaults to all of the optimizer's SDE models.
    """
    checked("margin", margin, "(0, inf)")
    checked("level", level, "(0, 1)")
    names = [name for name in optimizers.models(optimizer) if name != "algorithm"] if models is None else list(models)

    def planned(model: str, parts: int, first: int | None) -> Run:
        run = plan(optimizer, model, loss, noise, steps, paths, seed, parts, first, save, x0, init, hyperparameters)
        return run.compiled()

    reference = planned("algorithm", 1, None)
    runs = [planned(model, parts, start) for model in names for parts in substeps]
    merged, complete = run_leaves(
        lambda leaf: _paired_leaf(reference, runs, leaf),
        reference.leaves,
        worker_threads(threads),
        1,
        report_paths(reference, progress),
        lambda one, other: [a.merged(b) for a, b in zip(one, other, strict=True)],
    )
    algorithm = reference.ensemble(merged[0], complete)
    ensembles = tuple(run.ensemble(moments, complete) for run, moments in zip(runs, merged[1::2], strict=True))
    quantile = 1 - (1 - level) / (2 * max(len(runs), 1))
    floor = reference.loss.minimum
    agreements = tuple(
        _agreement(algorithm, ensemble, gap, floor, margin, quantile)
        for ensemble, gap in zip(ensembles, merged[2::2], strict=True)
    )
    return Comparison(algorithm, ensembles, agreements, level)


def _paired_leaf(reference: Run, runs: list[Run], leaf: int) -> list[Moments]:
    """Moments of the optimizer, then for each run its own and those of its loss minus the optimizer's."""
    times, d = len(reference.saves), reference.initial.shape[1]
    result = [Moments.empty(times, d, False)]
    for _ in runs:
        result += [Moments.empty(times, d, False), Moments.empty(times, 1, False)]
    for path, lanes in reference.blocks(leaf):
        xs, optimizer_loss = reference.block(path, lanes)
        result[0].add(xs, optimizer_loss)
        for i, run in enumerate(runs):
            xs, losses = run.block(path, lanes)
            result[1 + 2 * i].add(xs, losses)
            with np.errstate(invalid="ignore"):
                gap = losses - optimizer_loss
            result[2 + 2 * i].add(np.ascontiguousarray(gap[:, None, :]), gap)
    return result


def _agreement(
    algorithm: Ensemble, ensemble: Ensemble, gap: Moments, floor: float, margin: float, quantile: float
) -> Agreement:
    n = int(gap.count[-1])
    scale, scale_error = _excess(algorithm, floor)
    if n < 2 or algorithm.diverged[-1] or ensemble.diverged[-1] or not scale > 0:
        nothing = math.nan
        return Agreement(ensemble.model, ensemble.substeps, nothing, nothing, nothing, margin, "diverged")
    difference = gap.loss[-1, 0] / scale
    error = math.hypot(math.sqrt(gap.loss[-1, 1] / (n - 1) / n) / scale, difference * scale_error / scale)
    half = special.stdtrit(n - 1, quantile) * error
    low, high = difference - half, difference + half
    if -margin <= low and high <= margin:
        verdict = "agrees"
    else:
        verdict = "differs" if low > margin or high < -margin else "undecided"
    return Agreement(ensemble.model, ensemble.substeps, float(difference), float(low), float(high), margin, verdict)


def _excess(algorithm: Ensemble, floor: float) -> tuple[float, float]:
    """The optimizer's final mean loss above the minimum, and its standard error."""
    first, last = algorithm.loss_mean[0], algorithm.loss_mean[-1]
    if not math.isfinite(floor):
        return abs(last - first), float(algorithm.loss_se[-1])
    return max(last - floor, 1e-3 * (first - floor)), float(algorithm.loss_se[-1])
