"""A loop in JAX as a practised user writes it: `lax.scan` over steps, all paths in one array, threefry normals."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache, partial
from types import SimpleNamespace

import jax
import jax.numpy as jnp
import numpy as np
from workloads import ETA, EVERY, SAVES, STEPS, X0, H, Result

from competitors.equations import MOTIONS, START, Competitor, Equations

jax.config.update("jax_enable_x64", True)
PACKAGES = ("jax", "jaxlib")
XP = SimpleNamespace(erf=jax.scipy.special.erf, sqrt=jnp.sqrt, expm1=jnp.expm1)


def _gradient(x: jax.Array) -> jax.Array:
    return jnp.stack([H[0, 0] * x[0] + H[0, 1] * x[1], H[1, 0] * x[0] + H[1, 1] * x[1]])


def _step(equations: Equations, noise: jnp.dtype, key: jax.Array, state: tuple, k: jax.Array) -> tuple:
    motions = MOTIONS[equations.name]
    G, t = _gradient(state[0]), ETA * k
    z = jax.random.normal(jax.random.fold_in(key, k), (motions, *state[0].shape), noise).astype(jnp.float64)
    moved = []
    for y, a, row in zip(state, equations.drift(t, G, *state), equations.diffusion(t, G, *state), strict=True):
        moved.append(y + ETA * a + ETA**0.5 * sum(b * z[i] for i, b in enumerate(row) if not _nothing(b)))
    return tuple(moved)


def _nothing(b: object) -> bool:
    return isinstance(b, float) and b == 0.0


@cache
def _compiled(name: str, paths: int, noise: str) -> Callable[[jax.Array], jax.Array]:
    equations, start = Equations(name, XP), START[name]

    def stretch(key: jax.Array, state: tuple, steps: jax.Array) -> tuple:
        return jax.lax.scan(lambda s, k: (_step(equations, jnp.dtype(noise), key, s, k), None), state, steps)[0]

    @jax.jit
    def run(key: jax.Array) -> jax.Array:
        x = jnp.repeat(jnp.asarray(X0)[:, None], paths, axis=1)
        state, saved = (x,), [x]
        if start:
            z = jax.random.normal(jax.random.fold_in(key, STEPS), x.shape, noise).astype(jnp.float64)
            state = equations.first_step(x, _gradient(x), z)
        state = stretch(key, state, jnp.arange(start, EVERY))
        saved.append(state[0])

        def later(state: tuple, i: jax.Array) -> tuple:
            state = stretch(key, state, i * EVERY + jnp.arange(EVERY))
            return state, state[0]

        return jnp.concatenate([jnp.stack(saved), jax.lax.scan(later, state, jnp.arange(1, SAVES - 1))[1]])

    return run


def moments(name: str, paths: int, seed: int, noise: str) -> Result:
    """All paths in one batch."""
    return Result.of(np.asarray(_compiled(name, paths, noise)(jax.random.key(seed))))


IMPLEMENTATIONS = {
    "JAX loop, float64": Competitor(partial(moments, noise="float64"), 8_000),
    "JAX loop, float32 noise": Competitor(partial(moments, noise="float32"), 8_000),
}
