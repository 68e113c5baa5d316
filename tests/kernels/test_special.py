"""Special functions: stated error bounds against mpmath and scipy, limits, and where the tables come from."""

from __future__ import annotations

import math
import runpy
from collections.abc import Callable
from pathlib import Path
from typing import Any

import mpmath as mp
import numpy as np
import pytest
import scipy.special
from numba import njit

from adasde.kernels import elementary, normals, special
from adasde.kernels.special import (
    atan,
    empirical_sign,
    erf,
    exp,
    expm1,
    log,
    log1p,
    log_tail,
    normal_tail,
    sign,
    student_t_sign,
)
from adasde.noise import empirical

NUS = [0.3, 0.5, 1.0, 1.5, 2.0, 2.5, 3.0, 4.0, 5.0, 7.3, 30.0, 100.0, 1e3, 1e6, math.inf]
LIMITS = np.array([math.inf, -math.inf, math.nan, 0.0])
random = np.random.default_rng(5)


def over_lanes(function: Any) -> Callable[[np.ndarray], np.ndarray]:
    """The function in a compiled loop, as kernels use it."""

    @njit(error_model="numpy")
    def loop(x: np.ndarray) -> np.ndarray:
        y = np.empty_like(x)
        for j in range(x.size):
            y[j] = function(x[j])
        return y

    compiled: Callable[[np.ndarray], np.ndarray] = loop
    return compiled


@njit(error_model="numpy")  # type: ignore[untyped-decorator]
def student_over_lanes(y: np.ndarray, nu: float) -> np.ndarray:
    g = np.empty_like(y)
    for j in range(y.size):
        g[j] = student_t_sign(y[j], nu)
    return g


@pytest.mark.parametrize(
    ("function", "exact", "x", "bound"),
    [
        (log, mp.log, np.r_[random.uniform(0.5, 2, 999), 10 ** random.uniform(-300, 300, 999)], 2e-16),
        (log, mp.log, 1 - random.integers(1, 1 << 20, 999) * 2.0**-33, 2e-16),
        (log1p, mp.log1p, 10 ** random.uniform(-12, 10, 999), 4e-16),
        (exp, mp.exp, np.r_[random.uniform(-700, 709, 999), random.uniform(-1, 1, 999)], 4e-16),
        (expm1, mp.expm1, np.r_[random.uniform(-0.34, 2, 999), 10 ** random.uniform(-12, 2.85, 999)], 5e-16),
    ],
)
def test_elementary_functions(function: Any, exact: Any, x: np.ndarray, bound: float) -> None:
    """Relative errors of log, log1p, exp and expm1 stay below their docstrings' bounds."""
    with mp.workdps(30):
        for argument, value in zip(x.tolist(), over_lanes(function)(x).tolist(), strict=True):
            assert abs(value / exact(mp.mpf(argument)) - 1) < bound, argument


def test_exponentials_saturate() -> None:
    """Overflow gives inf rather than wrapped bits, and NaN goes through."""
    x = np.array([709.7, 709.9, 1e9, math.inf])
    for function in (exp, expm1):
        y = over_lanes(function)(x)
        assert np.isfinite(y[0])
        assert (y[1:] == math.inf).all()
        assert math.isnan(function(math.nan))
    assert 0 <= exp(-math.inf) < 1e-306


def test_erf() -> None:
    """Absolute error below 7e-15, never beyond +-1, odd, and right at +-inf, NaN and 0."""
    x = np.r_[np.linspace(-7, 7, 200_001), 10 ** random.uniform(-300, 300, 999)]
    y = over_lanes(erf)(x)
    assert np.abs(y - scipy.special.erf(x)).max() < 7e-15
    assert np.abs(y).max() == 1
    assert np.array_equal(over_lanes(erf)(-x), -y)
    np.testing.assert_array_equal(over_lanes(erf)(LIMITS), [1, -1, math.nan, 0])
    for point in np.linspace(0.01, 6, 50).tolist():
        assert abs(erf(point) - mp.erf(mp.mpf(point))) < 7e-15


def exact_tail(z: float) -> Any:
    return mp.erfc(mp.mpf(z) / mp.sqrt(2)) / 2


TAIL_POINTS = np.r_[random.uniform(-38, 38, 2000), random.uniform(-2, 2, 1000), 10 ** random.uniform(-12, 0, 300), 37.5]


def test_normal_tail() -> None:
    """Relative error of 1 - Phi below 2e-15 up to z = 37.5, one unit of the smallest number beyond, and the limits."""
    with mp.workdps(30):
        for z, value in zip(TAIL_POINTS.tolist(), over_lanes(normal_tail)(TAIL_POINTS).tolist(), strict=True):
            assert abs(value - exact_tail(z)) <= (2e-15 * exact_tail(z) if z <= 37.5 else 5e-324), z
        for z in (38.0, 38.4, 38.6, 39.0):
            assert abs(mp.mpf(normal_tail(z)) - exact_tail(z)) <= 5e-324, z
    np.testing.assert_array_equal(over_lanes(normal_tail)(LIMITS), [0, 1, math.nan, 0.5])


def test_log_tail() -> None:
    """Relative error of -ln(1 - Phi) below 2e-15 for -37.5 <= z <= 38, on both sides of 0."""
    points = TAIL_POINTS[TAIL_POINTS > -37.5]
    with mp.workdps(30):
        for z, value in zip(points.tolist(), over_lanes(log_tail)(points).tolist(), strict=True):
            exact = -mp.log(exact_tail(z)) if z > 0 else -mp.log1p(-exact_tail(-z))
            assert abs(value / exact - 1) < 2e-15, z
    assert math.isnan(log_tail(math.nan)) and log_tail(-math.inf) == 0


@pytest.mark.parametrize("n", [2, 3, 64, 1000])
@pytest.mark.parametrize("r", [0, 1, 2])
def test_empirical_sign(n: int, r: int) -> None:
    """E[Z^r sign(Z + c)] within 1e-15 (1 + E|Z|^r) of the plain sum: between the values, on them, and far outside."""
    noise = empirical(np.random.default_rng(n).gamma(1.0, size=n), np.arange(n) % 7 + 1)
    data = noise.law_data
    z = data[5 : 5 + n]
    w = np.diff(data[5 + n : 6 + 2 * n])
    p = np.r_[0.5, 7.0, data]
    for c in np.r_[-z, -z[:-1] / 2 - z[1:] / 2, 0.0, 1e9, -1e9, math.inf, -math.inf]:
        exact = math.fsum(w * z**r * np.sign(z + c))
        assert abs(empirical_sign(c, r, p, 2) - exact) < 1e-15 * (1 + (w * np.abs(z) ** r).sum()), c
    assert math.isnan(empirical_sign(math.nan, r, p, 2))


def test_sign() -> None:
    """-1, 0, 1 with sign(0) = 0 and NaN kept, down to the smallest numbers."""
    np.testing.assert_array_equal(over_lanes(sign)(LIMITS), [1, -1, math.nan, 0])
    x = np.array([5e-324, -5e-324, -0.0, 2.5, -1e300])
    np.testing.assert_array_equal(over_lanes(sign)(x), [1, -1, 0, 1, -1])


def test_atan() -> None:
    """Absolute error below 3e-15 everywhere, and right at the limits."""
    x = np.r_[np.linspace(-4, 4, 100_001), 10 ** random.uniform(-300, 300, 999)]
    assert np.abs(over_lanes(atan)(x) - np.arctan(x)).max() < 3e-15
    np.testing.assert_array_equal(over_lanes(atan)(LIMITS), [math.pi / 2, -math.pi / 2, math.nan, 0])


def incomplete_beta(y: np.ndarray, nu: float) -> np.ndarray:
    """2 F(y) - 1 for y >= 0 by scipy's incomplete beta function, from the side that does not cancel."""
    if nu == math.inf:
        return scipy.special.erf(y / math.sqrt(2))
    with np.errstate(over="ignore"):
        near, far = y**2 / (nu + y**2), nu / (nu + y**2)
    below = scipy.special.betainc(0.5, nu / 2, np.nan_to_num(near, nan=1.0))
    return np.where(far > 0.5, below, 1 - scipy.special.betainc(nu / 2, 0.5, far))


@pytest.mark.parametrize("nu", NUS)
def test_student_t_sign(nu: float) -> None:
    """Absolute error below 3e-14 for y in +-[0, 1e8], odd, bounded by 1, and right at +-inf, NaN and 0."""
    y = np.r_[0, 10 ** random.uniform(-8, 8, 2000), random.uniform(0, 10, 2000)]
    g = student_over_lanes(y, nu)
    assert np.abs(g - incomplete_beta(y, nu)).max() < 3e-14
    assert np.abs(g).max() <= 1
    assert np.array_equal(student_over_lanes(-y, nu), -g)
    np.testing.assert_array_equal(student_over_lanes(LIMITS, nu), [1, -1, math.nan, 0])
    assert abs(student_over_lanes(np.array([1e300]), nu)[0] - 1) < 1e-14


@pytest.mark.parametrize("nu", [0.3, 1.0, 2.0, 2.5, 3.0, 5.0, 7.3, 30.0, 101.0])
def test_student_t_sign_in_many_digits(nu: float) -> None:
    """The same bound against mpmath, whose code has nothing in common with scipy's."""
    with mp.workdps(40):
        for y in (1e-8, 1e-3, 0.3, 1.0, 1.7, 2.9, 5.5, 9.0, 40.0, 1e4, 1e8):
            x = mp.mpf(nu) / (nu + mp.mpf(y) ** 2)
            exact = 1 - mp.betainc(mp.mpf(nu) / 2, 0.5, 0, x, regularized=True)
            assert abs(student_t_sign(y, nu) - exact) < 3e-14, y


def test_student_t_sign_far_from_the_grid() -> None:
    """Tiny and huge nu reach their limits, whole nu meet their neighbours, and nu <= 0 or NaN gives NaN."""
    y = np.linspace(0, 9, 91)
    assert np.abs(student_over_lanes(y, 1e15) - scipy.special.erf(y / math.sqrt(2))).max() < 3e-14
    with mp.workdps(30):
        outside = mp.betainc(mp.mpf(0.0005), 0.5, 0, mp.mpf(0.001) / mp.mpf(1e300) ** 2, regularized=True)
        assert abs(student_t_sign(1e300, 0.001) - (1 - outside)) < 3e-14
    assert student_t_sign(math.inf, 0.001) == 1
    for nu in (1.0, 2.0, 3.0, 4.0, 57.0, 100.0):
        assert np.abs(student_over_lanes(y, nu) - student_over_lanes(y, nu * (1 + 1e-12))).max() < 1e-11
    for nu in (0.0, -1.0, math.nan, -math.inf):
        assert math.isnan(student_t_sign(0.5, nu))


def test_functions_are_callable_from_python() -> None:
    """Floats and whole numbers from plain Python give what a compiled loop gives."""
    for function in (erf, sign, log, exp):
        assert function(2) == function(2.0) == over_lanes(function)(np.array([2.0]))[0]
    assert student_t_sign(1, 2) == student_t_sign(1.0, 2.0) == student_over_lanes(np.array([1.0]), 2.0)[0]


def test_tables_come_from_the_fit() -> None:
    """The script that is named as the tables' origin gives their very digits."""
    tables = runpy.run_path(str(Path(__file__).with_name("fit_erf.py")))["tables"]()
    for name, (p, q, _) in tables.items():
        number = np.float32 if name.endswith("32") else float
        module = next(module for module in (elementary, special, normals) if hasattr(module, f"{name}_P"))
        assert getattr(module, f"{name}_P") == tuple(number(float(c)) for c in p), name
        if len(q) > 1:
            assert getattr(module, f"{name}_Q") == tuple(float(c) for c in q), name
