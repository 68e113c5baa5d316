"""One run of an optimizer, or of one of its SDE models, on a network.

The generated step kernels take the flat parameter vector as one lane per parameter (`adasde.kernels.lanes`); torch and
the kernel work on the same memory (`memory`). With real minibatches the optimizers of `torch.optim` are driven instead.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from adasde import optimizers
from adasde.errors import InvalidParameter, UnknownName
from adasde.nets.loss import TorchLoss
from adasde.nets.memory import memory_of
from adasde.nets.noise_bank import NOISES, Bank, draw_bank, empirical_signs, mixtures, motion
from adasde.nets.streams import Array, minibatch, normals
from adasde.nets.torch_module import require_torch
from adasde.noise import gaussian
from adasde.plan import DEFAULT_START

Progress = Callable[[int, int], None]


@dataclass(frozen=True)
class Curve:
    """What is run: ``algorithm`` or an SDE model, a kind of noise (`noise_bank.NOISES`), and dt = lr / substeps."""

    model: str
    noise: str
    substeps: int = 1

    @property
    def name(self) -> str:
        return f"{self.model}-{self.noise}" + (f"-dt{self.substeps}" if self.substeps > 1 else "")


@dataclass(frozen=True)
class Setting:
    """How it is run.

    hyperparameters  of the optimizer by name, the others at their defaults
    batch            samples B of a minibatch
    steps            optimizer steps; saved: the steps after which the loss is recorded
    refresh          steps between two evaluations of Sigma and of the bank; the bank of ``empirical`` is drawn whenever
                     it is read, because signs change faster than Sigma: one of up to ten steps ago closes about half of
                     the gap that a new one closes (SignSGD on the MLP)
    bank             draws in the bank
    """

    optimizer: str
    hyperparameters: dict[str, float]
    batch: int
    steps: int
    saved: tuple[int, ...]
    refresh: int = 10
    bank: int = 128


@dataclass(frozen=True)
class Trajectory:
    """The loss over the whole population after the saved steps, nan from a blow-up on; the last x, and seconds."""

    steps: NDArray[np.int64]
    losses: Array
    x: Array
    seconds: float

    @property
    def diverged(self) -> bool:
        return not bool(np.isfinite(self.losses).all())


def trajectory(
    loss: TorchLoss, curve: Curve, setting: Setting, seed: int, progress: Progress | None = None
) -> Trajectory:
    """Runs one curve from ``loss.start``.

    The optimizer with Gaussian noise and its SDE models under the same seed share their noise. A model that is singular
    at the start takes over after `DEFAULT_START` steps of the optimizer under the same kind of noise. Raises
    `InvalidParameter` for models and noises that do not go together.
    """
    check(curve, setting)
    begin, losses, x = time.perf_counter(), np.full(len(setting.saved), np.nan), loss.start
    rows = {k: row for row, k in enumerate(setting.saved)}
    real = curve.noise == "minibatch"
    steps = torch_steps(loss, setting, seed) if real else kernel_steps(loss, curve, setting, seed)
    for k, x in enumerate(steps):
        if k in rows:
            losses[rows[k]] = loss.value(x)
            if progress is not None:
                progress(k, setting.steps)
            if not np.isfinite(losses[rows[k]]):
                break
    return Trajectory(np.array(setting.saved), losses, memory_of(loss).host(x).copy(), time.perf_counter() - begin)


def check(curve: Curve, setting: Setting) -> None:
    """Raises `InvalidParameter` unless the optimizer has the model, and the model makes sense under the noise."""
    module = optimizers.kernels(setting.optimizer)
    optimizers.require_model(setting.optimizer, curve.model, module)
    where = f"{setting.optimizer}, model {curve.model}: noise"
    if curve.noise not in NOISES:
        raise UnknownName("noise of a network", curve.noise, NOISES)
    if curve.noise == "minibatch" and curve.model != "algorithm":
        remedy = "a model has Gaussian motions; real minibatches drive the optimizer itself"
        raise InvalidParameter(where, curve.noise, "{full, diagonal, empirical}", remedy)
    step = module.MODELS[curve.model]["gaussian"]
    if curve.noise == "empirical" and step.degrees != (0,):
        remedy = "P(g < 0) is all that a model of signs reads, and no other model; use full"
        raise InvalidParameter(where, curve.noise, "{minibatch, full, diagonal}", remedy)
    if step.along is not None or step.degrees is None:
        raise InvalidParameter(where, curve.noise, "the models of weak order one", "use --model sde")


def kernel_steps(loss: TorchLoss, curve: Curve, setting: Setting, seed: int) -> Iterator[Any]:
    """x before every step and after the last, always the same memory: it is a row of the state that the generated steps
    of the optimizer and of the model advance."""
    module = optimizers.kernels(setting.optimizer)
    values = optimizers.hyperparameters(setting.optimizer, setting.hyperparameters)
    p = optimizers.parameter_array(module, values, gaussian(1.0))
    model, eta = module.MODELS[curve.model]["gaussian"], values["lr"]
    start = setting.steps if curve.model == "algorithm" else DEFAULT_START if model.singular else 0
    memory = memory_of(loss)
    state = memory.zeros(len(module.STATES), 1, loss.dimension)
    x = state[0, 0]
    x[:] = memory.take(loss.start)
    for name, value in optimizers.initial(module).items():
        state[module.STATES.index(name)] = value
    for k in range(setting.steps):
        yield x
        step, parts = (module.algorithm, 1) if k < start else (model, curve.substeps)
        signs = curve.noise == "empirical"
        if not signs and (k % setting.refresh == 0 or k == start):
            bank = _bank(loss, x, curve.noise, setting, step, seed, k)
        shape = (step.noises, loss.dimension) if curve.noise == "diagonal" else (loss.samples,)
        z, c = normals(seed, k, parts, shape), mixtures(seed, k, parts, step.noises, setting.bank)
        for part in range(parts):
            if signs:
                bank = _bank(loss, x, curve.noise, setting, step, seed, k * parts + part)
            G, s, draws = _inputs(loss, x, curve.noise, setting.batch, step, bank, z[part], c[part], memory)
            at = eta * k + eta / parts * part
            memory.advance(step, state, G, memory.take(s), draws, p, k + 1, at, eta / parts)
    yield x


def _bank(loss: TorchLoss, x: Array, noise: str, setting: Setting, step: Any, seed: int, k: int) -> Bank:
    """The bank at x, with no more in it than the step reads."""
    linear = set(step.degrees) == {1}
    if noise == "full" and step.moments == 0 and linear:  # the optimizer itself: its noise comes with the gradient
        return Bank(np.zeros(loss.dimension), np.empty((0, loss.dimension), np.float32))
    size = 0 if linear or noise == "diagonal" else setting.bank
    return draw_bank(loss, x, noise, setting.batch, size, seed, k)


def _inputs(
    loss: TorchLoss, x: Any, noise: str, batch: int, step: Any, bank: Bank, z: Array, c: Array, memory: Any
) -> tuple[Any, Array, Any]:
    """(G, s, draws (m, d)) that a step reads at x; G and draws in the memory of x."""
    take = memory.take
    if noise == "empirical":
        G, s, draw = empirical_signs(bank, memory.host(loss.gradient(x)), c[0])
        return take(G), s, take(draw[None])
    moving = bank.scale > 0
    if noise == "diagonal":
        # A coordinate without noise has no motion: its sign is certain, or 0 where its gradient is 0 as well.
        return loss.gradient(x), bank.scale, take(z * moving)
    if not moving.any():
        still = memory.zeros(step.noises, len(x))
        return loss.noisy_gradient(x, loss.noise_weights(z, batch)), bank.scale, still
    if 1 in step.degrees:
        G, drawn = loss.gradient_and_noise(x, loss.noise_weights(z, batch))
        own = drawn / take(np.where(moving, bank.scale, 1.0))
    else:
        G = loss.gradient(x)
    draws = [own if n == 1 else take(motion(bank, memory.host(G), n, c[i])) for i, n in enumerate(step.degrees)]
    return G, bank.scale, memory.stack(draws)


def torch_steps(loss: TorchLoss, setting: Setting, seed: int) -> Iterator[Any]:
    """x before every step and after the last, always the same memory, which an optimizer of torch advances with the
    gradients of real minibatches."""
    torch = require_torch()
    values = optimizers.hyperparameters(setting.optimizer, setting.hyperparameters)
    flat = torch.as_tensor(loss.start.copy(), device=loss.device).requires_grad_()
    optimizer = torch_optimizer(setting.optimizer, flat, values)
    for k in range(setting.steps):
        yield flat.detach()
        gradient: Any = loss.gradient(flat, minibatch(seed, k, loss.samples, setting.batch))
        flat.grad = _sign(gradient) if setting.optimizer == "signsgd" else gradient
        if setting.optimizer == "rmspropw":
            flat.data.mul_(1 - values["lr"] * values["weight_decay"])
        optimizer.step()
    yield flat.detach()


def _sign(gradient: Any) -> Any:
    """-1, 0 or 1; nan stays nan, of which torch's own sign makes 0."""
    torch = require_torch()
    return torch.where(torch.isnan(gradient), gradient, torch.sign(gradient))


def torch_optimizer(name: str, flat: Any, values: dict[str, float]) -> Any:
    """The optimizer of `torch.optim` behind a rule. SignSGD is its SGD on the signs of the gradient, and RMSpropW its
    RMSprop after a step of decoupled decay, neither of which torch has. Raises `InvalidParameter` for other rules."""
    optim = require_torch().optim
    lr, betas, eps = values["lr"], (values.get("beta1"), values.get("beta2")), values.get("eps")
    if name in ("sgd", "signsgd"):
        return optim.SGD([flat], lr=lr)
    if name in ("rmsprop", "rmspropw"):
        return optim.RMSprop([flat], lr=lr, alpha=betas[1], eps=eps)
    if name == "adam":
        return optim.Adam([flat], lr=lr, betas=betas, eps=eps)
    if name == "adamw":
        return optim.AdamW([flat], lr=lr, betas=betas, eps=eps, weight_decay=values["weight_decay"])
    domain, remedy = "{sgd, signsgd, rmsprop, rmspropw, adam, adamw}", "use one of these with real minibatches"
    raise InvalidParameter("minibatches: optimizer", name, domain, remedy)
