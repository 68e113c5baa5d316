"""Special functions: stated error bounds against mpmath and scipy, limits, and where the tables come from."""

from __future__ import annotations

import math
import re
import runpy
from collections.abc import Callable
from pathlib import Path
from typing import Any

import mpmath as mp
import numpy as np
import pytest
import scipy.special
from numba import njit

from adasde.kernels import elementary, normals, normals64, special, trigonometric
from adasde.kernels.cuda.device import draws
from adasde.kernels.special import (
    atan,
    cos,
    empirical_sign,
    erf,
    erfc,
    exp,
    expm1,
    gamma_step,
    log,
    log1p,
    log_tail,
    normal_tail,
    power,
    sigmoid,
    sign,
    sin,
    student_t_sign,
    tanh,
    whole_power,
)
from adasde.kernels.student_t import student_t_data
from adasde.noise import empirical

NUS = [1e-3, 0.05, 0.3, 0.5, 1.0, 1.5, 2.0, 2.5, 3.0, 4.0, 5.0, 7.3, 30.0, 100.0, 343.7, 1e3, 1e4, 1e6, 1e12, 1e300]
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
def from_table(y: np.ndarray, p: np.ndarray) -> np.ndarray:
    g = np.empty_like(y)
    for j in range(y.size):
        g[j] = student_t_sign(y[j], p, 1)
    return g


def student_over_lanes(y: np.ndarray, nu: float) -> np.ndarray:
    """2 F(y) - 1, with the table of nu behind another number."""
    result: np.ndarray = from_table(y, np.r_[math.nan, student_t_data(nu)])
    return result


FUNCTIONS = (atan, cos, erf, erfc, exp, expm1, log, log1p, log_tail, normal_tail, sigmoid, sign, sin, tanh)
LOOPS = {function: over_lanes(function) for function in (*FUNCTIONS, gamma_step)}
TINY, SMALLEST = 2.0**-1022, 5e-324
MAGNITUDES = np.r_[10 ** random.uniform(-323.3, 308.2, 400), SMALLEST, TINY, np.nextafter(TINY, 0), 1.7e308]
SIGNED = np.r_[MAGNITUDES, -MAGNITUDES]
NEAR_TURNS = np.array([float(k * mp.pi / 2) for k in [*range(-30, 31), 4567, 98765, 667000]])
ANGLES = np.r_[random.uniform(-1e5, 1e5, 800), random.uniform(-(2.0**20), 2.0**20, 500), NEAR_TURNS, 2.0**20]
CASES = {
    "log": (log, mp.log, np.r_[random.uniform(0.5, 2, 999), MAGNITUDES], 2e-16),
    "log next to 1": (log, mp.log, 1 - random.integers(1, 1 << 20, 999) * 2.0**-33, 2e-16),
    "log1p": (log1p, mp.log1p, np.r_[SIGNED[SIGNED > -1], random.uniform(-1, 1, 500), np.nextafter(-1, 0)], 6e-16),
    "exp": (exp, mp.exp, np.r_[random.uniform(-745.1, 709.7, 800), random.uniform(-1, 1, 999), -708.39], 4e-16),
    "expm1": (expm1, mp.expm1, np.r_[SIGNED[np.abs(SIGNED) < 709], random.uniform(-40, 709.7, 800)], 5e-16),
    "expm1 of small": (expm1, mp.expm1, random.uniform(-2, 2, 800), 5e-16),
    "gamma_step": (
        gamma_step,
        lambda b: mp.gammaprod([b + 0.5], [b]),
        np.r_[10 ** random.uniform(-300, 8, 300), 0.5],
        1e-14,
    ),
    "tanh": (tanh, mp.tanh, np.r_[SIGNED, random.uniform(-25, 25, 500), random.uniform(-1, 1, 999)], 1e-15),
    "sigmoid": (sigmoid, mp.sigmoid, np.r_[SIGNED[np.abs(SIGNED) < 745], random.uniform(-745, 745, 500)], 1e-15),
    "sin": (sin, mp.sin, np.r_[ANGLES, SIGNED[np.abs(SIGNED) <= 2.0**20]], 4e-16),
    "cos": (cos, mp.cos, np.r_[ANGLES, SIGNED[np.abs(SIGNED) <= 2.0**20]], 4e-16),
    "erfc": (erfc, mp.erfc, np.r_[random.uniform(-7, 27.3, 500), SIGNED[np.abs(SIGNED) < 27]], 3e-15),
}


@pytest.mark.parametrize("case", CASES)
def test_relative_error(case: str) -> None:
    """The relative error stays below the docstring's bound over the whole range; subnormal results are off by at most
    one of their units."""
    function, exact, x, bound = CASES[case]
    mp.mp.sigmoid = lambda t: 1 / (1 + mp.exp(-t))
    with mp.workdps(40):
        for argument, value in zip(x.tolist(), LOOPS[function](x).tolist(), strict=True):
            answer = exact(mp.mpf(argument))
            assert abs(value - answer) <= max(bound * abs(answer), SMALLEST if abs(answer) < TINY else 0), argument


LIMITS_OF = {
    log: [(0.0, -math.inf), (-0.0, -math.inf), (math.inf, math.inf), (-1.0, math.nan), (-math.inf, math.nan)],
    log1p: [(-1.0, -math.inf), (math.inf, math.inf), (-1.1, math.nan), (-math.inf, math.nan), (0.0, 0.0)],
    exp: [(709.9, math.inf), (1e9, math.inf), (math.inf, math.inf), (-745.2, 0.0), (-math.inf, 0.0), (-0.0, 1.0)],
    expm1: [(709.9, math.inf), (math.inf, math.inf), (-38.0, -1.0), (-1e300, -1.0), (-math.inf, -1.0), (0.0, 0.0)],
    tanh: [(math.inf, 1.0), (-math.inf, -1.0), (0.0, 0.0), (-0.0, 0.0), (300.0, 1.0)],
    sigmoid: [(math.inf, 1.0), (-math.inf, 0.0), (0.0, 0.5), (-0.0, 0.5), (-746.0, 0.0), (800.0, 1.0)],
    sin: [(0.0, 0.0), (math.inf, math.nan), (-math.inf, math.nan), (2.0**20 + 1, math.nan), (-1e9, math.nan)],
    cos: [(0.0, 1.0), (math.inf, math.nan), (-math.inf, math.nan), (2.0**20 + 1, math.nan), (-1e9, math.nan)],
    erfc: [(math.inf, 0.0), (-math.inf, 2.0), (0.0, 1.0), (-0.0, 1.0), (27.3, 0.0), (-30.0, 2.0), (1e300, 0.0)],
}


@pytest.mark.parametrize("function", LIMITS_OF, ids=lambda function: function.py_func.__name__)
def test_limits(function: Any) -> None:
    """Infinities, zeros of both signs, the ends of the domain and beyond give what the docstring says; NaN stays."""
    x, y = np.array([*LIMITS_OF[function], (math.nan, math.nan)]).T
    np.testing.assert_array_equal(LOOPS[function](np.ascontiguousarray(x)), y)


def test_odd_functions_are_odd() -> None:
    """To the last bit, so that mirrored problems have mirrored paths."""
    for function, x in ((sin, ANGLES), (tanh, SIGNED)):
        np.testing.assert_array_equal(LOOPS[function](-x), -LOOPS[function](x))


def test_power() -> None:
    """Relative error below (2 + |y ln x|) 3e-16, and the limits of the docstring."""

    @njit(error_model="numpy")
    def loop(x: np.ndarray, y: np.ndarray) -> np.ndarray:
        z = np.empty_like(x)
        for j in range(x.size):
            z[j] = power(x[j], y[j])
        return z

    x, y = 10 ** random.uniform(-300, 300, 500), random.uniform(-2, 2, 500)
    with mp.workdps(30):
        for a, b, value in zip(x.tolist(), y.tolist(), loop(x, y).tolist(), strict=True):
            answer = mp.mpf(a) ** b
            if TINY < answer < mp.mpf(2) ** 1023:
                assert abs(value / answer - 1) < (2 + abs(b * math.log(a))) * 3e-16, (a, b)
    inf, nan = math.inf, math.nan
    x = np.array([0.0, 0.0, 0.0, 5.0, inf, inf, -2.0, -2.0, nan, 2.0, 1e300, 1e-300])
    y = np.array([0.5, 0.0, -0.5, 0.0, 2.0, -1.0, 2.0, 0.0, 1.0, nan, 2.0, 2.0])
    np.testing.assert_array_equal(loop(x, y), [0, 1, inf, 1, inf, 0, nan, nan, nan, nan, inf, 0])


def test_erf() -> None:
    """Absolute error below 7e-15, never beyond +-1, odd, and right at +-inf, NaN and 0."""
    x = np.r_[np.linspace(-7, 7, 200_001), 10 ** random.uniform(-300, 300, 999)]
    y = LOOPS[erf](x)
    assert np.abs(y - scipy.special.erf(x)).max() < 7e-15
    assert np.abs(y).max() == 1
    assert np.array_equal(LOOPS[erf](-x), -y)
    np.testing.assert_array_equal(LOOPS[erf](LIMITS), [1, -1, math.nan, 0])
    for point in np.linspace(0.01, 6, 50).tolist():
        assert abs(erf(point) - mp.erf(mp.mpf(point))) < 7e-15


def exact_tail(z: float) -> Any:
    return mp.erfc(mp.mpf(z) / mp.sqrt(2)) / 2


TAIL_POINTS = np.r_[random.uniform(-38, 38, 2000), random.uniform(-2, 2, 1000), 10 ** random.uniform(-12, 0, 300), 37.5]


def test_normal_tail() -> None:
    """Relative error of 1 - Phi below 2e-15 up to z = 37.5, one unit of the smallest number beyond, and the limits."""
    with mp.workdps(30):
        for z, value in zip(TAIL_POINTS.tolist(), LOOPS[normal_tail](TAIL_POINTS).tolist(), strict=True):
            assert abs(value - exact_tail(z)) <= (2e-15 * exact_tail(z) if z <= 37.5 else 5e-324), z
        for z in (38.0, 38.4, 38.6, 39.0):
            assert abs(mp.mpf(normal_tail(z)) - exact_tail(z)) <= 5e-324, z
    np.testing.assert_array_equal(LOOPS[normal_tail](LIMITS), [0, 1, math.nan, 0.5])


def test_log_tail() -> None:
    """Relative error of -ln(1 - Phi) below 2e-15 for -37.5 <= z <= 38, on both sides of 0."""
    points = TAIL_POINTS[TAIL_POINTS > -37.5]
    with mp.workdps(30):
        for z, value in zip(points.tolist(), LOOPS[log_tail](points).tolist(), strict=True):
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
    np.testing.assert_array_equal(LOOPS[sign](LIMITS), [1, -1, math.nan, 0])
    x = np.array([5e-324, -5e-324, -0.0, 2.5, -1e300])
    np.testing.assert_array_equal(LOOPS[sign](x), [1, -1, 0, 1, -1])


def test_atan() -> None:
    """Absolute error below 3e-15 everywhere, and right at the limits."""
    x = np.r_[np.linspace(-4, 4, 100_001), 10 ** random.uniform(-300, 300, 999)]
    assert np.abs(LOOPS[atan](x) - np.arctan(x)).max() < 3e-15
    np.testing.assert_array_equal(LOOPS[atan](LIMITS), [math.pi / 2, -math.pi / 2, math.nan, 0])


def incomplete_beta(y: np.ndarray, nu: float) -> np.ndarray:
    """2 F(y) - 1 for y >= 0 by scipy's incomplete beta function, from the side that does not cancel."""
    if nu == math.inf:
        return scipy.special.erf(y / math.sqrt(2))
    with np.errstate(over="ignore", invalid="ignore"):
        near, far = y**2 / (nu + y**2), nu / (nu + y**2)
    below = scipy.special.betainc(0.5, nu / 2, np.nan_to_num(near, nan=1.0))
    return np.where(far > 0.5, below, 1 - scipy.special.betainc(nu / 2, 0.5, far))


@pytest.mark.parametrize("nu", NUS)
def test_student_t_sign(nu: float) -> None:
    """Absolute error below 5e-15 against scipy, whose own is 1e-14, for y in +-[0, 1e300]; odd, bounded by 1, and
    right at +-inf, NaN and 0."""
    y = np.r_[0, 10 ** random.uniform(-300, 300, 2000), 10 ** random.uniform(-8, 8, 2000), random.uniform(0, 10, 2000)]
    g = student_over_lanes(y, nu)
    trusted = (y < 1e8) & (y > 1e-8) if nu < 1e15 else y > 1e-8
    exact = incomplete_beta(y, nu) if nu < 1e15 else scipy.special.erf(y / math.sqrt(2))
    assert np.abs(g - exact)[trusted].max() < 1e-14
    assert np.abs(g).max() <= 1 and (g >= 0).all()
    assert np.array_equal(student_over_lanes(-y, nu), -g)
    np.testing.assert_array_equal(student_over_lanes(LIMITS, nu), [1, -1, math.nan, 0])


@pytest.mark.parametrize("nu", [1e-3, 0.05, 0.3, 1.0, 2.0, 2.5, 3.0, 7.3, 30.0, 101.0, 1e3, 1e4])
def test_student_t_sign_in_many_digits(nu: float) -> None:
    """The bound of 5e-15 against mpmath, from the smallest y to the largest, and that of the relative error."""
    relative = 1e-13 if nu >= 0.05 else 1e-11
    y = np.r_[SMALLEST, TINY, 10 ** random.uniform(-300, 300, 30), 10 ** random.uniform(-3, 3, 60), 1.0, 1.7e308]
    with mp.workdps(40):
        for point, value in zip(y.tolist(), student_over_lanes(y, nu).tolist(), strict=True):
            square = mp.mpf(point) ** 2
            if square < nu:
                exact = mp.betainc(0.5, mp.mpf(nu) / 2, 0, square / (nu + square), regularized=True)
            else:
                exact = 1 - mp.betainc(mp.mpf(nu) / 2, 0.5, 0, nu / (nu + square), regularized=True)
            assert abs(value - exact) <= max(min(5e-15, relative * exact), 1e-300), point


def test_student_t_closed_forms() -> None:
    """nu = 1, 2, 3, the limit of large nu, and the neighbours of a nu."""
    y = np.linspace(0, 9, 91)
    t = y / math.sqrt(3)
    closed = {
        1.0: 2 / np.pi * np.arctan(y),
        2.0: y / np.sqrt(2 + y**2),
        3.0: 2 / np.pi * (np.arctan(t) + t / (1 + t**2)),
        math.inf: scipy.special.erf(y / math.sqrt(2)),
    }
    for nu, exact in closed.items():
        assert np.abs(student_over_lanes(y, min(nu, 1e16)) - exact).max() < 5e-15
    for nu in (0.7, 4.0, 57.0, 1e16):
        assert np.abs(student_over_lanes(y, nu) - student_over_lanes(y, nu * (1 + 1e-12))).max() < 1e-11


@pytest.mark.parametrize("n", [0, 1, 2, 3, 10, 1000, 65_537, 10**6])
@pytest.mark.parametrize("x", [0.9, 0.999, 0.99999, 1.0, 0.0])
def test_whole_power(x: float, n: int) -> None:
    """Within 2 n units of rounding, 0^0 = 1 included."""
    exact = mp.mpf(x) ** n
    assert abs(whole_power(x, n) - exact) <= 2 * n * 2.0**-53 * exact + SMALLEST


def test_functions_are_callable_from_python() -> None:
    """Floats and whole numbers from plain Python give what a compiled loop gives."""
    for function in (erf, sign, log, exp, sin, tanh):
        assert function(2) == function(2.0) == over_lanes(function)(np.array([2.0]))[0]
    p = student_t_data(2.0)
    assert student_t_sign(1, p, 0) == student_t_sign(1.0, p, 0) == student_over_lanes(np.array([1.0]), 2.0)[0]
    assert power(2, 3 / 2) == power(2.0, 1.5)


LIBRARY = {name for name in dir(math) if name.islower() and name not in ("e", "pi", "inf", "nan", "sqrt", "fabs")}


@pytest.mark.parametrize("function", [*LOOPS, student_t_sign], ids=lambda function: function.py_func.__name__)
def test_loops_vectorise(function: Any) -> None:
    """A loop over lanes is machine code of packed doubles, without a call of the C library."""
    loop: Any = from_table if function is student_t_sign else LOOPS[function]
    loop(np.ones(3), *([np.r_[0.0, student_t_data(2.5)]] if function is student_t_sign else []))
    (llvm,), (assembly,) = loop.inspect_llvm().values(), loop.inspect_asm().values()
    assert re.search(r"f(?:mul|cmp \w+) <\d+ x double>", llvm)
    assert "@llvm.masked." not in llvm  # AVX2 and SSE2 would not vectorise these
    assert re.search(r"\bv?(?:mul|and|or|blendv|cmp\w*|ternlog\w*)p[ds]\b|\bvp?(?:ternlog|blend|and)\w*\b", assembly)
    assert not LIBRARY & set(re.findall(r"\w+", assembly))


def test_the_library_is_seen_where_it_is_called() -> None:
    """The check above fails for the functions of `math`."""
    loop: Any = over_lanes(njit(lambda x: math.exp(x) * math.tanh(x)))
    loop(np.ones(3))
    assert LIBRARY & set(re.findall(r"\w+", "".join(loop.inspect_asm().values()))) == {"exp", "tanh"}


def test_tables_come_from_the_fit() -> None:
    """The script that is named as the tables' origin gives their very digits."""
    tables = runpy.run_path(str(Path(__file__).with_name("fit_erf.py")))["tables"]()
    for name, (p, q, _) in tables.items():
        number = np.float32 if name.endswith("32") else float
        module = next(
            module
            for module in (elementary, trigonometric, special, normals, normals64, draws)
            if hasattr(module, f"{name}_P")
        )
        assert getattr(module, f"{name}_P") == tuple(number(float(c)) for c in p), name
        if len(q) > 1:
            assert getattr(module, f"{name}_Q") == tuple(number(float(c)) for c in q), name
