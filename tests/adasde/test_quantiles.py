"""Quantiles of the loss: within their stated error of the order statistics, and the same bytes however merged."""

from __future__ import annotations

import math
import pickle
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from adasde.ensemble import Moments
from adasde.errors import InvalidParameter
from adasde.kernels import sketch
from adasde.kernels.sketch import buckets_of
from adasde.losses.saddle import EmbeddedSaddle
from adasde.quantiles import RELATIVE_ERROR, Sketch
from adasde.simulation import simulate

Array = NDArray[np.float64]
SHARES = (0.0, 1e-6, 0.05, 0.25, 1 / 3, 0.5, 0.75, 0.95, 0.999, 1.0)
BOUND = RELATIVE_ERROR * (1 + 1e-13)  # a quantile is rounded itself
random = np.random.default_rng(8)


def sketched(losses: Array) -> Sketch:
    result = Sketch()
    result.add(buckets_of(losses))
    return result


def order_statistic(losses: Array, q: float) -> float:
    """The smallest value that a share q of all does not exceed."""
    ordered = np.sort(losses)
    shares = np.arange(1, ordered.size + 1) / ordered.size
    return float(ordered[np.argmax(shares >= q)])


LOSSES = {
    "one": np.array([3.7]),
    "chi-square": random.standard_normal(5000) ** 2,
    "both signs": random.standard_cauchy(5000),
    "zeros": np.repeat([0.0, -0.0, 1.0, -2.0], [500, 300, 100, 50]),
    "the whole range": np.concatenate([s * 10 ** random.uniform(-300, 75, 3000) for s in (1, -1)]),
    "the ends": np.array([1e-300, -1e-300, 1e75, -1e75, 5e-324, 2.0**-1022, 1.0, np.nextafter(1.0, 0)]),
    "ties": random.integers(1, 9, 3000).astype(np.float64),
}


@pytest.mark.parametrize("name", LOSSES)
def test_quantiles_are_order_statistics(name: str) -> None:
    """Within the relative error, with the rank exact: numpy's inverted distribution function."""
    losses = LOSSES[name]
    found = [sketched(losses[None]).quantile(q, 1)[0] for q in SHARES]
    for q, value in zip(SHARES, found, strict=True):
        exact = order_statistic(losses, q)
        assert abs(value - exact) <= BOUND * abs(exact) + 2.3e-308, q
    assert found == sorted(found)
    exact = np.quantile(losses, 0.5, method="inverted_cdf")
    assert abs(found[SHARES.index(0.5)] - exact) <= BOUND * abs(exact)


def test_the_error_is_not_smaller_than_stated() -> None:
    """1/129 is reached next to powers of two: no bound that cannot fail."""
    losses = np.exp2(random.uniform(0, 1 / 64, 999))
    errors = [abs(sketched(np.array([[f]])).quantile(0.5, 1)[0] / f - 1) for f in losses]
    assert 0.95 * RELATIVE_ERROR < max(errors) <= BOUND


def test_buckets_grow_with_the_number_and_are_odd() -> None:
    """Order is kept over the whole range; mirrored numbers have mirrored buckets."""
    f = np.sort(LOSSES["the whole range"])
    buckets = buckets_of(f[None])[0]
    assert (np.diff(buckets) >= 0).all() and np.array_equal(buckets_of(-f[None])[0], -buckets)
    assert np.abs(buckets).max() < sketch.SPAN // 2
    width = np.diff(buckets_of(np.exp2(np.arange(-1022.0, 250.0))[None])[0])
    assert (width == 2**sketch.DIGITS).all()


def test_merging_is_associative_and_has_no_order() -> None:
    """Any cut into blocks, merged in any order and grouping, also through a pickle: the same bytes as all at once."""
    losses = np.stack([LOSSES["both signs"], 10 ** random.uniform(-20, 3, 5000)])
    whole = sketched(losses)
    assert whole.histogram[1].sum() == losses.size and (np.diff(whole.histogram[0]) > 0).all()
    for seed in range(5):
        rng = np.random.default_rng(seed)
        parts = np.split(losses, np.sort(rng.integers(0, 5000, 40)), axis=1)
        sketches = [sketched(np.ascontiguousarray(part)) for part in parts]
        while len(sketches) > 1:
            one = sketches.pop(rng.integers(len(sketches)))
            other = sketches.pop(rng.integers(len(sketches)))
            sketches.append(pickle.loads(pickle.dumps(one.merged(other))))
        for found, expected in zip(sketches[0].histogram, whole.histogram, strict=True):
            assert found.tobytes() == expected.tobytes()
    blocks = Sketch()
    for part in np.split(losses, 50, axis=1):
        blocks.add(buckets_of(np.ascontiguousarray(part)))
    assert all(np.array_equal(a, b) for a, b in zip(blocks.histogram, whole.histogram, strict=True))


def test_diverged_paths_are_left_out() -> None:
    """A lane with a loss that is no number, or a coordinate out of bounds, counts up to the time before and never
    after; where no path is left the quantile is nan."""
    xs, losses = np.zeros((3, 1, 6)), np.arange(1.0, 19.0).reshape(3, 6)
    losses[1, 5], xs[2, 0, 0] = math.nan, 1e13
    moments = Moments.empty(3, 1, True)
    moments.add(xs, losses)
    _, counts = moments.sketch.histogram
    assert counts.sum() == 6 + 5 + 4
    top = moments.sketch.quantile(1.0, 3)
    np.testing.assert_allclose(top, [6, 11, 17], rtol=BOUND)
    np.testing.assert_allclose(moments.sketch.quantile(0.0, 3), [1, 7, 14], rtol=BOUND)
    nobody = Moments.empty(2, 1, True)
    nobody.add(np.full((2, 1, 3), math.inf), np.full((2, 3), math.inf))
    assert np.isnan(nobody.sketch.quantile(0.5, 2)).all()
    for q in (-0.1, 1.1, math.nan):
        with pytest.raises(InvalidParameter, match="q"):
            moments.sketch.quantile(q, 3)


def test_quantiles_of_an_ensemble_are_those_of_its_paths() -> None:
    """On the saddle, where losses take both signs and paths diverge: against the paths that are kept, at all times."""
    options: dict[str, Any] = {"loss": EmbeddedSaddle(), "noise": "gaussian:3", "lr": 0.25, "steps": 60}
    ensemble = simulate("sgd", "algorithm", **options, paths=5000, keep_paths=5000, save=range(0, 61, 5))
    assert 0 < ensemble.diverged[-1] < 5000
    with np.errstate(over="ignore", invalid="ignore"):
        x = ensemble.samples
        losses = np.empty((13, 5000))
        for k in range(13):
            options["loss"].value(np.ascontiguousarray(x[k]), losses[k], options["loss"].data)
        alive = np.logical_and.accumulate((np.abs(x) <= 1e12).all(axis=1) & (np.abs(losses) <= 1e75), axis=0)
    for q in (0.05, 0.5, 0.95):
        exact = np.array([order_statistic(losses[k, alive[k]], q) for k in range(13)])
        assert (np.abs(ensemble.loss_quantile(q) - exact) <= BOUND * np.abs(exact)).all()
    data = ensemble.to_dict()
    assert data["loss_quantiles"]["0.5"] == ensemble.loss_quantile(0.5).tolist()  # type: ignore[index]
