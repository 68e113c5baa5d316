"""The C reference and the bookkeeping of the benchmarks."""

import sys
from pathlib import Path

import numpy as np
import pytest

FOLDER = Path(__file__).parents[2] / "benchmarks"


@pytest.fixture(scope="module", autouse=True)
def benchmarks():
    """The benchmark scripts as modules, which import each other by their bare names."""
    sys.path.insert(0, str(FOLDER))
    yield
    sys.path.remove(str(FOLDER))


@pytest.fixture(scope="module", params=["AVX2", "AVX-512"])
def variant(request):
    import measure
    import reference

    try:
        reference.library(request.param)
    except measure.Unavailable as reason:
        pytest.skip(str(reason))
    return request.param


@pytest.mark.parametrize("name", ["W1", "W2", "W3", "W3-2025"])
def test_reference_walks_the_paths_of_adasde(variant, name):
    """Same counters, same float32 normals: moments differ by their rounding, 1e-7 per draw, alone."""
    import reference
    import workloads

    workload = next(w for w in vars(workloads).values() if isinstance(w, workloads.Workload) and w.name == name)
    found, expected = reference.reference_moments(name, "mix", variant, 512, seed=11), workload.simulate(512, 11)
    np.testing.assert_allclose(found.mean, expected.mean, rtol=0, atol=1e-8)
    np.testing.assert_allclose(found.cov, expected.cov, rtol=0, atol=1e-8)
    assert np.abs(reference.reference_moments(name, "mix", variant, 512, seed=12).mean - expected.mean).max() > 1e-4


def test_double_noise_has_the_right_moments(variant):
    """W1 is linear, so that mean and covariance of its Euler scheme are known: 5 standard errors, 11 x 5 numbers."""
    import reference
    from workloads import ETA, EVERY, SAVES, SIGMA, STEPS, X0, H, Result

    step = np.eye(2) - ETA * H
    mean, cov = X0.copy(), np.zeros((2, 2))
    means, covs = [mean], [cov]
    for k in range(1, STEPS + 1):
        mean, cov = step @ mean, step @ cov @ step.T + (ETA * SIGMA) ** 2 * np.eye(2)
        if k % EVERY == 0:
            means.append(mean)
            covs.append(cov)
    assert len(means) == SAVES
    exact = Result(10**12, np.array(means), np.array(covs))
    assert reference.reference_moments("W1", "double", variant, 16_384, seed=5).distance(exact) < 5


def test_draws_in_c_are_standard_normals(variant):
    """The whitened end points of W1 have moments 0, 1, 0, 3 within 5 standard errors, in both precisions."""
    import reference
    from workloads import ETA, SAVES, SIGMA, X0, H

    n = 65_536
    for precision in reference.PRECISIONS:
        paths = np.empty((SAVES, 2, n))
        reference.reference_moments("W1", precision, variant, n, 3, snapshots=paths)
        # X(1000) is Gaussian; whiten it by its exact covariance.
        step, cov = np.eye(2) - ETA * H, np.zeros((2, 2))
        for _ in range(1000):
            cov = step @ cov @ step.T + (ETA * SIGMA) ** 2 * np.eye(2)
        centred = paths[-1] - (np.linalg.matrix_power(step, 1000) @ X0)[:, None]
        z = np.linalg.solve(np.linalg.cholesky(cov), centred).ravel()
        for power, moment, variance in ((1, 0, 1), (2, 1, 2), (3, 0, 15), (4, 3, 96)):
            assert abs((z**power).mean() - moment) < 5 * np.sqrt(variance / z.size), (precision, power)


def test_two_threads_share_the_paths(variant):
    import reference

    one = reference.reference_moments("W3", "double", variant, 384, seed=2)
    two = reference.reference_moments("W3", "double", variant, 384, seed=2, threads=2)
    np.testing.assert_allclose(one.cov, two.cov, rtol=1e-12)
    with pytest.raises(ValueError, match="paths = 100"):
        reference.reference_moments("W1", "mix", variant, 100)


def test_a_competitor_that_is_not_installed_says_so():
    import remote
    from measure import Unavailable

    with pytest.raises(Unavailable, match="no_such"):
        remote.Worker(sys.executable, "no_such")


def test_agreement_tells_two_models_apart():
    import measure
    import reference

    found = measure.here(lambda paths, seed: reference.reference_moments("W3-2025", "mix", "AVX2", paths, seed))
    try:
        expected = reference.reference_moments("W3", "mix", "AVX2", 16_384)
    except measure.Unavailable as reason:
        pytest.skip(str(reason))
    with pytest.raises(measure.Disagreement):
        measure.agreement(measure.Implementation("wrong", found, 16_384, 16_384), expected)


def test_targets_are_judged_by_medians():
    from targets import Target

    assert Target("", 0.8, {"median": 0.8, "low": 0.1, "high": 1.0}).verdict == "pass"
    assert Target("", 0.8, {"median": 0.79, "low": 0.1, "high": 1.0}).verdict == "fail"
    assert Target("", 0.8, None).verdict == "not measured"
