"""Noise in double precision, increments of two values, and contraction.

Each statistical comparison fails with probability FALSE_ALARM for a perfect generator and a random seed.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import mpmath as mp
import numpy as np
import pytest
from numba import float64, njit
from scipy import stats

from adasde.kernels.contraction import contracted
from adasde.kernels.elementary import polynomial
from adasde.kernels.normals import draw_words
from adasde.kernels.normals64 import bailey64, box_muller64, fill_layer64, fill_pairs64, fill_student_t64

SEED, FALSE_ALARM = 20261125, 1e-6
EDGES = np.array([0, 1, 2**11, 2**12, 2**31 - 1, 2**31, 2**32 - 1], np.uint32)

Fill = Callable[[int, int, int, int], np.ndarray]


def normals(lanes: int, rows: int, path: int, q: int) -> np.ndarray:
    z = np.empty((rows, lanes))
    fill_layer64(z, 1, 1, 0, path, q, 0, SEED)
    return z


def pairs(lanes: int, rows: int, path: int, q: int) -> np.ndarray:
    z = np.empty((2, rows, lanes))
    fill_pairs64(z[0], z[1], path, q, 0, SEED)
    return z


def student_3(lanes: int, rows: int, path: int, q: int) -> np.ndarray:
    z = np.empty((rows, lanes))
    fill_student_t64(z, path, q, 0, SEED, 3.0)
    return z


def words_to_try() -> np.ndarray:
    random = np.random.default_rng(SEED).integers(0, 2**32, (4, 300), np.uint32)
    few = EDGES[[0, 1, 5, 6]]
    edges = np.array(np.meshgrid(few, EDGES, few, EDGES)).reshape(4, -1)
    return np.hstack([random, edges]).astype(np.uint32)


def bits_of(words: np.ndarray) -> np.ndarray:
    """Words (4, n) as bits (2, n), the first word of a pair in the upper half."""
    high, low = words[0::2].astype(np.uint64), words[1::2].astype(np.uint64)
    return (high << np.uint64(32) | low).view(np.int64).copy()


def exact_draws(words: list[int]) -> tuple[Any, Any]:
    """-2 ln U and 2 V from the formulas of the module's docstring."""
    high, low, turn_high, turn_low = words
    u = mp.mpf(2 * ((high << 32 | low) >> 12) + 1) / 2**53
    v = mp.mpf(2 * ((turn_high << 32 | turn_low) >> 10) + 1) / 2**55
    return -2 * mp.log(u), 2 * v


@pytest.mark.parametrize("fill", [normals, pairs, student_3])
def test_blocks_do_not_matter(fill: Fill) -> None:
    whole = fill(512, 24, 10, 40)
    for cut in (256, 255, 1):
        halves = [fill(cut, 24, 10, 40), fill(512 - cut, 24, 10 + cut, 40)]
        assert whole.tobytes() == np.concatenate(halves, axis=-1).tobytes()
    halves = [fill(512, 4, 10, 40), fill(512, 20, 10, 44)]
    assert whole.tobytes() == np.concatenate(halves, axis=-2).tobytes()


def test_normals_keep_their_error_bound() -> None:
    """Within 2e-15 (relative) of r cos and r sin, for random words and the extreme ones; |z| <= 8.58, never 0."""
    words = words_to_try()
    z = np.empty((2, words.shape[1]))
    box_muller64(bits_of(words), z, 0, 1)
    with mp.workdps(40):
        for j, column in enumerate(words.T.tolist()):
            squared, turns = exact_draws(column)
            r = mp.sqrt(squared)
            assert abs(z[0, j] / (r * mp.cospi(turns)) - 1) < 2e-15, column
            assert abs(z[1, j] / (r * mp.sinpi(turns)) - 1) < 2e-15, column
    assert np.abs(z).min() > 0 and 8.5 < np.abs(z).max() < 8.58


@pytest.mark.parametrize("nu", [0.5, 2.0, 30.0])
def test_student_t_keeps_its_error_bound(nu: float) -> None:
    words = words_to_try()[:, ::3].copy()
    t = np.empty(words.shape[1])
    bailey64(t, bits_of(words), nu)
    with mp.workdps(40):
        for value, column in zip(t, words.T.tolist(), strict=True):
            squared, turns = exact_draws(column)
            exact = mp.sqrt(nu * mp.expm1(squared / nu)) * mp.cospi(turns)
            assert abs(value / exact - 1) < 4e-15 + 1e-14 / nu


def test_layout() -> None:
    """Block b gives numbers 2 b and 2 b + 1 of a layer, and number b of both pairs and Student-t variates."""
    words, z, t = np.empty((4, 8), np.int32), np.empty((2, 8)), np.empty(8)
    draw_words(words, 3, 5, 0, SEED)
    box_muller64(bits_of(words.view(np.uint32)), z, 0, 1)
    bailey64(t, bits_of(words.view(np.uint32)), 3.0)
    assert np.array_equal(normals(8, 2, 3, 10), z)
    assert np.array_equal(pairs(8, 1, 3, 5)[:, 0], z)
    assert np.array_equal(student_3(8, 1, 3, 5)[0], t)
    assert np.array_equal(np.sign(t), np.sign(z[0]))


def test_laws() -> None:
    """Kolmogorov-Smirnov distance of a million draws; no correlation along numbers, paths and pairs."""
    z, (first, second), t = normals(1000, 1000, 0, 0), pairs(1000, 500, 0, 0), student_3(500, 1000, 0, 0)
    for sample in (z, first, second):
        assert stats.kstest(sample.ravel(), "norm").pvalue > FALSE_ALARM
    assert stats.kstest(t.ravel(), stats.t(3).cdf).pvalue > FALSE_ALARM
    limit = stats.norm.isf(FALSE_ALARM / 2) / math.sqrt(z.size // 2)
    for a, b in ((z[1:], z[:-1]), (z[:, 1:], z[:, :-1]), (first, second)):
        assert abs((a * b).mean()) < limit


def test_loops_vectorise() -> None:
    for kernel in (box_muller64, bailey64):
        fresh = njit(error_model="numpy")(kernel.py_func)
        bits, out = np.zeros((2, 64), np.int64), np.zeros((2, 64))
        fresh(bits, out, 0, 1) if kernel is box_muller64 else fresh(out[0], bits, 3.0)
        text = next(iter(fresh.inspect_llvm().values()))
        assert "x double> @llvm.sqrt" in text


@njit(float64(float64), error_model="numpy", forceinline=True)  # type: ignore[untyped-decorator]
def cubic(x: float) -> float:
    return float(polynomial(x, (0.1, 0.2, 0.3)))


@njit(float64(float64[::1]), error_model="numpy", nogil=True)  # type: ignore[untyped-decorator]
def summed(x: np.ndarray) -> float:
    total = 0.0
    for j in range(x.size):
        total += x[j] * cubic(x[j])
    return total


def test_contraction_reaches_the_callees_and_nothing_else() -> None:
    """`contracted` sets LLVM's flag in the function and in those it calls, and no other licence; the original keeps
    none; the sum agrees to rounding."""
    fused = contracted(summed)
    assert contracted(summed) is fused
    text, plain = (next(iter(f.inspect_llvm().values())) for f in (fused, summed))
    assert "fmul contract double" in text and "fadd contract double" in text
    assert not any(flag in text for flag in (" fast ", "reassoc", "nnan", "ninf", "arcp"))
    assert "contract" not in plain
    x = np.linspace(-1, 1, 100)
    assert fused(x) == pytest.approx(summed(x), rel=1e-14)
    uncontracted = [line for line in text.splitlines() if "fmul double" in line]
    assert not uncontracted
