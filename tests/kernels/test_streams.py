"""The generator's law and its independence, on ten million draws, and on 1e9 of them with `-m slow`.

All statistics are sums over the draws, collected in one pass. For independent standard normals each is asymptotically
normal with the variance written here, or Poisson where it counts few. The probability that any of them lies outside its
interval for a perfect generator is at most FALSE_ALARM (Bonferroni over all statistics of a run); the seed is fixed, so
that a run passes or fails for good. The normals are float32 Box-Muller with |z| <= 6.77, whose distance from the normal
law, 1e-7 in relative terms and 1e-11 in mass, is far below what 1e9 draws can see.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pytest
from numba import njit
from numpy.typing import NDArray
from scipy import stats

from adasde.kernels.normals import fill_normals, fill_pairs

Array = NDArray[np.float64]
Fill = Callable[[Array, int, int, int, int], None]

SEED, FALSE_ALARM = 20240607, 1e-4
LANES, ROWS = 1000, 96
"""Paths and numbers of a block: 32 steps of 3 coordinates, or 96 of one."""
TAILS = (3.0, 4.0, 4.5, 5.0, 6.0)
LAGS = ((1, 0), (2, 0), (3, 0), (4, 0), (8, 0), (0, 1), (0, 2), (0, 4), (0, 8), (0, 256), (1, 1), (3, 1), (4, 4))
"""(number, path) apart: with 3 coordinates number 1 is the next coordinate and number 3 the next step."""
STREAMS = (0, 1, 2, 8, 64)


@njit(cache=False, error_model="numpy")  # type: ignore[untyped-decorator]
def add_powers(z: Array, sums: Array, beyond: Array) -> None:
    """sums[k - 1] += sum z^k for k = 1 ... 8; beyond[i, 0 or 1]: how many z < -TAILS[i], z > TAILS[i]."""
    for i in range(z.shape[0]):
        row = np.zeros(8)
        for j in range(z.shape[1]):
            x = z[i, j]
            power = 1.0
            for k in range(8):
                power *= x
                row[k] += power
            if abs(x) > 3.0:
                for t in range(beyond.shape[0]):
                    beyond[t, 0] += x < -TAILS[t]
                    beyond[t, 1] += x > TAILS[t]
        sums += row


@njit(cache=False, error_model="numpy")  # type: ignore[untyped-decorator]
def products(a: Array, b: Array) -> tuple[float, float, float]:
    """Sums of a b, (a^2 - 1)(b^2 - 1) and (a^2 - 1) b, with variances 1, 4 and 2 a term."""
    first = second = mixed = 0.0
    for i in range(a.shape[0]):
        for j in range(a.shape[1]):
            x, y = a[i, j], b[i, j]
            first += x * y
            second += (x * x - 1.0) * (y * y - 1.0)
            mixed += (x * x - 1.0) * y
    return first, second, mixed


VARIANCES = (1.0, 4.0, 2.0)


def moment(k: int) -> float:
    return 0.0 if k % 2 else float(math.prod(range(1, k, 2)))


@dataclass
class Collected:
    """What one pass over the draws adds up."""

    draws: int
    sums: Array
    beyond: Array
    pairs: dict[str, tuple[int, Array]]

    def add_pair(self, name: str, a: Array, b: Array) -> None:
        count, total = self.pairs.get(name, (0, np.zeros(3)))
        self.pairs[name] = count + a.size, total + products(a, b)


def blocks_of(draws: int) -> list[tuple[int, int]]:
    """(first path, first number) of the blocks of a run: far along the paths, and many paths; some beyond 2^32."""
    count = -(-draws // (LANES * ROWS * len(STREAMS)))
    across = max(1, math.isqrt(count))
    firsts = [(LANES * (b % across), ROWS * (b // across)) for b in range(count)]
    return [(path + (2**32 - 2 * LANES if b % 2 else 0), q) for b, (path, q) in enumerate(firsts)]


def collected(draws: int, fill: Fill = fill_normals) -> Collected:
    """Moments, tails and correlations along number (step and coordinate), path, stream and seed."""
    result = Collected(0, np.zeros(8), np.zeros((len(TAILS), 2)), {})
    z, other = (np.empty((len(STREAMS), ROWS, LANES)) for _ in range(2))
    for path, q in blocks_of(draws):
        for s, stream in enumerate(STREAMS):
            fill(z[s], path, q, stream, SEED)
            add_powers(z[s], result.sums, result.beyond)
            result.draws += z[s].size
            for number, step in LAGS:
                a, b = z[s, : ROWS - number, : LANES - step], z[s, number:, step:]
                result.add_pair(f"{number} numbers, {step} paths", a, b)
        for s in range(len(STREAMS)):
            for t in range(s):
                result.add_pair(f"streams {STREAMS[t]}, {STREAMS[s]}", z[s], z[t])
        fill(other[0], path, q, STREAMS[0], SEED + 1)
        result.add_pair("seeds", z[0], other[0])
        fill(other[0], path, q + ROWS, STREAMS[0], SEED)
        result.add_pair("blocks", z[0], other[0])
        fill_pairs(other[0, : ROWS // 2], other[1, : ROWS // 2], path, q, 200, SEED)
        result.add_pair("cosine and sine", other[0, : ROWS // 2], other[1, : ROWS // 2])
    return result


def p_values(found: Collected) -> dict[str, float]:
    """Two-sided p-value of every statistic."""
    values = {}
    for k in range(1, 9):
        error = math.sqrt((moment(2 * k) - moment(k) ** 2) / found.draws)
        values[f"moment {k}"] = 2 * stats.norm.sf(abs(found.sums[k - 1] / found.draws - moment(k)) / error)
    for t, counts in zip(TAILS, found.beyond, strict=True):
        for side, count in zip(("below -", "beyond +"), counts, strict=True):
            expected = found.draws * stats.norm.sf(t)
            few, many = stats.poisson.cdf(count, expected), stats.poisson.sf(count - 1, expected)
            values[f"{side}{t:g}"] = min(1.0, 2 * min(few, many))
    for name, (count, sums) in found.pairs.items():
        for kind, total, variance in zip(("z z", "z^2 z^2", "z^2 z"), sums, VARIANCES, strict=True):
            values[f"{name}: {kind}"] = 2 * stats.norm.sf(abs(total) / math.sqrt(variance * count))
    return values


def failing(found: Collected) -> dict[str, float]:
    """The statistics outside their interval."""
    values = p_values(found)
    return {name: p for name, p in values.items() if not p > FALSE_ALARM / len(values)}


def test_ten_million_draws() -> None:
    """All statistics at once."""
    found = collected(10_000_000)
    assert found.draws >= 10_000_000 and len(p_values(found)) > 90
    assert not failing(found)


@pytest.mark.slow
def test_a_thousand_million_draws() -> None:
    """The same on 1e9 draws: `python -m pytest -m slow tests/kernels/test_streams.py`."""
    found = collected(1_000_000_000)
    assert found.draws >= 1_000_000_000 and found.beyond[-1].sum() > 0
    assert not failing(found)


def reused_block(z: Array, path: int, q: int, stream: int, seed: int) -> None:
    """A counter used twice along a path: every other block of four numbers repeats the one before."""
    fill_normals(z, path, q, stream, seed)
    for row in range(4, len(z), 8):
        z[row : row + 4] = z[row - 4 : row]


def reused_path(z: Array, path: int, q: int, stream: int, seed: int) -> None:
    """Paths 256 ... 511 of a block draw the numbers of paths 0 ... 255."""
    fill_normals(z, path, q, stream, seed)
    z[:, 256:512] = z[:, :256]


def without_stream(z: Array, path: int, q: int, stream: int, seed: int) -> None:
    """The stream left out of the counter in one case of five."""
    fill_normals(z, path, q, 0 if stream == 8 else stream, seed)


def with_short_tail(z: Array, path: int, q: int, stream: int, seed: int) -> None:
    """No draw beyond 4.4, as from 14-bit uniforms."""
    fill_normals(z, path, q, stream, seed)
    np.clip(z, -4.4, 4.4, out=z)


def shifted(z: Array, path: int, q: int, stream: int, seed: int) -> None:
    """A mean of 2e-3."""
    fill_normals(z, path, q, stream, seed)
    z += 2e-3


@pytest.mark.parametrize(
    ("broken", "seen"),
    [
        (reused_block, "4 numbers, 0 paths: z z"),
        (reused_path, "0 numbers, 256 paths: z z"),
        (without_stream, "streams 0, 8: z z"),
        (with_short_tail, "beyond +4.5"),
        (shifted, "moment 1"),
    ],
)
def test_broken_generators_are_seen(broken: Fill, seen: str) -> None:
    """Each of these faults, put into the generator, is found by the statistic that is made for it."""
    assert seen in failing(collected(10_000_000, broken))
