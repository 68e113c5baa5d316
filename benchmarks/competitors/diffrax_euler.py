"""diffrax: Euler with a fixed step, `UnsafeBrownianPath`, float64, vmap over paths and jit over all."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from types import SimpleNamespace

import diffrax
import jax
import jax.numpy as jnp
import lineax
import numpy as np
from workloads import ETA, EVERY, SAVES, STEPS, X0, H, Result

from competitors.equations import MOTIONS, START, STATES, Competitor, Equations

jax.config.update("jax_enable_x64", True)
PACKAGES = ("diffrax", "equinox", "lineax", "jax", "jaxlib")
XP = SimpleNamespace(erf=jax.scipy.special.erf, sqrt=jnp.sqrt, expm1=jnp.expm1)


def _terms(name: str, key: jax.Array) -> diffrax.MultiTerm:
    equations, states, motions = Equations(name, XP), STATES[name], MOTIONS[name]

    def drift(t: jax.Array, y: jax.Array, args: None) -> jax.Array:
        parts = tuple(y.reshape(states, 2))
        return jnp.concatenate(equations.drift(t, jnp.asarray(H) @ parts[0], *parts))

    def diffusion(t: jax.Array, y: jax.Array, args: None) -> lineax.AbstractLinearOperator:
        parts = tuple(y.reshape(states, 2))
        rows = equations.diffusion(t, jnp.asarray(H) @ parts[0], *parts)
        if states == 1:
            return lineax.DiagonalLinearOperator(jnp.broadcast_to(rows[0][0], (2,)))
        blocks = [[jnp.diag(jnp.broadcast_to(b, (2,))) for b in row] for row in rows]
        return lineax.MatrixLinearOperator(jnp.block(blocks))

    path = diffrax.UnsafeBrownianPath(shape=(2 * motions,), key=key)
    return diffrax.MultiTerm(diffrax.ODETerm(drift), diffrax.ControlTerm(diffusion, path))


def _start(name: str, key: jax.Array) -> jax.Array:
    x = jnp.asarray(X0)
    if not START[name]:
        return x
    z = jax.random.normal(key, (2,))
    return jnp.concatenate(Equations(name, XP).first_step(x, jnp.asarray(H) @ x, z))


@cache
def _compiled(name: str) -> Callable[[jax.Array], jax.Array]:
    times = ETA * EVERY * jnp.arange(1, SAVES)

    def one(key: jax.Array) -> jax.Array:
        first, rest = jax.random.split(key)
        solution = diffrax.diffeqsolve(
            _terms(name, rest),
            diffrax.Euler(),
            t0=ETA * START[name],
            t1=ETA * STEPS,
            dt0=ETA,
            y0=_start(name, first),
            saveat=diffrax.SaveAt(ts=times),
            stepsize_controller=diffrax.ConstantStepSize(),
            adjoint=diffrax.DirectAdjoint(),
            max_steps=STEPS + 8,
        )
        return jnp.concatenate([jnp.asarray(X0)[None], solution.ys[:, :2]])

    return jax.jit(jax.vmap(one))


def moments(name: str, paths: int, seed: int) -> Result:
    """All paths in one vmap."""
    found = _compiled(name)(jax.random.split(jax.random.key(seed), paths))
    return Result.of(np.moveaxis(np.asarray(found), 0, 2))


IMPLEMENTATIONS = {"diffrax": Competitor(moments, 4_000)}
