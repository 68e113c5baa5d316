"""A checked simulation, ready to run block by block."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from adasde import cache, optimizers
from adasde.arithmetic import DEFAULT_ARITHMETIC, Arithmetic
from adasde.covariance import layer_factors
from adasde.domain import checked, counted, whole
from adasde.ensemble import FULL_COVARIANCE_UP_TO, Array, Ensemble, Moments
from adasde.errors import InvalidParameter, NoModel, UnknownName
from adasde.flat import flat_moments, flat_of
from adasde.losses import parse_loss
from adasde.losses.base import Loss
from adasde.noise import Noise, parse_noise

DEFAULT_START = 10
"""Optimizer steps before a model that is singular at the optimizer's own initial state takes over."""


@dataclass(frozen=True, eq=False)
class Run:
    """A checked simulation, ready to run leaf by leaf."""

    optimizer: str
    model_name: str
    loss: Loss
    noise: Noise
    values: dict[str, float]
    p: Array
    algorithm: Any
    model: Any
    along: Any
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

    def __getstate__(self) -> dict[str, Any]:
        """The compiled steps by name, with the text of their module where it is not checked in; all numbers as they
        are, so that no other machine works them out again in other roundings."""
        facts = {name: value for name, value in vars(self).items() if name not in ("algorithm", "model", "along", "flat")}
        names = self.algorithm.py_func.__name__, self.model.py_func.__name__
        return facts | {"steps_of": (*cache.portable(self.algorithm.py_func.__module__), *names)}

    def __setstate__(self, state: dict[str, Any]) -> None:
        *home, algorithm, model = state.pop("steps_of")
        module = cache.restored(*home)
        step = getattr(module, model)
        compiled = {"model": step.compiled, "along": step.compiled_along}
        for name, value in (state | compiled | {"algorithm": getattr(module, algorithm).compiled}).items():
            object.__setattr__(self, name, value)

    @cached_property
    def flat(self) -> Any:
        """Its flat kernel, see `flat.flat_of`."""
        return flat_of(self)

    @property
    def lanes(self) -> int:
        """Paths per block: states, gradient, scale and draws of a block stay within the second-level cache."""
        states, dimension = self.initial.shape
        fitting = 131072 // (8 * dimension * (states + 4))
        return int(min(512, max(self.loss.lanes, fitting // 8 * 8)))

    @property
    def leaf(self) -> int:
        """Paths per leaf, a function of the problem alone."""
        return 8 * self.lanes if self.lanes >= 256 else self.lanes

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

        d = self.initial.shape[1]
        state = np.repeat(self.initial[:, :, None], lanes, axis=2)
        s = np.repeat(self.noise.scales(d)[:, None], lanes, axis=1)
        xs, losses = np.empty((len(saves), d, lanes)), np.empty((len(saves), lanes))
        if steps == 0:
            return state, xs, losses
        from_data = self.noise.scale is None
        functions = (
            self.algorithm,
            self.model,
            self.along,
            self.loss.gradient,
            self.loss.hessian_vector or driver.no_hessian,
            self.loss.noise_scale if from_data else driver.constant_scale,
            self.loss.value,
            *self.draws,
            self.correlate,
        )
        self.arithmetic.compiled(driver.run_block)(
            *map(self.arithmetic.compiled, functions),
            self.loss.data,
            self.p,
            1 / math.sqrt(self.noise.batch) if from_data else 0.0,
            state,
            s,
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


def plan(
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
    arithmetic: Arithmetic = DEFAULT_ARITHMETIC,
) -> Run:
    """Checks everything and returns the simulation ready to run; the arguments are those of `simulate`."""
    noise = parse_noise(noise) if isinstance(noise, str) else noise
    module = optimizers.kernels(optimizer, "gaussian" if model == "algorithm" else noise.law_key)
    optimizers.require_model(optimizer, model, module)
    values = optimizers.hyperparameters(optimizer, hyperparameters)
    loss = parse_loss(loss) if isinstance(loss, str) else loss
    _check_noise(optimizer, model, module, loss, noise)
    step = _step(module, model, noise)
    if step.along is not None and loss.hessian_vector is None:
        domain, remedy = "the losses with Hessian-vector products", "give it a hessian_vector, or use --model sde"
        raise NoModel(f"{optimizer}, model {model}: loss", loss.name, domain, remedy)
    steps, substeps = counted("steps", steps), counted("substeps", substeps)
    begin = _start(optimizer, model, step.singular, start, steps)
    return Run(
        optimizer=optimizer,
        model_name=model,
        loss=loss,
        noise=noise,
        values=values,
        p=optimizers.parameter_array(module, values, noise),
        algorithm=module.algorithm.compiled,
        model=step.compiled,
        along=step.compiled_along,
        order=1 if step.along is None else 2,
        noises=step.noises,
        correlated=layer_factors(noise.correlation, _degrees(optimizer, model, step, noise)),
        start=begin,
        handover=steps if model == "algorithm" else begin,
        steps=steps,
        substeps=substeps,
        paths=counted("paths", paths),
        seed=whole("seed", seed, "[0, 2^63)", "give a whole number", 0, 2**63),
        saves=_saves(save, steps),
        initial=_initial(module.STATES, loss, x0, init or {}),
        arithmetic=arithmetic,
    )


def _check_noise(optimizer: str, model: str, module: Any, loss: Loss, noise: Noise) -> None:
    noise.scales(loss.dimension)
    if noise.scale is None and loss.noise_scale is None:
        raise InvalidParameter(
            "noise scale", "data", "{a number per coordinate}", f"{loss.name} has no data to take it from"
        )
    if model != "algorithm" and noise.law not in module.MODELS[model]:
        remedy = "the model is not known under this noise; use --model algorithm"
        domain = f"{{{', '.join(module.MODELS[model])}}}"
        raise NoModel(f"{optimizer}, model {model}: noise law", noise.law, domain, remedy)
    noise.require_moment(_step(module, model, noise).moments, f"{optimizer}, model {model}", "; use --model algorithm")


def _degrees(optimizer: str, model: str, step: Any, noise: Noise) -> tuple[int, ...]:
    if step.degrees is None and noise.correlation is not None:
        remedy = "how its motions are correlated is not known; give one scale per coordinate, or use --model algorithm"
        raise NoModel(f"{optimizer}, model {model}: noise", noise.name, "the laws with a diagonal covariance", remedy)
    degrees: tuple[int, ...] = step.degrees or ()
    return degrees


def _step(module: Any, model: str, noise: Noise) -> Any:
    """The generated step; the optimizer's own serves every law."""
    return module.algorithm if model == "algorithm" else module.MODELS[model][noise.law]


def _start(optimizer: str, model: str, singular: bool, start: int | None, steps: int) -> int:
    low, value = (1, DEFAULT_START) if singular else (0, 0)
    remedy = "the model takes over after that many real steps"
    if singular:
        remedy += ", being singular at the initial state"
    given = value if start is None else start
    return whole(f"{optimizer}, model {model}: start", given, f"[{low}, steps = {steps})", remedy, low, steps)


def _saves(save: int | Sequence[int], steps: int) -> NDArray[np.int64]:
    if np.ndim(save) == 0:
        remedy = "the first and the last time are always saved"
        count = whole("save", save, "{2, 3, ...}", remedy, 2)
        return np.unique(np.linspace(0, steps, count).round().astype(np.int64))
    domain, remedy = f"the steps 0 ... {steps} of the run", "name the steps to save"
    chosen = [whole("save", step, domain, remedy, 0, steps + 1) for step in np.ravel(save)]  # type: ignore[arg-type]
    if not chosen:
        raise InvalidParameter("save", "[]", domain, remedy)
    return np.unique(np.array(chosen, dtype=np.int64))


def _initial(states: tuple[str, ...], loss: Loss, x0: ArrayLike | None, init: Mapping[str, float]) -> Array:
    try:
        start = loss.start if x0 is None else np.atleast_1d(np.asarray(x0, dtype=np.float64))
    except (TypeError, ValueError):
        raise InvalidParameter("x0", x0, "the vectors of numbers", f"give {loss.dimension} numbers") from None
    if start.shape != (loss.dimension,):
        raise InvalidParameter(
            "x0: number of entries", start.size, f"{{{loss.dimension}}}", f"{loss.name} has that dimension"
        )
    if not np.isfinite(start).all():
        raise InvalidParameter("x0", start.tolist(), "the finite vectors", "mend its entries")
    initial = np.zeros((len(states), loss.dimension))
    initial[0] = start
    for name, value in init.items():
        if name not in states[1:]:
            raise UnknownName("init: state", name, states[1:])
        initial[states.index(name)] = checked(f"init: {name}", value, "[0, inf)" if name == "v" else "(-inf, inf)")
    return initial
