"""The noise scale of gradients, tr Sigma / |grad f|^2 in samples, as measured, and the regime that a batch is in."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from adasde.domain import checked
from adasde.errors import InvalidParameter

CLEAR = 10.0
"""A batch this many times below (above) the noise scale is noise-dominated (signal-dominated)."""
FORMAT = "adasde grad-stats 1"
"""Mark of the file that `adasde noise --grad-stats` writes."""
PAIR = ("batch_small", "norm_squared_small", "batch_big", "norm_squared_big")


@dataclass(frozen=True)
class MeasuredNoiseScale:
    """tr Sigma / |grad f|^2, the batch at which noise and signal of a gradient are equal (McCandlish et al. 2018),
    infinite where no signal was seen; low and high are a confidence interval, where there is one."""

    value: float
    low: float | None = None
    high: float | None = None

    def verdict(self, batch: tuple[int, int]) -> str:
        """Regime of both batches at the measured value."""
        return _verdict(batch, self.value)

    def open(self, batch: tuple[int, int]) -> tuple[str, str] | None:
        """The verdicts at the two ends of the interval, where they are not that at the value."""
        if self.low is None or self.high is None:
            return None
        ends = _verdict(batch, self.low), _verdict(batch, self.high)
        return None if set(ends) == {self.verdict(batch)} else ends


def _verdict(batch: tuple[int, int], scale: float) -> str:
    if max(batch) <= scale / CLEAR:
        return "noise-dominated"
    return "signal-dominated" if min(batch) >= scale * CLEAR else "between the regimes"


def regime_test(batch: tuple[int, int], scale: MeasuredNoiseScale | None) -> dict[str, Any]:
    """Whether noise or signal dominates at both batches: batch / noise scale = |grad f|^2 / (tr Sigma / batch).

    In the record None is an infinite noise scale, but where the verdict is that none was measured.
    """
    if scale is None:
        return {"noise_scale": None, "interval": None, "batch_over_noise_scale": None, "verdict": "not measured"}
    interval = None if scale.low is None or scale.high is None else [_finite(scale.low), _finite(scale.high)]
    return {
        "noise_scale": _finite(scale.value),
        "interval": interval,
        "batch_over_noise_scale": [size / scale.value for size in batch],
        "verdict": scale.verdict(batch),
    }


def _finite(value: float) -> float | None:
    return value if math.isfinite(value) else None


def noise_scale_of(stats: Mapping[str, Any]) -> MeasuredNoiseScale:
    """tr Sigma / |grad f|^2 from gradient statistics.

    Either what `adasde noise` writes, whose ``noise_scale`` has an interval; or ``noise_scale`` as one number; or
    ``noise_trace`` (tr Sigma of one sample's gradient) and ``grad_norm_squared``; or the mean squared norms
    E|g|^2 = |grad f|^2 + tr Sigma/B of gradients at two batch sizes, ``batch_small``, ``norm_squared_small``,
    ``batch_big``, ``norm_squared_big`` (McCandlish et al. 2018, appendix A). Raises `InvalidParameter`.
    """
    if stats.get("format", FORMAT) != FORMAT:
        remedy = "write it again with `adasde noise --grad-stats` of this version"
        raise InvalidParameter("grad-stats: format", repr(stats["format"]), f"{{'{FORMAT}'}}", remedy)
    if isinstance(stats.get("noise_scale"), Mapping):
        return _with_interval(stats["noise_scale"])
    if "noise_scale" in stats:
        return MeasuredNoiseScale(checked("grad-stats: noise_scale", stats["noise_scale"], "(0, inf)"))
    if {"noise_trace", "grad_norm_squared"} <= set(stats):
        trace, signal = (
            checked(f"grad-stats: {n}", stats[n], "(0, inf)") for n in ("noise_trace", "grad_norm_squared")
        )
        return MeasuredNoiseScale(trace / signal)
    if not set(PAIR) <= set(stats):
        domain = "{noise_scale; noise_trace, grad_norm_squared; " + ", ".join(PAIR) + "}"
        raise InvalidParameter("grad-stats: fields", sorted(stats), domain, "give one of these three sets")
    return _from_two_batches(*(checked(f"grad-stats: {name}", stats[name], "(0, inf)") for name in PAIR))


def _with_interval(given: Mapping[str, Any]) -> MeasuredNoiseScale:
    """Of ``value``, ``low`` and ``high``, null for infinite."""
    missing = sorted({"value", "low", "high"} - set(given))
    if missing:
        domain, remedy = "{value, low, high}", f"{', '.join(missing)} is missing"
        raise InvalidParameter("grad-stats: fields of noise_scale", sorted(given), domain, remedy)
    value, low, high = (
        math.inf if given[name] is None else checked(f"grad-stats: noise_scale, {name}", given[name], "(0, inf)")
        for name in ("value", "low", "high")
    )
    if low > high:
        remedy = "write it again with `adasde noise --grad-stats`"
        raise InvalidParameter("grad-stats: noise_scale, high", high, f"[{low:g}, inf]", remedy)
    return MeasuredNoiseScale(value, low, high)


def _from_two_batches(small: float, norm_small: float, big: float, norm_big: float) -> MeasuredNoiseScale:
    if big <= small:
        raise InvalidParameter("grad-stats: batch_big", big, f"({small:g}, inf)", "it is the larger of the two")
    signal = (big * norm_big - small * norm_small) / (big - small)
    trace = (norm_small - norm_big) / (1 / small - 1 / big)
    if signal <= 0 or trace <= 0:
        what = f"|grad f|^2 = {signal:.3g}, tr Sigma = {trace:.3g}"
        raise InvalidParameter("grad-stats: estimates", what, "(0, inf)", "average the norms over more batches")
    return MeasuredNoiseScale(trace / signal)
