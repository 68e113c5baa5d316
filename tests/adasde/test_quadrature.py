"""Quadrature for every law: moments, smooth integrands and kinks, against mpmath and sums over atoms."""

import math
from functools import cache

import mpmath as mp
import numpy as np
import pytest

from adasde.errors import InvalidParameter
from adasde.noise import Noise, empirical, exponential, gaussian, laplace, mixture, rademacher, student_t, two_point
from adasde.verify.quadrature import NODES, atoms, nodes, rule

VALUES = np.random.default_rng(0).gamma(1.5, size=1000)
NOISES = {
    "gaussian": gaussian(1),
    "student-t:1": student_t(1, 1),
    "student-t:2.5": student_t(2.5, 1),
    "student-t:7": student_t(7, 1),
    "student-t:1000000": student_t(1e6, 1),
    "laplace": laplace(1),
    "exponential": exponential(1),
    "mixture": mixture([1, 2, 1], [-2, 0, 3], [0.5, 1, 0.2], 1),
    "rademacher": rademacher(1),
    "two-point": two_point(0.1, 1),
    "many": empirical(VALUES),
    "few": empirical(VALUES[:30], np.arange(30) + 1),
}
TANH = (lambda z: np.tanh(0.3 + 0.7 * z), lambda z: mp.tanh(mp.mpf("0.3") + mp.mpf("0.7") * z))
LORENTZ = (lambda z: 1 / (1 + z * z), lambda z: 1 / (1 + z * z))


def integral(density, cuts, h):
    return mp.quad(lambda z: density(z) * h(z), cuts)


def expectation(noise, h, kink=0.0):
    """E h(Z) from the law's density by mpmath's adaptive quadrature, split at the kink; or by a sum."""
    with mp.workdps(20):
        far = sorted({mp.mpf(c) for c in (-60, -10, -3, -1, 0, 1, 3, 10, 60)} | {mp.mpf(kink)})
        if noise.law == "gaussian":
            return integral(mp.npdf, [c for c in far if abs(c) < 20] + [20], h)
        if noise.law == "laplace":
            return integral(lambda z: mp.exp(-mp.sqrt(2) * abs(z)) / mp.sqrt(2), far, h)
        if noise.law == "exponential":
            return integral(lambda z: mp.exp(-z - 1), [c for c in far if c >= -1], h)
        if noise.law == "student-t":
            nu, root = mp.mpf(noise.nu), mp.sqrt(noise.nu)
            cuts = [mp.atan(c / root) for c in far]
            cuts = [-mp.pi / 2, *cuts, mp.pi / 2]
            mass = mp.quad(lambda t: mp.cos(t) ** (nu - 1), cuts)
            return mp.quad(lambda t: h(root * mp.tan(t)) * mp.cos(t) ** (nu - 1), cuts) / mass
        if noise.law == "mixture":
            parts = np.reshape(noise.law_data, (3, -1)).T.tolist()
            return sum(
                w
                * integral(
                    lambda z, m=m, d=d: mp.npdf(z, m, d), sorted([m + k * d for k in range(-12, 13)] + [kink]), h
                )
                for w, m, d in parts
            )
        weights = np.array(noise.parameters[1000:] if len(noise.parameters) == 2000 else noise.parameters[30:])
        if noise.law == "empirical":
            values = np.array(noise.parameters[: len(weights)])
            mean = np.average(values, weights=weights)
            deviation = math.sqrt(np.average((values - mean) ** 2, weights=weights))
            return sum(w * h(mp.mpf((v - mean) / deviation)) for v, w in zip(values, weights, strict=True)) / sum(
                weights
            )
        p = 0.5 if noise.law == "rademacher" else noise.parameters[0]
        return p * h(mp.sqrt((1 - p) / p)) + (1 - p) * h(-mp.sqrt(p / (1 - p)))


# Largest error with 64 nodes for tanh, and for 1/(1 + z^2), whose poles at +-i limit Hermite and Laguerre rules.
BOUNDS = {
    "gaussian": (1e-14, 1e-6),
    "student-t:1": (1e-9, 1e-14),
    "student-t:2.5": (1e-12, 1e-14),
    "student-t:7": (1e-14, 1e-14),
    "student-t:1000000": (1e-14, 1e-6),
    "laplace": (1e-10, 1e-7),
    "exponential": (1e-12, 1e-6),
    "mixture": (1e-13, 1e-6),
    "rademacher": (1e-15, 1e-15),
    "two-point": (1e-15, 1e-15),
    "many": (1e-14, 1e-14),
    "few": (1e-14, 1e-14),
}


@pytest.mark.parametrize("name", NOISES)
def test_gauss_rules(name):
    """64 nodes, mass one, and the stated error for two smooth integrands, one of them not entire."""
    z, w = nodes(NOISES[name], 64)
    assert z.shape == w.shape == (64,) and (w >= 0).all() and np.isfinite(z).all()
    assert abs(w.sum() - 1) < 2e-14
    for (function, exact), bound in zip((TANH, LORENTZ), BOUNDS[name], strict=True):
        assert abs(w @ function(z) - float(expectation(NOISES[name], exact))) < bound


MOMENTS = {
    "gaussian": (0, 1, 0, 3, 0, 15),
    "laplace": (0, 1, 0, 6, 0, 90),
    "exponential": (0, 1, 2, 9, 44, 265),
    "rademacher": (0, 1, 0, 1, 0, 1),
    "two-point": (0, 1, 8 / 3, 73 / 9, 656 / 27, 5905 / 81),
}


@pytest.mark.parametrize("n", [15, 64, 240])
@pytest.mark.parametrize("name", [*MOMENTS, "mixture", "many", "few"])
def test_moments(name, n):
    """Moments 1 to 6 to 1e-12, from as few as 15 nodes; a Laplace rule's odd node has weight zero."""
    z, w = nodes(NOISES[name], n)
    for k in range(1, 7):
        exact = MOMENTS[name][k - 1] if name in MOMENTS else moment(name, k)
        assert abs(w @ z**k - exact) < 1e-12 * max(1, abs(exact)), k


@cache
def moment(name, k):
    """E Z^k by `expectation`, once for all numbers of nodes."""
    return float(expectation(NOISES[name], lambda z: z**k))


def test_moments_of_student_t():
    """E Z^2 converges like n^-(nu - 2)."""
    for nu in (5.0, 7.0):
        errors = [abs(np.dot(*nodes_squared(nu, n)) - nu / (nu - 2)) for n in (128, 256)]
        assert math.log2(errors[0] / errors[1]) == pytest.approx(nu - 2, abs=0.2)
    assert abs(np.dot(*nodes_squared(30, 64)) - 30 / 28) < 1e-13


def nodes_squared(nu, n):
    z, w = nodes(student_t(nu, 1), n)
    return w, z * z


# The exp-sinh nodes of Student-t gather at the kink wherever it is; its constant loses digits for large nu.
KINKS = [
    (name, kink)
    for name in NOISES
    for kink in (-0.4, 0.0, 2.5, -1.0, 1e9, -1e9)
    if not name.startswith("student-t") or (abs(kink) < 1e6 and name != "student-t:1000000")
]


KINKS += [("student-t:2.5", -265.0), ("student-t:7", 40.0), ("student-t:1", 3000.0)]
"""Signum's kinks lie at -m/(eta rho s): the bulk of the law is then far from them."""


@pytest.mark.parametrize(("name", "kink"), KINKS)
def test_kinks(name, kink):
    """E[sign(Z - kink)/(1 + Z^2)] to 1e-10: the rule takes both sides of the kink apart, where it matters and where
    it lies outside of all mass."""
    noise = NOISES[name]
    z, w = rule(noise, kink)
    near = min(max(kink, -50.0), 50.0)
    exact = float(expectation(noise, lambda x: mp.sign(x - kink) / (1 + x * x), near))
    assert abs(w.sum() - 1) < 1e-11
    assert abs(w @ (np.sign(z - kink) / (1 + z * z)) - exact) < 1e-10


def test_an_atom_on_the_kink_counts_nothing():
    """sign(0) = 0: with atoms -1 and 1 and a kink at 1, E sign(Z - 1) = -1/2."""
    z, w = rule(rademacher(1), 1.0)
    assert w @ np.sign(z - 1) == -0.5


def test_gauss_rule_of_a_discrete_measure_is_exact_for_its_degree():
    """n nodes of 1000 atoms integrate Legendre polynomials of the range up to degree 2 n - 1 exactly, for n = 5
    and 200, and for n = 5 not that of degree 10."""
    z, w = atoms(NOISES["many"])
    for n in (5, 200):
        x, v = nodes(NOISES["many"], n)
        middle, half = (z[0] + z[-1]) / 2, (z[-1] - z[0]) / 2
        for degree in (2 * n - 2, 2 * n - 1, *([10] if n == 5 else [])):
            legendre = np.polynomial.Legendre.basis(degree)
            gap = abs(v @ legendre((x - middle) / half) - w @ legendre((z - middle) / half))
            assert gap < 1e-12 if degree < 2 * n else gap > 1e-6
        assert len(np.unique(x)) == n


def test_atoms_without_weight():
    """Weights next to the smallest numbers count nothing; where the iteration ends exactly, the rule is padded."""
    for share in range(1, 60):
        z, w = nodes(empirical([-1, 1, 0.5, -0.5], [share, 60 - share, 1e-322, 1e-322]), 3)
        assert len(z) == 3 and np.isfinite(z).all() and w @ z**2 == pytest.approx(1)


@pytest.mark.parametrize(
    ("noise", "n"), [(NOISES["mixture"], 2), (laplace(1), 1), (two_point(0.1, 1), 1), (gaussian(1), 0)]
)
def test_too_few_nodes(noise: Noise, n):
    with pytest.raises(InvalidParameter, match="number of nodes"):
        nodes(noise, n)


def test_the_gaussian_rule_has_the_nodes_it_always_had():
    """Gauss-Legendre on [-10, kink] and [kink, 10]."""
    z, _ = rule(gaussian(1), 0.5)
    x = np.polynomial.legendre.leggauss(NODES // 2)[0]
    np.testing.assert_allclose(z, np.concatenate([5.25 * x - 4.75, 4.75 * x + 5.25]), rtol=0, atol=1e-14)
