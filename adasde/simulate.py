"""Ensembles of optimizer paths and of their SDE models."""

from __future__ import annotations

import math
import os
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from adasde import optimizers
from adasde.ensemble import Array, Ensemble, Moments, merge_tree
from adasde.errors import InvalidParameter, NoModel, UnknownName
from adasde.losses import parse_loss
from adasde.losses.base import Loss
from adasde.noise import Noise, parse_noise

Progress = Callable[[int, int], None]
DEFAULT_START = 10
"""Optimizer steps before a model that is singular at the optimizer's own initial state takes over."""
FULL_COVARIANCE_UP_TO = 64


def simulate(
    optimizer: str,
    model: str = "sde",
    *,
    loss: Loss | str,
    noise: Noise | str,
    steps: int,
    paths: int,
    seed: int = 0,
    substeps: int = 1,
    start: int | None = None,
    save: int | Sequence[int] = 11,
    x0: ArrayLike | None = None,
    init: Mapping[str, float] | None = None,
    threads: int | None = None,
    chunk: int = 1,
    progress: Progress | None = None,
    **hyperparameters: float,
) -> Ensemble:
    """Simulates ``paths`` independent paths for ``steps`` optimizer steps and returns their moments.

    model     ``algorithm`` (the optimizer itself) or an SDE model, integrated by Euler-Maruyama with time step
              eta/substeps
    start     optimizer steps before the SDE takes over with the state (x, m, v) that they produced; 0 by default,
              `DEFAULT_START` for models that are singular at the initial state
    save      number of saved times, spread evenly over 0 ... steps, or the saved steps themselves
    x0, init  starting point (d,) and starting values of further states, e.g. ``init={"v": 0.25}``; zeros by default
    threads   worker threads (all processors by default); the result is the same bytes whatever the number, and
              whatever ``chunk``, the leaves of paths handed to a worker at a time
    progress  called as progress(paths done, paths)

    Hyperparameters go by their names (``lr``, ``beta1``, ``weight_decay``, ...). The optimizer and an SDE with
    substeps=1 share their draws. Raises `InvalidParameter` and its kin for anything outside its domain; a path that
    blows up is counted in ``diverged`` and averaged nowhere. An interrupt returns the moments of what is finished.
    """
    run = _plan(optimizer, model, loss, noise, steps, paths, seed, substeps, start, save, x0, init, hyperparameters)
    leaves, complete = _run_leaves(run, _positive("threads", threads or os.cpu_count() or 1), _positive("chunk", chunk), progress)
    return Ensemble(
        optimizer=optimizer,
        model=model,
        loss=run.loss.name,
        noise=run.noise.name,
        parameters=run.values,
        seed=seed,
        paths=paths,
        substeps=substeps,
        start=run.start,
        times=run.saves * run.p[0],
        moments=merge_tree(leaves),
        complete=complete,
    )


@dataclass(frozen=True, eq=False)
class _Run:
    """A checked simulation, ready to run leaf by leaf."""

    loss: Loss
    noise: Noise
    values: dict[str, float]
    p: Array
    algorithm: Any
    model: Any
    noises: int
    start: int
    handover: int
    steps: int
    substeps: int
    paths: int
    seed: int
    saves: NDArray[np.int64]
    initial: Array

    @property
    def lanes(self) -> int:
        """Paths per block: states, gradient, scale and draws of a block stay within the second-level cache."""
        states, dimension = self.initial.shape
        fitting = 131072 // (8 * dimension * (states + 4))
        return int(min(256, max(8, fitting // 8 * 8)))

    @property
    def leaf(self) -> int:
        """Paths per leaf, a function of the problem alone."""
        return 16 * self.lanes if self.lanes == 256 else self.lanes

    def moments(self, number: int) -> Moments:
        """Runs leaf ``number`` and returns its moments."""
        from adasde.kernels import driver

        first, last = number * self.leaf, min((number + 1) * self.leaf, self.paths)
        states, d = self.initial.shape
        result = Moments.empty(len(self.saves), d, d <= FULL_COVARIANCE_UP_TO)
        scale = self.noise.scales(d)
        factor = 1 / math.sqrt(self.noise.batch) if self.noise.scale is None else 0.0
        field = self.loss.noise_scale if self.noise.scale is None else driver.constant_scale
        law = driver.GAUSSIAN if self.noise.law == "gaussian" else driver.STUDENT_T
        plan = (self.handover, self.steps, self.substeps, self.noises, law, self.seed)
        for path in range(first, last, self.lanes):
            lanes = min(self.lanes, last - path)
            state = np.ascontiguousarray(np.broadcast_to(self.initial[:, :, None], (states, d, lanes)))
            s = np.ascontiguousarray(np.broadcast_to(scale[:, None], (d, lanes)))
            xs, losses = np.empty((len(self.saves), d, lanes)), np.empty((len(self.saves), lanes))
            driver.run_block(
                self.algorithm, self.model, self.loss.gradient, field, self.loss.value, self.loss.data, self.p,
                factor, state, s, self.saves, xs, losses, path, plan, self.noise.nu,
            )  # fmt: skip
            alive = np.ones(lanes, dtype=np.bool_)
            driver.add_block(xs, losses, alive, result.count, result.mean, result.m2, result.loss, result.diverged)
        return result


def _plan(
    optimizer: str,
    model: str,
    loss: Loss | str,
    noise: Noise | str,
    steps: int,
    paths: int,
    seed: int,
    substeps: int,
    start: int | None,
    save: int | Sequence[int],
    x0: ArrayLike | None,
    init: Mapping[str, float] | None,
    hyperparameters: Mapping[str, float],
) -> _Run:
    module = optimizers.kernels(optimizer)
    if model not in module.MODELS:
        raise UnknownName(f"{optimizer}: model", model, module.MODELS)
    values = optimizers.hyperparameters(optimizer, hyperparameters)
    loss = parse_loss(loss) if isinstance(loss, str) else loss
    noise = parse_noise(noise) if isinstance(noise, str) else noise
    _check_noise(optimizer, model, module, loss, noise)
    step = module.MODELS[model][noise.law]
    steps, substeps = _positive("steps", steps), _positive("substeps", substeps)
    begin = _start(optimizer, model, step.singular, start, steps)
    return _Run(
        loss=loss,
        noise=noise,
        values=values,
        p=optimizers.parameter_array(optimizer, values, noise.nu),
        algorithm=module.algorithm.compiled,
        model=step.compiled,
        noises=step.noises,
        start=begin,
        handover=steps if model == "algorithm" else begin,
        steps=steps,
        substeps=substeps,
        paths=_positive("paths", paths),
        seed=_seed(seed),
        saves=_saves(save, steps),
        initial=_initial(module.STATES, loss, x0, init or {}),
    )


def _check_noise(optimizer: str, model: str, module: Any, loss: Loss, noise: Noise) -> None:
    noise.scales(loss.dimension)
    if noise.scale is None and loss.noise_scale is None:
        raise InvalidParameter("noise scale", "data", "{a number per coordinate}", f"{loss.name} has no data to take it from")
    needed = module.MODELS[model][noise.law].moments
    if noise.law == "student-t" and noise.nu <= needed:
        raise NoModel(
            f"{optimizer}, model {model}: student-t nu",
            f"{noise.nu:g}",
            f"({needed}, inf)",
            f"the SDE needs a noise moment of order {needed}, which does not exist; use --model algorithm",
        )


def _start(optimizer: str, model: str, singular: bool, start: int | None, steps: int) -> int:
    low = 1 if singular else 0
    value = (DEFAULT_START if singular else 0) if start is None else start
    if int(value) != value or not low <= value < steps:
        remedy = "the model takes over after that many real steps" + (", being singular at the initial state" if singular else "")
        raise InvalidParameter(f"{optimizer}, model {model}: start", value, f"[{low}, steps = {steps})", remedy)
    return int(value)


def _positive(parameter: str, value: int) -> int:
    if isinstance(value, bool) or int(value) != value or value < 1:
        raise InvalidParameter(parameter, value, "{1, 2, 3, ...}", "give a whole number of at least one")
    return int(value)


def _seed(seed: int) -> int:
    if int(seed) != seed or not 0 <= seed < 2**63:
        raise InvalidParameter("seed", seed, "[0, 2^63)", "give a whole number")
    return int(seed)


def _saves(save: int | Sequence[int], steps: int) -> NDArray[np.int64]:
    if isinstance(save, int | np.integer):
        if save < 2:
            raise InvalidParameter("save", save, "{2, 3, ...}", "the first and the last time are always saved")
        return np.unique(np.linspace(0, steps, int(save)).round().astype(np.int64))
    chosen = np.unique(np.asarray(save, dtype=np.int64))
    if chosen.size == 0 or chosen[0] < 0 or chosen[-1] > steps:
        raise InvalidParameter("save", list(save), f"subsets of [0, steps = {steps}]", "name step numbers of the run")
    return chosen


def _initial(states: tuple[str, ...], loss: Loss, x0: ArrayLike | None, init: Mapping[str, float]) -> Array:
    start = loss.start if x0 is None else np.atleast_1d(np.asarray(x0, dtype=np.float64))
    if start.shape != (loss.dimension,):
        raise InvalidParameter("x0: number of entries", start.size, f"{{{loss.dimension}}}", f"{loss.name} has that dimension")
    if not np.isfinite(start).all():
        raise InvalidParameter("x0", start.tolist(), "the finite vectors", "mend its entries")
    initial = np.zeros((len(states), loss.dimension))
    initial[0] = start
    for name, value in init.items():
        if name not in states[1:]:
            raise UnknownName("init: state", name, states[1:])
        initial[states.index(name)] = optimizers.checked(f"init: {name}", value, "[0, inf)" if name == "v" else "(-inf, inf)")
    return initial


def _run_leaves(run: _Run, threads: int, chunk: int, progress: Progress | None) -> tuple[list[Moments], bool]:
    leaves = -(-run.paths // run.leaf)
    groups = [range(first, min(first + chunk, leaves)) for first in range(0, leaves, chunk)]
    done: dict[int, list[Moments]] = {}
    with ThreadPoolExecutor(min(threads, len(groups))) as pool:
        futures = {pool.submit(lambda group: [run.moments(leaf) for leaf in group], group): group for group in groups}
        try:
            for future in as_completed(futures):
                done[futures[future].start] = future.result()
                if progress is not None:
                    progress(min(sum(map(len, done.values())) * run.leaf, run.paths), run.paths)
        except KeyboardInterrupt:
            pool.shutdown(cancel_futures=True)
            finished = {f: group for f, group in futures.items() if f.done() and not f.cancelled()}
            done = {group.start: f.result() for f, group in finished.items()}
            if not done:
                raise
    return [leaf for group in sorted(done) for leaf in done[group]], len(done) == len(groups)
