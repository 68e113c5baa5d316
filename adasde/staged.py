"""Runs of rules and models whose steps go in stages (`adasde.kernels.stages`): the loop over steps, and the draws.

The minibatch noise Z is the one that the compiled driver would draw, so that an optimizer in stages and its SDE share
their draws too. Further minibatches and the rule's own draws have Philox keys of their own, the seed with one of the
bits below flipped; path j draws the same numbers whatever block it lands in.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from adasde.ensemble import Array
from adasde.errors import InvalidParameter
from adasde.noise import Noise
from adasde.pointers import pointer

if TYPE_CHECKING:
    from adasde.run import Run

KEYS = {"noise": 1 << 62, "normal": 1 << 61, "uniform": 3 << 61, "exponential": 1 << 60}
"""What distinguishes the key of each kind of further draws from the seed, which has 63 bits."""


def is_staged(step: Any) -> bool:
    """Whether a generated step has the signature of `kernels.stages`."""
    return getattr(step, "draws", None) is not None


def require_plain(optimizer: str, noise: Noise, fast: bool) -> None:
    """Refuses by name what steps in stages do not do."""
    if noise.covariance is not None:
        domain, remedy = "the laws with a diagonal covariance", "give one scale per coordinate"
        raise InvalidParameter(f"{optimizer}: noise", noise.name, domain, remedy)
    if fast:
        raise InvalidParameter(f"{optimizer}: fast", True, "{False}", "steps in stages have one arithmetic only")


def require_shape(optimizer: str, step: Any, p: Array, dimension: int) -> None:
    """Refuses numbers of entries or rows that a vector of this dimension has not."""
    sizes = getattr(step, "sizes", None)
    for operation, name, n in sizes(p) if sizes else ():
        fits, domain = 1 <= n <= dimension, f"[1, {dimension}]"
        if operation == "orthogonal":
            fits, domain = n >= 1 and dimension % n == 0, f"the divisors of the dimension {dimension}"
        if not fits:
            remedy = f"choose one, or a loss whose dimension fits: it is for `{operation}` of a vector"
            raise InvalidParameter(f"{optimizer}: {name}", n, domain, remedy)


class Draws:
    """The draws of an optimizer's step in stages, made some steps at a time."""

    def __init__(self, run: Run, path: int, lanes: int, chunk: int) -> None:
        from adasde.kernels.draws import draw_functions

        double = run.arithmetic.noise_precision == "double"
        self.run, self.path, self.lanes, self.chunk = run, path, lanes, chunk
        self.counts = dict(zip(("noise", "normal", "uniform", "exponential"), run.own_step.draws(run.p), strict=True))
        self.fills = {"noise": run.draws[0], "exponential": draw_functions("exponential", double)[0]}
        self.fills["normal"] = self.fills["uniform"] = draw_functions("gaussian", double)[0]

    def steps(self, number: int) -> Iterator[tuple[Array, Array, Array, Array]]:
        """noise, normal, uniform and exponential draws (m, d, L) of every step of chunk ``number``."""
        d = self.run.loss.dimension
        first = self._filled("noise", 1, number, self.run.seed)
        further = self._filled("noise", self.counts["noise"] - 1, number, self.run.seed ^ KEYS["noise"])
        own = [self._filled(kind, self.counts[kind], number, self.run.seed ^ KEYS[kind]) for kind in list(KEYS)[1:]]
        for i in range(self.chunk):
            noise = np.concatenate([first[i], further[i]]).reshape(-1, d, self.lanes)
            normal, uniform, exponential = (draws[i].reshape(-1, d, self.lanes) for draws in own)
            yield noise, normal, uniform, exponential

    def _filled(self, kind: str, layers: int, number: int, key: int) -> Array:
        """(chunk, layers d, L): the draws of one kind, as those of a loss in layers d dimensions."""
        from adasde.kernels.lanes import LAW_CODES
        from adasde.kernels.stages import to_uniform

        rows = layers * self.run.loss.dimension
        draws = np.empty((self.chunk, rows, self.lanes))
        if not rows:
            return draws
        law = self.run.plan[5] if kind == "noise" else LAW_CODES["exponential" if kind == "exponential" else "gaussian"]
        data = self.run.noise.law_data if kind == "noise" else np.empty(0)
        self.fills[kind](draws, rows, number, self.path, True, (*self.run.plan[:5], law, key), data)
        if kind == "uniform":
            to_uniform(draws)
        return draws


def staged_block(run: Run, path: int, lanes: int, saves: NDArray[np.int64], steps: int) -> tuple[Array, Array, Array]:
    """`Run.started` where a step goes in stages."""
    from adasde.kernels import driver

    d = run.loss.dimension
    state = np.repeat(run.initial[:, :, None], lanes, axis=2)
    scale = np.repeat(run.noise.scales(d)[:, None], lanes, axis=1)
    xs, losses = np.empty((len(saves), d, lanes)), np.empty((len(saves), lanes))
    block = _Block(run, path, lanes, state, scale)
    saved = 0
    for k in range(steps + 1):
        if saved < len(saves) and saves[saved] == k:
            driver.store(run.loss.value, state[0], xs[saved], losses[saved], run.loss.data)
            saved += 1
        if k < steps:
            (block.optimize if k < run.handover else block.follow)(k)
    return state, xs, losses


class _Block:
    """One block of lanes on its way: the optimizer's step, or its model's."""

    def __init__(self, run: Run, path: int, lanes: int, state: Array, scale: Array) -> None:
        from adasde.kernels import driver

        self.run, self.path, self.state, self.scale = run, path, state, scale
        self.chunk = int(driver.steps_per_chunk(run.loss.dimension))
        self.factor = 1 / math.sqrt(run.noise.batch) if run.noise.scale is None else 0.0
        self.gradient, self.no_curvature = np.empty(scale.shape), np.empty((0, *scale.shape))
        self.spread = run.loss.noise_scale if self.factor > 0 else driver.constant_scale
        product = run.loss.hessian_vector or driver.no_hessian
        functions = (run.loss.gradient, self.spread, product, run.loss.adjoint or product)
        self.functions = tuple(map(_given, functions))
        self.draws: Draws | None = None

    def optimize(self, k: int) -> None:
        """Step k + 1 of the optimizer."""
        if k % self.chunk == 0:
            self.draws = self.draws or Draws(self.run, self.path, self.scale.shape[1], self.chunk)
            self.layers = self.draws.steps(k // self.chunk)
        self._fields()
        lr = float(self.run.p[0])
        self._stage(self.run.algorithm, next(self.layers), k + 1, lr * k, lr)

    def follow(self, k: int) -> None:
        """The same of the model, in its substeps."""
        run, d, lanes = self.run, *self.scale.shape
        m, parts, lr = run.noises, run.substeps, float(run.p[0])
        if k % self.chunk == 0 or k == run.handover:
            self.motions = np.empty((self.chunk * m, d, lanes))
            run.draws[1](self.motions, d, k // self.chunk, self.path, False, run.plan, run.noise.law_data)
        coarse = self.motions[k % self.chunk * m : (k % self.chunk + 1) * m]
        fine = coarse if parts == 1 else np.empty((parts * m, d, lanes))
        if parts > 1:
            run.draws[2](fine, coarse, k, self.path, run.plan)
        dt = lr / parts
        for part in range(parts):
            self._fields()
            draws, t = fine[part * m : (part + 1) * m], lr * k + dt * part
            if is_staged(run.model_step):
                self._stage(run.model, (draws, *[self.no_curvature] * 3), k + 1, t, dt)
            else:
                run.model(self.state, self.gradient, self.scale, self.no_curvature, draws, run.p, k + 1, t, dt)

    def _fields(self) -> None:
        self.run.loss.gradient(self.state[0], self.gradient, self.run.loss.data)
        if self.factor > 0:
            self.spread(self.state[0], self.scale, self.run.loss.data)
            self.scale *= self.factor

    def _stage(self, step: Any, draws: tuple[Array, ...], k: int, t: float, dt: float) -> None:
        fields = (self.state, self.gradient, self.scale)
        step(*fields, *self.functions, self.factor, self.run.loss.data, *draws, self.run.p, k, t, dt)


def _given(function: Any) -> Any:
    """The address of a compiled function of this package; a user's own may raise, which no address passes on."""
    ours = function.py_func.__module__.startswith("adasde.")
    return pointer(function) if ours else function
