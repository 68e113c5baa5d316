"""A checked simulation, ready to run block by block."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from adasde import cache
from adasde.arithmetic import Arithmetic
from adasde.ensemble import FULL_COVARIANCE_UP_TO, Array, Ensemble, Moments
from adasde.flat import flat_moments, flat_of
from adasde.losses.base import Loss
from adasde.noise import Noise
from adasde.pointers import pointer
from adasde.staged import is_staged, staged_block

MANY_LEAVES = 64
"""Leaves of 8 blocks of lanes up to which they stay at that size; beyond, they grow before they become more."""
LEAF_STEPS, LEAF_NUMBERS = 1 << 25, 1 << 19
"""Path-steps, and paths times saved times, up to which a leaf grows."""


@dataclass(frozen=True, eq=False)
class Run:
    """A checked simulation, ready to run leaf by leaf."""

    optimizer: str
    model_name: str
    loss: Loss
    noise: Noise
    values: dict[str, float]
    p: Array
    own_step: Any
    model_step: Any
    order: int
    noises: int
    correlated: tuple[NDArray[np.int64], Array]
    start: int
    handover: int
    steps: int
    substeps: int
    paths: int
    seed: int
    saves: NDArray[np.int64]
    initial: Array
    arithmetic: Arithmetic
    kept: int = 0

    STEPS: ClassVar[tuple[str, ...]] = ("own_step", "model_step")
    """The generated steps (`kernels.lanes.StepKernel`) of the optimizer and of the model, of one module."""

    def __getstate__(self) -> dict[str, Any]:
        """The generated steps by name, with the text of their module where it is not checked in; all numbers as they
        are, so that no other machine works them out again in other roundings."""
        facts = {name: value for name, value in vars(self).items() if name not in (*self.STEPS, "flat")}
        names = [getattr(self, step).body.__name__ for step in self.STEPS]
        return facts | {"steps_of": (*cache.portable(self.own_step.body.__module__), *names)}

    def __setstate__(self, state: dict[str, Any]) -> None:
        *home, own, model = state.pop("steps_of")
        module = cache.restored(*home)
        for name, value in (state | {"own_step": getattr(module, own), "model_step": getattr(module, model)}).items():
            object.__setattr__(self, name, value)

    @cached_property
    def flat(self) -> Any:
        """Its flat kernel, see `flat.flat_of`."""
        return flat_of(self)

    @property
    def algorithm(self) -> Any:
        """The optimizer's own step, compiled when it is first asked for."""
        return self.own_step.compiled

    @property
    def model(self) -> Any:
        return self.model_step.compiled

    @property
    def along(self) -> Any:
        """The leading position drift of a model of weak order two, compiled."""
        return self.model_step.compiled_along

    def compiled(self) -> Run:
        """This run with its steps compiled, which is better done before threads ask for them all at once."""
        _ = self.algorithm, self.model, self.along, self.flat
        return self

    @property
    def in_stages(self) -> bool:
        """Whether a step of this run goes in stages, see `kernels.stages`."""
        return is_staged(self.model_step) or (is_staged(self.own_step) and self.handover > 0)

    @property
    def lanes(self) -> int:
        """Paths per block: states, gradient, scale and draws of a block stay within the second-level cache."""
        states, dimension = self.initial.shape
        matrix = dimension if self.noise.covariance_at_x else 0
        fitting = 131072 // (8 * dimension * (states + 4 + matrix))
        return int(min(512, max(self.loss.lanes, fitting // 8 * 8)))

    @property
    def leaf(self) -> int:
        """Paths per leaf, a function of the problem alone."""
        if self.lanes < 256:
            return self.lanes
        # Merging leaves costs up to a tenth: the fewer the better, as long as they keep many threads busy, an
        # interrupt does not wait for long, and their saved numbers take little room.
        most = min(LEAF_STEPS // max(self.steps, 1), LEAF_NUMBERS // len(self.saves)) // self.lanes
        return self.lanes * max(8, min(self.paths // (MANY_LEAVES * self.lanes), most))

    @property
    def leaves(self) -> int:
        return -(-self.paths // self.leaf)

    def ensemble(self, moments: Moments, complete: bool) -> Ensemble:
        """The result of this run from its merged moments."""
        return Ensemble(
            optimizer=self.optimizer,
            model=self.model_name,
            loss=self.loss.name,
            noise=self.noise.name,
            parameters=self.values | {"batch": self.noise.batch},
            seed=self.seed,
            paths=self.paths,
            substeps=self.substeps,
            start=self.start,
            times=self.saves * self.p[0],
            moments=moments,
            complete=complete,
            kept=self.kept,
        )

    def blocks(self, number: int) -> list[tuple[int, int]]:
        """(first path, lanes) of the blocks of leaf ``number``."""
        first, last = number * self.leaf, min((number + 1) * self.leaf, self.paths)
        return [(path, min(self.lanes, last - path)) for path in range(first, last, self.lanes)]

    def block(self, path: int, lanes: int) -> tuple[Array, Array]:
        """x (T, d, lanes) and f(x) (T, lanes) at the saved times, for ``lanes`` paths from ``path`` on."""
        return self.started(path, lanes, self.saves, self.steps)[1:]

    def started(self, path: int, lanes: int, saves: NDArray[np.int64], steps: int) -> tuple[Array, Array, Array]:
        """State (n, d, lanes) after ``steps`` steps, x (T, d, lanes) and f(x) (T, lanes) after those in ``saves``, for
        ``lanes`` paths from ``path`` on."""
        from adasde.kernels import driver

        if self.in_stages:
            return staged_block(self, path, lanes, saves, steps)
        d = self.initial.shape[1]
        state = np.repeat(self.initial[:, :, None], lanes, axis=2)
        s = np.repeat(self.noise.scales(d)[:, None], lanes, axis=1)
        xs, losses = np.empty((len(saves), d, lanes)), np.empty((len(saves), lanes))
        if steps == 0:
            return state, xs, losses
        from_data, full = self.noise.scale is None, self.noise.covariance_at_x
        sigma = np.empty((d, d, lanes) if full else (0, 0, 0))
        functions = (
            self.model if is_staged(self.own_step) else self.algorithm,
            self.model,
            self.along,
            self.loss.gradient,
            self.loss.hessian_vector or driver.no_hessian,
            self.loss.noise_scale if from_data and not full else driver.constant_scale,
            self.loss.noise_covariance if full else driver.no_covariance,
            self.loss.value,
        )
        # A user's own loss may raise, which only goes through a dispatcher.
        given = pointer if self.flat is not None else lambda function: function
        driver.run_block(
            *(given(self.arithmetic.compiled(function)) for function in functions),
            *map(given, (*self.draws, self.correlate)),
            self.loss.data,
            self.p,
            1 / math.sqrt(self.noise.batch) if from_data else 0.0,
            state,
            s,
            sigma,
            saves,
            xs,
            losses,
            path,
            (self.plan[0], steps, *self.plan[2:]),
            self.noise.law_data,
            *self.correlated,
        )
        return state, xs, losses

    @property
    def plan(self) -> tuple[int, ...]:
        """The numbers that the driver goes by, see `kernels.draws.PLAN`."""
        from adasde.kernels.lanes import LAW_CODES

        law = LAW_CODES[self.noise.law]
        return (self.handover, self.steps, self.substeps, self.noises, self.order, law, self.seed)

    @property
    def draws(self) -> tuple[Any, Any, Any]:
        """What fills the draws of the optimizer, those of the model, and the latter's over substeps."""
        from adasde.kernels.draws import draw_functions

        double = self.arithmetic.noise_precision == "double"
        rademacher = self.arithmetic.increments == "rademacher"
        functions: tuple[Any, Any, Any] = draw_functions(self.noise.law, double, rademacher)
        return functions

    @property
    def correlate(self) -> Any:
        """What correlates the draws of a step across coordinates."""
        if self.noise.covariance_at_x:
            from adasde.kernels.correlated import correlate_lanes

            return correlate_lanes
        if self.correlated[1].size == 0:
            from adasde.kernels.driver import no_correlation

            return no_correlation
        from adasde.kernels.correlated import correlate

        return correlate

    def moments(self, number: int) -> Moments:
        """Runs leaf ``number`` and returns its moments, with those of its paths that are kept."""
        if self.flat is not None and number * self.leaf >= self.kept:
            return flat_moments(self.flat, self, number)
        d = self.initial.shape[1]
        result = Moments.empty(len(self.saves), d, d <= FULL_COVARIANCE_UP_TO)
        samples: list[tuple[int, Array]] = []
        for path, lanes in self.blocks(number):
            xs, losses = self.block(path, lanes)
            result.add(xs, losses)
            if path < self.kept:
                samples.append((path, xs[:, :, : self.kept - path].copy()))
        return replace(result, samples=tuple(samples))
