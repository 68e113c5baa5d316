"""Error feedback, run: the iterate less what was left out is SGD on the same gradients, whatever the compressor."""

from __future__ import annotations

import numpy as np
import pytest

from adasde.derive.notation import eta, g
from adasde.derive.optimizers.compression import ef_signsgd, ef_top_k
from adasde.papers.karimireddy2019.statements import increment


def top(p: np.ndarray) -> np.ndarray:
    return np.where(np.abs(p) == np.abs(p).max(), p, 0.0)


def signs(p: np.ndarray) -> np.ndarray:
    return np.abs(p).mean() * np.sign(p)


@pytest.mark.parametrize("compress", [top, signs])
def test_difference_is_sgd(compress) -> None:
    rng, step = np.random.default_rng(2), 0.1
    x, left, sgd = np.ones(6), np.zeros(6), np.ones(6)
    for _ in range(50):
        gradient = x + rng.standard_normal(6)
        proposed = step * gradient + left
        applied = compress(proposed)
        x, left, sgd = x - applied, proposed - applied, sgd - step * gradient
    np.testing.assert_allclose(x - left, sgd, atol=1e-12)
    assert np.abs(left).max() > 1e-3


def test_increment_of_the_rules() -> None:
    assert increment(ef_top_k) == increment(ef_signsgd) == -eta * g
