"""The laws of a rule's own draws, for quadrature."""

from __future__ import annotations

from collections.abc import Callable

from scipy import stats

from adasde.ensemble import Array

SPANS: dict[str, tuple[float, float, Callable[[Array], Array]]] = {
    "normal": (-9.5, 9.5, stats.norm.pdf),
    "uniform": (-1.0, 1.0, stats.uniform(-1, 2).pdf),
    "exponential": (-1.0, 39.0, stats.expon(loc=-1).pdf),
}
"""Ends and density of each law of own draws; what lies beyond has a probability below 1e-17."""
