"""An average of parameters that do not move, and the weight that keeps its rate."""

from __future__ import annotations

import numpy as np

from adasde.derive.notation import ema
from adasde.papers.busbridge2023 import statements as average


def test_weight_of_an_average() -> None:
    """At fixed parameters a step of the average keeps the share ``ema``."""
    value = 1.0
    for _ in range(average.STEPS):
        value = 0.9 * value + 0.1 * 0.0
    assert abs(float(average.weight_after(average.STEPS).subs(ema, 0.9)) - value) < 1e-15
    assert np.isclose(float(average.keeping_the_rate().subs({average.kappa: 4, average.left: 0.01})), 0.04)
