"""Noise of every law: its distribution, its coupling with the model's first motion, and blocks.

One fixed seed, so every check passes or fails for good; FALSE_ALARM is the chance with which each statistical
comparison would fail for perfect draws and a random seed. There are fewer than 60.
"""

from __future__ import annotations

import math
import re
import subprocess
import sys
from typing import Any

import mpmath as mp
import numpy as np
import pytest
from numba import float64, njit
from numpy.typing import NDArray
from scipy import stats

from adasde.kernels import laws
from adasde.kernels.draws import draw_functions
from adasde.kernels.lanes import LANES, LAW_CODES
from adasde.noise import Noise, empirical, exponential, laplace, mixture, rademacher, two_point
from adasde.simulation import simulate

Array = NDArray[np.float64]

SEED = 20240607
FALSE_ALARM = 1e-6
SIGMAS = float(stats.norm.isf(FALSE_ALARM / 2))
VALUES = np.random.default_rng(3).gamma(1.5, size=37).round(2)
MIXTURE = mixture([1, 2, 1], [-2, 0, 3], [0.5, 1, 0.2], 1)
EMPIRICAL = empirical(VALUES, np.arange(37) % 5 + 1)
CONTINUOUS: dict[str, tuple[Noise, Any]] = {
    "laplace": (laplace(1), stats.laplace(scale=math.sqrt(0.5)).cdf),
    "exponential": (exponential(1), stats.expon(loc=-1).cdf),
    "mixture": (MIXTURE, lambda z: mixture_cdf(MIXTURE, z)),
}
DISCRETE: dict[str, tuple[Noise, dict[float, float]]] = {
    "rademacher": (rademacher(1), {-1.0: 0.5, 1.0: 0.5}),
    "two-point": (two_point(0.1, 1), {-1 / 3: 0.9, 3.0: 0.1}),
    "rare": (two_point(0.998, 1), {math.sqrt(0.002 / 0.998): 0.998, -math.sqrt(0.998 / 0.002): 0.002}),
}
NOISES = {name: noise for name, (noise, _) in (CONTINUOUS | DISCRETE).items()} | {"empirical": EMPIRICAL}


def mixture_cdf(noise: Noise, z: Array) -> Array:
    """From the numbers that were given: the distribution of X = mean + deviation Z."""
    w, m, d = (np.array(part) for part in np.split(np.array(noise.parameters), 3))
    w = w / w.sum()
    mean = w @ m
    x = mean + math.sqrt(w @ (d**2 + m**2) - mean**2) * z
    result: Array = sum(a * stats.norm.cdf(x, b, c) for a, b, c in zip(w, m, d, strict=True))
    return result


def draws(noise: Noise, lanes: int, steps: int = 8, d: int = 2, path: int = 0, algorithm: bool = True) -> Array:
    """The driver's draws (steps, d, lanes) of the optimizer, or of the model's two motions (2 steps, d, lanes)."""
    z = np.empty((steps if algorithm else 2 * steps, d, lanes))
    plan = (0, 9, 1, 2, 1, LAW_CODES[noise.law], SEED)
    draw_functions(noise.law)[0](z, d, 0, path, algorithm, plan, noise.law_data)
    return z


@pytest.fixture(scope="module")
def samples() -> dict[str, Array]:
    """320 000 draws of each law."""
    return {name: draws(noise, 20_000) for name, noise in NOISES.items()}


@pytest.mark.parametrize("name", CONTINUOUS)
def test_continuous_laws(name: str, samples: dict[str, Array]) -> None:
    """Kolmogorov-Smirnov distance from the exact distribution function."""
    assert stats.kstest(samples[name].ravel(), CONTINUOUS[name][1]).pvalue > FALSE_ALARM


def chi_square(sample: Array, law: dict[float, float]) -> float:
    """p-value of the counts of the atoms; a value that is none of them gives 0."""
    places, probabilities = np.array(sorted(law)), np.array([law[z] for z in sorted(law)])
    nearest = np.abs(sample.ravel()[:, None] - places).argmin(axis=1)
    if np.abs(sample.ravel() - places[nearest]).max() > 1e-12:
        return 0.0
    counts = np.bincount(nearest, minlength=len(places))
    return float(stats.chisquare(counts, probabilities * sample.size).pvalue)


@pytest.mark.parametrize("name", DISCRETE)
def test_discrete_laws(name: str, samples: dict[str, Array]) -> None:
    """Chi-square of the counts of each atom."""
    assert chi_square(samples[name], DISCRETE[name][1]) > FALSE_ALARM


def weighted_values() -> dict[float, float]:
    """Atoms of `EMPIRICAL`, one by one from the values and weights that were given."""
    weights = (np.arange(37) % 5 + 1) / sum(i % 5 + 1 for i in range(37))
    mean = sum(weights * VALUES)
    deviation = math.sqrt(sum(weights * (VALUES - mean) ** 2))
    law: dict[float, float] = {}
    for value, weight in zip(VALUES, weights, strict=True):
        z = float((value - mean) / deviation)
        law[z] = law.get(z, 0.0) + float(weight)
    return law


def test_the_empirical_law(samples: dict[str, Array]) -> None:
    """Chi-square of the counts of 37 weighted values; the scale defaults to their standard deviation."""
    assert chi_square(samples["empirical"], weighted_values()) > FALSE_ALARM
    weights = np.arange(37) % 5 + 1
    mean = np.average(VALUES, weights=weights)
    assert EMPIRICAL.scale is not None
    np.testing.assert_allclose(EMPIRICAL.scale[0] ** 2, np.average((VALUES - mean) ** 2, weights=weights), rtol=1e-14)


def raw_moment(name: str, k: int) -> float:
    """E Z^k: exponentials by the incomplete gamma function, the rest from their components or atoms."""
    if name == "laplace":
        return 0.0 if k % 2 else math.factorial(k) * 0.5 ** (k / 2)
    if name == "exponential":
        return float(sum(math.comb(k, i) * math.factorial(i) * (-1) ** (k - i) for i in range(k + 1)))
    if name == "mixture":
        w, m, d = np.split(MIXTURE.law_data, 3)
        return float(sum(a * stats.norm(b, c).moment(k) if k else a for a, b, c in zip(w, m, d, strict=True)))
    law = weighted_values() if name == "empirical" else DISCRETE[name][1]
    return float(sum(p * z**k for z, p in law.items()))


@pytest.mark.parametrize("name", NOISES)
def test_moments(name: str, samples: dict[str, Array]) -> None:
    """Mean 0 and variance 1 exactly, and the sample's moments 1 to 4 within SIGMAS standard errors."""
    assert abs(raw_moment(name, 1)) < 1e-13 and abs(raw_moment(name, 2) - 1) < 1e-13
    z = samples[name].ravel()
    for k in range(1, 5):
        exact = raw_moment(name, k)
        error = math.sqrt(max(raw_moment(name, 2 * k) - exact**2, 0.0) / z.size)
        assert abs((z**k).mean() - exact) < SIGMAS * error + 1e-12, k


@pytest.mark.parametrize("name", NOISES)
def test_blocks_do_not_matter(name: str) -> None:
    """Chunks of four steps and any cut into lanes give the same bytes as eight steps of sixteen lanes."""
    noise = NOISES[name]
    whole = draws(noise, 16, 8, 3, 100)
    halves = np.empty((2, 4, 3, 16))
    plan = (0, 9, 1, 2, 1, LAW_CODES[noise.law], SEED)
    for half in range(2):
        draw_functions(noise.law)[0](halves[half], 3, half, 100, True, plan, noise.law_data)
    assert halves.tobytes() == whole.tobytes()
    for first, lanes in ((0, 1), (3, 5), (9, 7)):
        part = draws(noise, lanes, 8, 3, 100 + first)
        assert part.tobytes() == whole[:, :, first : first + lanes].tobytes()
    assert len(np.unique(draws(noise, 20_000, 8, 3).reshape(24, -1), axis=0)) == 24


@pytest.mark.parametrize("name", NOISES)
def test_the_noise_follows_the_first_motion(name: str, samples: dict[str, Array]) -> None:
    """The model's motions are those of Gaussian noise, byte for byte; Z is a monotone map of the first (a mixture
    increases within a component) and independent of the second."""
    model = draws(NOISES[name], 20_000, algorithm=False)
    assert model.tobytes() == draws(Noise("gaussian", (1.0,)), 20_000, algorithm=False).tobytes()
    first, second, z = model[0::2].ravel(), model[1::2].ravel(), samples[name].ravel()
    if name == "mixture":
        assert np.corrcoef(first, z)[0, 1] > 0.3
    else:
        assert (np.diff(z[np.argsort(first)]) >= 0).all()
    assert abs((second * z).mean()) < SIGMAS / math.sqrt(z.size)


def test_maps_are_exact() -> None:
    """Laplace and exponential against F^-1(Phi(z)) in many digits: absolute error below 2e-15 (1 + |Z|) for
    |z| <= 7, which is as far as normals go."""
    grid = np.r_[np.linspace(-7, 7, 201), 1e-9, -1e-12]
    found = [grid.reshape(1, -1).copy() for _ in range(2)]
    laws.to_laplace(found[0])
    laws.to_exponential(found[1])
    with mp.workdps(40):
        for i, z in enumerate(grid.tolist()):
            tail = mp.erfc(mp.mpf(z) / mp.sqrt(2)) / 2
            side = mp.log(2 * min(tail, 1 - tail)) / mp.sqrt(2)
            exact = (side if z < 0 else -side, -mp.log(tail) - 1)
            for k in range(2):
                assert abs(found[k][0, i] - exact[k]) < 2e-15 * (1 + abs(exact[k])), (k, z)


@pytest.mark.parametrize("function", [laws.to_laplace, laws.to_exponential, laws.to_two_point])
def test_maps_vectorise(function: Any) -> None:
    """The loop over lanes divides vectors, which a call to the C library would prevent."""
    fresh = njit(error_model="numpy", nogil=True)(function.py_func)
    signature = (LANES, float64) if function is laws.to_two_point else (LANES,)
    fresh.compile(signature)
    assert re.search(r"fdiv <(vscale x )?\d+ x double>", str(fresh.inspect_llvm(signature)))


PROGRAM = """
from adasde.kernels import driver
from adasde.simulation import simulate
for noise in ("laplace:1", "exponential:1", "rademacher:1", "two-point:0.3:1", "mixture:1,0,1/1,2,1:1"):
    simulate("adam", "algorithm", loss="quadratic:1,2", noise=noise, lr=0.1, steps=20, paths=8)
stats = driver.run_block.stats
print(sum(stats.cache_hits.values()), sum(stats.cache_misses.values()))
"""


def test_the_next_process_compiles_no_driver() -> None:
    """The driver with all laws comes from the disk once any process has run it."""
    simulate("adam", "algorithm", loss="quadratic:1,2", noise="laplace:1", lr=0.1, steps=20, paths=8)
    done = subprocess.run([sys.executable, "-c", PROGRAM], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["1", "0"]


@pytest.mark.parametrize("name", NOISES)
def test_sgd_under_every_law(name: str) -> None:
    """SGD on x^2/2: after k steps Var x = eta^2 s^2 (1 - q^k)/(1 - q), q = (1 - eta)^2, at a rate FALSE_ALARM; a
    scale and a batch act as s = S/sqrt(B)."""
    noise = NOISES[name]
    noise = Noise(noise.law, (1.5,), batch=4, parameters=noise.parameters)
    paths, eta, k = 20_000, 0.1, 10
    found = simulate("sgd", "algorithm", loss="quadratic:1", noise=noise, lr=eta, steps=k, paths=paths, save=[0, k])
    q = (1 - eta) ** 2
    variance = (eta * 0.75) ** 2 * (1 - q**k) / (1 - q)
    # Fourth cumulant of the sum of independent terms eta s (1 - eta)^i Z_i.
    fourth = (raw_moment(name, 4) - 3) * (eta * 0.75) ** 4 * (1 - q ** (2 * k)) / (1 - q * q)
    error = math.sqrt((fourth + 2 * variance**2) / paths)
    assert abs(found.var[1, 0] - variance) < SIGMAS * error
    assert abs(found.mean[1, 0] - (1 - eta) ** k) < SIGMAS * math.sqrt(variance / paths)
