"""From what a user asks for to a simulation that is checked and ready to run."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from adasde import optimizers
from adasde.arithmetic import DEFAULT_ARITHMETIC, Arithmetic
from adasde.covariance import AT_X_UP_TO, checked_covariance, layer_factors
from adasde.domain import checked, counted, whole
from adasde.ensemble import Array
from adasde.errors import InvalidParameter, NoModel, UnknownName
from adasde.losses import parse_loss
from adasde.losses.base import Loss
from adasde.noise import Noise, parse_noise
from adasde.run import Run
from adasde.staged import is_staged, require_plain, require_shape

DEFAULT_START = 10
"""Optimizer steps before a model that is singular at the optimizer's own initial state takes over."""


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
    p = optimizers.parameter_array(module, values, noise)
    staged = is_staged(step) or (is_staged(module.algorithm) and begin > 0)
    if staged:
        require_plain(optimizer, noise, arithmetic.fast)
        require_shape(optimizer, module.algorithm, p, loss.dimension)
    if staged and step.along is not None:
        remedy = "an optimizer in stages hands over to models of weak order one only"
        raise InvalidParameter(f"{optimizer}, model {model}: start", begin, "{0}", remedy)
    initial = _initial(module.STATES, loss, x0, optimizers.initial(module) | dict(init or {}))
    if noise.covariance_at_x:
        _check_covariance(loss, initial[0])
    return Run(
        optimizer=optimizer,
        model_name=model,
        loss=loss,
        noise=noise,
        values=values,
        p=p,
        own_step=module.algorithm,
        model_step=step,
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
        initial=initial,
        arithmetic=arithmetic,
    )


def _check_noise(optimizer: str, model: str, module: Any, loss: Loss, noise: Noise) -> None:
    noise.scales(loss.dimension)
    if noise.scale is None and loss.noise_scale is None and not noise.covariance_at_x:
        raise InvalidParameter(
            "noise scale", "data", "{a number per coordinate}", f"{loss.name} has no data to take it from"
        )
    if model != "algorithm" and noise.law not in module.MODELS[model]:
        remedy = "the model is not known under this noise; use --model algorithm"
        domain = f"{{{', '.join(module.MODELS[model])}}}"
        raise NoModel(f"{optimizer}, model {model}: noise law", noise.law, domain, remedy)
    noise.require_moment(_step(module, model, noise).moments, f"{optimizer}, model {model}", "; use --model algorithm")


def _check_covariance(loss: Loss, x: Array) -> None:
    """A loss that is to supply the covariance must have one, which is one at the starting point x (d,) at least."""
    if loss.noise_covariance is None:
        remedy = f"{loss.name} has no noise_covariance to take it from"
        raise InvalidParameter("noise covariance", "data", "{a matrix}", remedy)
    if loss.dimension > AT_X_UP_TO:
        remedy = "every path has a matrix of its own at every step: use gaussian:data, or a smaller loss"
        raise InvalidParameter("gaussian:@data: dimension", loss.dimension, f"[1, {AT_X_UP_TO}]", remedy)
    sigma = np.full((loss.dimension, loss.dimension, 1), np.nan)
    loss.noise_covariance(np.ascontiguousarray(x[:, None]), sigma, loss.data)
    checked_covariance(sigma[:, :, 0])


def _degrees(optimizer: str, model: str, step: Any, noise: Noise) -> tuple[int, ...]:
    if step.degrees is None and noise.covariance is not None:
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
