"""Noise: exact reproducibility, the stated error bounds, and the law of what comes out.

The statistical checks use one fixed seed, so they pass or fail for good. FALSE_ALARM is the chance with which
each of their comparisons would fail for a perfect generator and a random seed; there are fewer than 100.
"""

from __future__ import annotations

import hashlib
import math
import os
import platform
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import mpmath as mp
import numpy as np
import pytest
from numba import float64, int32, njit, types
from scipy import stats

from adasde.kernels import normals
from adasde.kernels.normals import bailey, box_muller, draw_words, fill_normals, fill_pairs, fill_student_t
from adasde.kernels.philox import pairs_of_paths, pairs_of_words
from adasde.kernels.special import erf, exp, log, log1p, power, sin, student_t_sign, tanh
from adasde.kernels.student_t import student_t_data

SEED = 20240607
FALSE_ALARM = 1e-6
SIGMAS = float(stats.norm.isf(FALSE_ALARM / 2))
PATHS, NUMBERS = 4000, 1000
EDGE_WORDS = np.array([0, 1, 2**30 - 1, 2**30, 2**31 - 1, 2**31, 3 * 2**30, 2**32 - 2, 2**32 - 1], np.uint32)

Fill = Callable[[int, int, int, int], np.ndarray]


def filled_normals(lanes: int, rows: int, path: int, q: int, stream: int = 0, seed: int = SEED) -> np.ndarray:
    z = np.empty((rows, lanes))
    fill_normals(z, path, q, stream, seed)
    return z


def filled_pairs(lanes: int, rows: int, path: int, q: int, stream: int = 0, seed: int = SEED) -> np.ndarray:
    z = np.empty((2, rows, lanes))
    fill_pairs(z[0], z[1], path, q, stream, seed)
    return z


def filled_student(nu: float, lanes: int, rows: int, path: int, q: int, stream: int = 0) -> np.ndarray:
    z = np.empty((rows, lanes))
    fill_student_t(z, path, q, stream, SEED, nu)
    return z


def filled_student_3(lanes: int, rows: int, path: int, q: int) -> np.ndarray:
    return filled_student(3.0, lanes, rows, path, q)


@pytest.fixture(scope="module")
def sample() -> np.ndarray:
    """Four million normals (number, path)."""
    return filled_normals(PATHS, NUMBERS, 0, 0)


@pytest.mark.parametrize("fill", [filled_normals, filled_pairs, filled_student_3])
def test_blocks_do_not_matter(fill: Fill) -> None:
    """Path and number alone decide a draw: any cut into lanes or rows gives the same bytes."""
    whole = fill(512, 24, 10, 40)
    for cut in (256, 255, 8, 1):
        halves = [fill(cut, 24, 10, 40), fill(512 - cut, 24, 10 + cut, 40)]
        assert whole.tobytes() == np.concatenate(halves, axis=-1).tobytes()
    for cut in (4, 12):
        halves = [fill(512, cut, 10, 40), fill(512, 24 - cut, 10, 40 + cut)]
        assert whole.tobytes() == np.concatenate(halves, axis=-2).tobytes()


def test_layout() -> None:
    """Which words of which block make which number, for all three functions."""
    words, z = np.empty((4, 8), np.int32), np.empty((4, 8), np.float32)
    draw_words(words, 3, 5, 7, SEED)
    box_muller(words, 0, z, 0, 1)
    box_muller(words, 2, z, 2, 3)
    assert np.array_equal(filled_normals(8, 4, 3, 20, 7), z)
    assert np.array_equal(filled_pairs(8, 2, 3, 10, 7), [z[::2], z[1::2]])
    t = np.empty(8)
    for row in range(2):
        bailey(t, words[2 * row], words[2 * row + 1], 2.5)
        assert np.array_equal(filled_student(2.5, 8, 2, 3, 10, 7)[row], t)


def test_seed_and_stream_matter() -> None:
    """Another seed, also one that differs above bit 32, and another stream give other numbers."""
    draws = [filled_normals(8, 4, 0, 0, stream, seed) for stream, seed in ((0, 1), (1, 1), (0, 2), (0, 2**32 + 1))]
    assert len({z.tobytes() for z in draws}) == 4
    assert not np.isin(draws[0], draws[1:]).any()


@njit(error_model="numpy")  # type: ignore[untyped-decorator]
def special_functions(y: np.ndarray, tables: np.ndarray) -> np.ndarray:
    values = np.empty((11, y.size))
    for j in range(y.size):
        values[0, j] = erf(y[j])
        for k in range(7):
            values[1 + k, j] = student_t_sign(y[j], tables[k], 0)
        values[8, j] = exp(y[j]) * sin(y[j])
        values[9, j] = log(abs(y[j])) + log1p(y[j] * y[j])
        values[10, j] = tanh(y[j]) * power(abs(y[j]), 1.7)
    return values


TABLES = np.array([student_t_data(0.5 * k) for k in range(1, 8)])


def digest() -> str:
    z = [filled_normals(509, 16, 0, 0), filled_pairs(509, 16, 0, 0)]
    z += [filled_student(nu, 509, 16, 0, 0) for nu in (0.5, 3.0, 1e6)]
    z += [TABLES, special_functions(z[0].ravel(), TABLES)]
    return hashlib.sha256(b"".join(part.tobytes() for part in z)).hexdigest()


def test_same_bytes_on_every_cpu(tmp_path: Path) -> None:
    """Noise and special functions: pinned bytes from this CPU's code and from that for SSE2 only."""
    pinned = "da9b4e09460d9b235327dc2346020c8ae9e90686cc7e98c1d2dbebec71f1c11a"
    assert digest() == pinned
    if platform.machine() in {"x86_64", "AMD64"}:
        plain = {"NUMBA_CPU_NAME": "x86-64", "NUMBA_CPU_FEATURES": "", "NUMBA_CACHE_DIR": str(tmp_path)}
        load = f"import runpy; print(runpy.run_path({__file__!r})['digest']())"
        command = [sys.executable, "-c", load]
        result = subprocess.run(command, env=os.environ | plain, capture_output=True, text=True, check=True)
        assert result.stdout.strip() == pinned


def reference_draws(words: np.ndarray, turns: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """U and cos, sin of 2 pi V in float64, from the formulas of the module's docstring."""
    u = (words + 0.5) / 2.0**32
    v = (turns.view(np.int32) + 0.5) / 2.0**32
    cosine = np.sin(2 * np.pi * (0.25 - np.abs(v)))
    sine = np.sin(2 * np.pi * np.where(np.abs(v) <= 0.25, v, np.copysign(0.5, v) - v))
    return u, cosine, sine


def test_float32_normals_keep_their_error_bound() -> None:
    """Every normal is within 5e-7 r of r cos or r sin, for a million words and the extreme ones; the sines, which
    are not cut off at quarter turns, within 6e-7 of themselves."""
    random = np.random.default_rng(SEED).integers(0, 2**32, (2, 1 << 20), np.uint32)
    words = np.hstack([random, np.array(np.meshgrid(EDGE_WORDS, EDGE_WORDS)).reshape(2, -1).astype(np.uint32)])
    z = np.empty((4, words.shape[1]), np.float32)
    box_muller(np.vstack([words, words]).view(np.int32), 0, z, 0, 1)
    box_muller(np.vstack([words, words]).view(np.int32), 2, z, 2, 3)
    u, cosine, sine = reference_draws(*words)
    r = np.sqrt(-2 * np.where(u > 0.5, np.log1p(u - 1), np.log(u)))
    assert np.abs(z[0] / r - cosine).max() < 5e-7
    assert np.abs(z[1] / r - sine).max() < 5e-7
    assert np.abs(z[1] / (r * sine) - 1).max() < 6e-7
    assert np.array_equal(z[:2], z[2:])
    assert np.abs(z).max() <= 6.77


@pytest.mark.parametrize("nu", [0.5, 1.0, 2.0, 3.0, 30.0, 1e6])
def test_student_t_keeps_its_error_bound(nu: float) -> None:
    """T is Bailey's formula to 2e-15 + 1e-14/nu (relative) for U and V up to their extremes."""
    words = np.array(np.meshgrid(EDGE_WORDS, EDGE_WORDS)).reshape(2, -1).astype(np.uint32)
    words = np.hstack([words, np.random.default_rng(SEED).integers(0, 2**32, (2, 300), np.uint32)])
    t = np.empty(words.shape[1])
    bailey(t, *words.view(np.int32), nu)
    with mp.workdps(40):
        for value, word, turn in zip(t, *words.tolist(), strict=True):
            u = mp.mpf(2 * word + 1) / 2**33
            cosine = mp.cospi(2 * mp.mpf(2 * turn + 1) / 2**33)
            exact = mp.sqrt(nu * mp.expm1(-2 * mp.log(u) / nu)) * cosine
            assert abs(value / exact - 1) < 2e-15 + 1e-14 / nu


def test_moments(sample: np.ndarray) -> None:
    """Moments 1 to 6 of four million normals lie within their standard errors times SIGMAS."""
    z = sample.ravel()
    power = np.ones_like(z)
    for k in range(1, 7):
        power *= z
        expected = 0.0 if k % 2 else math.prod(range(1, k, 2))
        variance = math.prod(range(1, 2 * k, 2)) - expected**2
        assert abs(power.mean() - expected) < SIGMAS * math.sqrt(variance / z.size), k


def test_normal_law(sample: np.ndarray) -> None:
    """Kolmogorov-Smirnov distance of four million normals, and of the sines and cosines of `fill_pairs`."""
    for z in (sample, *filled_pairs(1000, 1000, 0, 0, 1)):
        assert stats.kstest(z.ravel(), "norm").pvalue > FALSE_ALARM


def assert_uncorrelated(a: np.ndarray, b: np.ndarray, label: object) -> None:
    """a, b and their squares; the draws' standard error is 1/sqrt(n), that of the squares 2/sqrt(n)."""
    limit = SIGMAS / math.sqrt(a.size)
    assert abs((a * b).mean()) < limit, label
    assert abs(((a**2 - 1) * (b**2 - 1)).mean()) < 2 * limit, label


def test_independence(sample: np.ndarray) -> None:
    """No correlation of draws or squares along a path, between paths, streams, seeds, or within a pair."""
    for lag in (1, 2, 3, 4, 8, 256):
        assert_uncorrelated(sample[lag:], sample[:-lag], ("number", lag))
        assert_uncorrelated(sample[:, lag:], sample[:, :-lag], ("path", lag))
    small = sample[:500]
    assert_uncorrelated(small, filled_normals(PATHS, 500, 0, 0, 1), "stream")
    assert_uncorrelated(small, filled_normals(PATHS, 500, 0, 0, 0, SEED + 1), "seed")
    assert_uncorrelated(*filled_pairs(PATHS, 500, 0, 0, 1), "pair")


@pytest.mark.parametrize("nu", [1.0, 2.0, 3.0, 2.5])
def test_student_t_law(nu: float) -> None:
    """Kolmogorov-Smirnov distance of 400 000 variates from scipy's distribution."""
    t = filled_student(nu, 400, 1000, 0, 0).ravel()
    assert stats.kstest(t, stats.t(nu).cdf).pvalue > FALSE_ALARM


def test_student_t_is_coupled_with_the_pairs() -> None:
    """Same U and V as z1: its sign, |T| = sqrt(nu expm1(r^2/nu)) |cos|, and T -> z1 for large nu, to the error of z1,
    which is in units of r."""
    z1, z2 = filled_pairs(64, 1000, 0, 0)
    squared = z1**2 + z2**2
    for nu in (0.5, 2.0, 30.0):
        t = filled_student(nu, 64, 1000, 0, 0)
        assert np.array_equal(np.sign(t), np.sign(z1))
        own = t / np.sqrt(nu * np.expm1(squared / nu))
        assert np.abs(own - z1 / np.sqrt(squared)).max() < 1e-6 * (1 + 50 / nu)
    assert (np.abs(filled_student(1e12, 64, 1000, 0, 0) - z1) / np.sqrt(squared)).max() < 6e-7


ROW, WORD_ROW = types.Array(float64, 1, "C"), types.Array(int32, 1, "C")


def llvm(function: Any, signature: tuple[Any, ...]) -> str:
    """The optimised LLVM text of a kernel, without the wrapper that unpacks Python's arguments."""
    fresh = njit(error_model="numpy", nogil=True)(function.py_func)
    fresh.compile(signature)
    text = str(fresh.inspect_llvm(signature))
    bodies = re.findall(r"^define [^\n]*\{\n.*?^\}", text, re.MULTILINE | re.DOTALL)
    return "\n".join(body for body in bodies if "cpython" not in body.split("\n")[0])


def test_float32_stage_has_no_double() -> None:
    """No untyped constant promotes the float32 stage: its LLVM text names no double at all."""
    text = llvm(box_muller, box_muller.nopython_signatures[0].args)
    assert "float" in text
    assert "double" not in text


@pytest.mark.parametrize(
    ("function", "signature", "marks"),
    [
        (pairs_of_paths, pairs_of_paths.nopython_signatures[0].args, [r"mul [a-z ]*<VECTOR x i64>"]),
        (pairs_of_words, pairs_of_words.nopython_signatures[0].args, [r"mul [a-z ]*<VECTOR x i64>"]),
        (
            box_muller,
            box_muller.nopython_signatures[0].args,
            [r"fdiv <VECTOR x float>", r"call <VECTOR x float> @llvm\.sqrt\."],
        ),
        (
            bailey,
            (ROW, WORD_ROW, WORD_ROW, float64),
            [
                r"fdiv <VECTOR x double>",
                r"<VECTOR x double> @llvm\.sqrt\.",
                r"<VECTOR x double> @llvm\.fabs\.",
            ],
        ),
    ],
)
def test_loops_over_lanes_vectorise(function: Any, signature: tuple[Any, ...], marks: list[str]) -> None:
    """An operation of each loop over lanes works on vectors, which a call to the C library would prevent."""
    text = llvm(function, signature)
    for mark in marks:
        assert re.search(mark.replace("VECTOR", r"(vscale x )?\d+"), text), mark


def test_tables_are_typed() -> None:
    """The float32 tables hold float32 numbers (a Python float among them would widen the whole stage)."""
    assert {type(c) for c in normals.RADIUS32_P + normals.SINE32_P + normals.COSINE32_P} == {np.float32}
