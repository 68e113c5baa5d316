"""Backward transfer operators of an optimizer and of an SDE in one dimension, without sampling.

u(t, z) = E[phi(state at the horizon) | state z at t] is smooth, and is needed only where the state is: for small eta
within O(sqrt eta) of one path. In the frame xi = (z - centre(t))/width(t) it is therefore a polynomial of low degree,
kept as coefficients in Hermite polynomials (`Basis`):

    optimizer   u(t_k, z) = E u(t_k + eta, z'(z, Z)), projected by quadrature in xi and Z
    SDE         -du/dt = b . grad u + (1/2) a : grad^2 u, projected likewise, integrated by an adaptive Runge-Kutta pair

Both converge faster than any power of the degree; `Resolution` holds what must not matter.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.polynomial import Chebyshev
from numpy.polynomial.hermite_e import hermegauss
from numpy.polynomial.legendre import leggauss
from scipy.integrate import solve_ivp
from scipy.stats import norm

from adasde.ensemble import Array
from adasde.verify.chain import NoiseRule, Optimizer
from adasde.verify.polynomials import Basis, basis, gauss_hermite
from adasde.verify.problem import Coefficients

Start = tuple[Array, Array]
"""Starting points (n, K) and their weights (K,)."""

LARGEST = 20_000_000
"""Values of polynomials that are worked out at once."""
FAR = 8.5
"""|Z| beyond this has probability 2e-17 under the normal law."""
REST = 0.15
"""Share of a state's largest variance that its frame keeps where the law is narrower, as at the start."""
SMOOTH = 6
"""Degree in time of the frame's path, which need only stay near the mean."""


def gaussian(nodes: int, kinks: Array | None) -> tuple[Array, Array]:
    """Z standard normal: Gauss-Hermite, or Gauss-Legendre on every piece between kinks."""
    if kinks is None:
        z, w = hermegauss(nodes)
        return z[None, :], (w / w.sum())[None, :]
    bound = np.full((len(kinks), 1), FAR)
    edges = np.sort(np.hstack([-bound, np.clip(kinks, -FAR, FAR), bound]), axis=1)
    one, weight = leggauss(2 * nodes)
    middle, half = (edges[:, 1:] + edges[:, :-1]) / 2, np.diff(edges) / 2
    z = middle[..., None] + half[..., None] * one
    w = half[..., None] * weight * norm.pdf(z)
    return z.reshape(len(kinks), -1), w.reshape(len(kinks), -1)


@dataclass(frozen=True)
class Resolution:
    """Degree of u, quadrature nodes per state and for Z, width of the frame in standard deviations, tolerance in time,
    and degree of u in a state that is new in every step, whose frame is as wide as the noise."""

    degree: int
    nodes: int
    noise_nodes: int
    width: float
    tolerance: float
    memory: int = 0

    def basis(self, states: int, memories: tuple[int, ...] = ()) -> Basis:
        """The polynomials in so many states, of which ``memories`` are new in every step."""
        highest = [self.memory if i in memories else self.degree for i in range(states)]
        nodes = [self.memory + 2 if i in memories else self.nodes for i in range(states)]
        return basis(tuple(highest), tuple(nodes))


def fine(states: int) -> Resolution:
    """The resolution at which errors are measured: from four states on as low as errors of order 1e-3 allow."""
    degree, spare = {1: (16, 2), 2: (10, 2), 3: (8, 2), 4: (5, 1), 5: (3, 1)}[states]
    return Resolution(degree, degree + spare, degree + 8, 1.0, 1e-9 if states < 4 else 1e-7, 8)


def coarse(states: int) -> Resolution:
    """Everything coarser, and a wider frame: the change from `fine` bounds what is left of the numerical error."""
    best = fine(states)
    less = 2 if states < 4 else 1
    return Resolution(
        best.degree - less, best.nodes - less, best.noise_nodes - 2, 1.2, 10 * best.tolerance, best.memory - 2
    )


@dataclass(frozen=True, eq=False)
class Frame:
    """Moving coordinates xi = (z - centre(t)) / width(t), centre and width^2 polynomials in t for each state, so that
    the backward equation is smooth in time; and the optimizer's times."""

    times: Array
    centre: tuple[Chebyshev, ...]
    square: tuple[Chebyshev, ...]

    @property
    def step_size(self) -> float:
        return float(self.times[1] - self.times[0])

    def at(self, time: float) -> tuple[Array, Array]:
        """Centre and width, (n, 1) each."""
        centre, square = (np.array([p(time) for p in part])[:, None] for part in (self.centre, self.square))
        return centre, np.sqrt(square)

    def states(self, time: float, xi: Array) -> Array:
        """z (n, M) of xi (n, M)."""
        centre, width = self.at(time)
        return centre + width * xi

    def reduced(self, time: float, z: Array) -> Array:
        """xi (n, M) of z (n, M)."""
        centre, width = self.at(time)
        return (z - centre) / width

    def of(self, kept: list[int]) -> Frame:
        """The frame of some of the states."""
        return Frame(self.times, tuple(self.centre[i] for i in kept), tuple(self.square[i] for i in kept))

    def velocity(self, time: float, xi: Array) -> Array:
        """dz/dt at fixed xi, (n, M)."""
        moving, growing = (np.array([p.deriv()(time) for p in part])[:, None] for part in (self.centre, self.square))
        return moving + growing / (2 * self.at(time)[1]) * xi


def frame(optimizer: Optimizer, start: Start, times: Array, noise: NoiseRule, width: float) -> Frame:
    """Mean and standard deviation of the optimizer's state at every step, in the Gaussian closure: each law is
    replaced by the normal law of its mean and covariance, whose image under the step gives the next."""
    points, shares = start
    step_size, n = float(times[1] - times[0]), len(points)
    xi, weights = gauss_hermite((3,) * n)
    means, away = [points @ shares], points - (points @ shares)[:, None]
    covariance = (away * shares) @ away.T
    variances = [np.diag(covariance)]
    for time in times[:-1]:
        values, vectors = np.linalg.eigh(covariance)
        z = means[-1][:, None] + vectors * np.sqrt(np.maximum(values, 0.0)) @ xi
        after, share = optimizer.images(noise, 8, z, float(time), step_size)
        probability = weights[:, None] * share
        means.append((after * probability).sum(axis=(1, 2)))
        centred = after - means[-1][:, None, None]
        covariance = np.einsum("imq,jmq,mq->ij", centred, centred, probability)
        variances.append(np.diag(covariance))
    spread = np.array(variances)
    spread += REST * (spread.max(axis=0) + step_size**2)
    return Frame(times, _fits(times, np.array(means)), _fits(times, width**2 * spread))


def _fits(times: Array, values: Array) -> tuple[Chebyshev, ...]:
    return tuple(Chebyshev.fit(times, column, min(SMOOTH, len(times) - 1)) for column in values.T)


def optimizer_means(
    optimizer: Optimizer,
    functions: Callable[[Array], Array],
    start: Start,
    moving: Frame,
    noise: NoiseRule,
    at: Resolution,
) -> Array:
    """E phi(state after the last step) from ``start``, for F test functions: (F,)."""
    polynomials = at.basis(len(start[0]), optimizer.memories)
    u = _terminal(functions, moving, polynomials)
    for time in moving.times[-2::-1]:
        z = moving.states(time, polynomials.nodes)
        blocks = max(1, z.shape[1] * len(u) * (at.noise_nodes + 1) // LARGEST)
        parts = [
            _one_step_back(optimizer, moving, noise, at, polynomials, u, part, float(time))
            for part in np.array_split(z, blocks, axis=1)
        ]
        u = polynomials.project(np.concatenate(parts))
    return _at(polynomials, moving, start, u)


def _one_step_back(
    optimizer: Optimizer,
    moving: Frame,
    noise: NoiseRule,
    at: Resolution,
    polynomials: Basis,
    u: Array,
    z: Array,
    time: float,
) -> Array:
    """E u(t + eta, z') at points z (n, M): (M, F)."""
    after, share = optimizer.images(noise, at.noise_nodes, z, time, moving.step_size)
    xi = moving.reduced(time + moving.step_size, after.reshape(len(z), -1))
    values = (polynomials.at(xi).T @ u).reshape(*after.shape[1:], -1)
    found: Array = np.einsum("mqf,mq->mf", values, np.broadcast_to(share, after.shape[1:]))
    return found


def model_means(
    model: Coefficients, functions: Callable[[Array], Array], start: Start, moving: Frame, at: Resolution
) -> Array:
    """E phi(state at the horizon) of the SDE, from the same start: (F,)."""
    polynomials = at.basis(len(start[0]))
    terminal = _terminal(functions, moving, polynomials)
    generator = _generator(model, moving, polynomials)
    end = float(moving.times[-1])

    def slope(elapsed: float, u: Array) -> Array:
        return generator(end - elapsed, u.reshape(terminal.shape)).ravel()

    solution: Any = solve_ivp(
        slope,
        (0.0, end - float(moving.times[0])),
        terminal.ravel(),
        method="DOP853",
        rtol=at.tolerance,
        atol=at.tolerance / 100,
    )
    if not solution.success:
        raise ArithmeticError(f"backward equation: {solution.message}")
    return _at(polynomials, moving, start, solution.y[:, -1].reshape(terminal.shape))


def _generator(model: Coefficients, moving: Frame, polynomials: Basis) -> Callable[[float, Array], Array]:
    """(t, coefficients of u) -> coefficients of (b - dz/dt at fixed xi) . grad u + (1/2) a : grad^2 u."""
    n = len(polynomials.nodes)
    pairs = [(i, j) for i in range(n) for j in range(i, n)]
    values = np.ascontiguousarray(polynomials.values.T)

    def apply(time: float, u: Array) -> Array:
        width = moving.at(time)[1]
        z = moving.states(time, polynomials.nodes)
        drift, covariance = model(z, time, moving.step_size)
        first = (drift - moving.velocity(time, polynomials.nodes)) / width
        second = [(0.5 if i == j else 1.0) * covariance[i, j] / (width[i] * width[j]) for i, j in pairs]
        gradient = [derivative @ u for derivative in polynomials.derivatives]
        hessian = [polynomials.derivatives[i] @ gradient[j] for i, j in pairs]
        terms = (values @ np.hstack([*gradient, *hessian])).reshape(len(values), -1, u.shape[1])
        return polynomials.project(np.einsum("cm,mcf->mf", np.array([*first, *second]), terms))

    return apply


def _terminal(functions: Callable[[Array], Array], moving: Frame, polynomials: Basis) -> Array:
    return polynomials.project(functions(moving.states(float(moving.times[-1]), polynomials.nodes)))


def _at(polynomials: Basis, moving: Frame, start: Start, u: Array) -> Array:
    points, shares = start
    found: Array = shares @ (polynomials.at(moving.reduced(float(moving.times[0]), points)).T @ u)
    return found
