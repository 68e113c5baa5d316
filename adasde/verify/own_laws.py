"""The laws of a rule's own draws, for quadrature and sampling."""

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

OF_NORMAL: dict[str, Callable[[Array], Array]] = {
    "normal": lambda z: z,
    "uniform": lambda z: 2 * stats.norm.cdf(z) - 1,
    "exponential": lambda z: -stats.norm.logsf(z) - 1,
}
"""Own draws as functions of a standard normal that grow with it."""
