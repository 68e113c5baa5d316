"""The optimizers of torch, optax and pytorch_optimizer, one step after the other, in double precision throughout.

Needs the package of the case that is walked, and no other.
"""

from __future__ import annotations

import importlib
import inspect
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import Any, Protocol
from unittest import mock

import numpy as np
from zoo_cases import LR, PRIVATE_KEY

Array = np.ndarray


class Force(Protocol):
    """g at x in one step, of one of several examples."""

    def __call__(self, x: Array, example: int = 0) -> Array: ...


Advance = Callable[[Force], Array]
"""Moves the parameters by one step, with gradients where the optimizer asks for them, and returns what is shown: the
parameters, or their average."""


@contextmanager
def walking(setting: dict[str, Any], x0: Array) -> Iterator[Advance]:
    """The walk of a package from x0 (D,). torch's NAdam keeps its product of momenta in torch's default type."""
    if setting["package"] == "optax":
        import jax

        jax.config.update("jax_enable_x64", True)
        yield _optax(setting, x0)
        return
    import torch

    before = torch.get_default_dtype()
    torch.set_default_dtype(torch.float64)
    try:
        with ExitStack() as stack:
            if "in float64" in setting["optimizer"]:
                stack.enter_context(_iterations_in_float64(setting["package"]))
            yield _torch(setting, x0)
    finally:
        torch.set_default_dtype(before)


@contextmanager
def _iterations_in_float64(package: str) -> Iterator[None]:
    """Newton-Schulz iterations in float64: what is left of a difference is not the package's bfloat16."""
    import torch

    if package == "torch":
        with mock.patch.object(torch.Tensor, "bfloat16", lambda tensor: tensor.double().clone()):
            yield
        return
    from pytorch_optimizer.optimizer.utils import matrix

    iterations = matrix.zero_power_via_newton_schulz_5
    kept = iterations.__defaults__
    iterations.__defaults__ = tuple(torch.float64 if given is torch.bfloat16 else given for given in kept)
    try:
        yield
    finally:
        iterations.__defaults__ = kept


def _torch(setting: dict[str, Any], x0: Array) -> Advance:
    import torch

    class Point(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.x = torch.nn.Parameter(torch.tensor(x0.reshape(setting["shape"]), dtype=torch.float64))

    point, words = Point(), setting["optimizer"].split()
    optimizer = _torch_optimizer(setting, words, point.x)
    clips = [(getattr(torch.nn.utils, word), setting["theirs"][word]) for word in words if word.startswith("clip_")]
    average = torch.optim.swa_utils.get_ema_multi_avg_fn(setting["ours"].get("ema", 0.0))
    mean = torch.optim.swa_utils.AveragedModel(point, multi_avg_fn=average)

    def advance(force: Force) -> Array:
        def pull() -> None:
            g = force(point.x.detach().numpy().ravel())
            point.x.grad = torch.tensor(g.reshape(setting["shape"]), dtype=torch.float64)

        pull()
        for clip, given in clips:
            clip([point.x], **given)
        optimizer.step(*([pull] if "SAM" in words else []))
        mean.update_parameters(point)
        shown: Array = (mean.module.x if "averaged" in words else point.x).detach().numpy().ravel().copy()
        return shown

    return advance


def _torch_optimizer(setting: dict[str, Any], words: list[str], x: Any) -> Any:
    """The one of the words that the package has, on one tensor."""
    import torch

    home = importlib.import_module("torch.optim" if setting["package"] == "torch" else setting["package"])
    kind = next(getattr(home, word) for word in words if hasattr(home, word))
    given = {name: value for name, value in setting["theirs"].items() if name not in words}
    accepted = inspect.signature(kind).parameters
    if "foreach" in accepted or any(p.kind is p.VAR_KEYWORD for p in accepted.values()):
        given["foreach"] = False
    if kind.__name__ == "SAM":
        given["base_optimizer"] = torch.optim.SGD
    tensors: list[Any] = [x] if home is torch.optim or kind.__name__ != "Muon" else [{"params": [x], "use_muon": True}]
    optimizer = kind(tensors, lr=setting["ours"].get("lr", LR), **given)
    if hasattr(optimizer, "train"):
        optimizer.train()
    return optimizer


def _optax(setting: dict[str, Any], x0: Array) -> Advance:
    import jax
    import jax.numpy as jnp
    import optax

    name, lr, shape = setting["optimizer"], setting["ours"].get("lr", LR), setting["shape"]
    ascent = name.removeprefix("sam of ") if name.startswith("sam of ") else None
    examples = setting["ours"].get("batch_size", 0)
    if ascent is None:
        optimizer = _chain(name, lr, setting["theirs"])
    else:
        optimizer = optax.contrib.sam(optax.sgd(lr), _chain(ascent, RADIUS, {}))
    update = jax.jit(optimizer.update)
    held = {"x": jnp.array(x0.reshape(shape))}
    held["state"] = optimizer.init(held["x"])

    def advance(force: Force) -> Array:
        for _ in range(1 if ascent is None else 2):  # optax's SAM counts the way up as an update
            x = np.array(held["x"]).ravel()
            parts = [force(x, example) for example in range(examples)] if examples else [force(x)]
            g = jnp.array(np.array(parts).reshape([examples] * bool(examples) + list(shape)))
            change, held["state"] = update(g, held["state"], held["x"])
            held["x"] = optax.apply_updates(held["x"], change)
        return np.array(held["x"]).ravel()

    return advance


RADIUS = 0.05
"""rho of SAM, the learning rate of its way up."""


def _chain(name: str, lr: float, theirs: dict[str, Any]) -> Any:
    """optax's parts in a chain, the learning rate going to the last."""
    import optax

    *first, last = (part.split()[0] for part in name.split(" + "))
    home = {part: optax.contrib if hasattr(optax.contrib, part) else optax for part in (*first, last)}
    made = [getattr(home[part], part)(**theirs.get(part, {})) for part in first]
    rest = {name: value for name, value in theirs.items() if name not in first}
    return optax.chain(*made, getattr(home[last], last)(learning_rate=lr, **rest))


def private_normals(steps: int, d: int) -> Array:
    """The standard normals (steps, d) that optax's private aggregate draws for one tensor."""
    import jax

    jax.config.update("jax_enable_x64", True)
    key, rows = jax.random.key(PRIVATE_KEY), []
    for _ in range(steps):
        key, own = jax.random.split(key)
        rows.append(np.array(jax.random.normal(own, (d,), np.float64)))
    return np.array(rows)
