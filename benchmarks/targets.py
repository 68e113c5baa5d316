"""What the kernels are to reach, judged on the medians of one run."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

STRICT, FAST = 0.8, 0.9
TWO_THREADS = 1.85
DIFFRAX = {"adasde": 30.0, "adasde, double noise": 8.0}
OF_PRECISION = {
    "mix": {"adasde": STRICT, "adasde --fast": FAST},
    "double": {"adasde, double noise": STRICT, "adasde --fast, double noise": FAST},
}


@dataclass(frozen=True)
class Target:
    """One bound on a ratio."""

    text: str
    bound: float
    ratio: dict[str, float] | None

    @property
    def verdict(self) -> str:
        """pass, fail, or not measured: the median against the bound."""
        if self.ratio is None:
            return "not measured"
        return "pass" if self.ratio["median"] >= self.bound else "fail"


def judge(results: dict[str, Any]) -> list[dict[str, Any]]:
    """All targets with their ratios and verdicts."""
    return [{"target": t.text, "bound": t.bound, "ratio": t.ratio, "verdict": t.verdict} for t in _targets(results)]


def _targets(results: dict[str, Any]) -> Iterator[Target]:
    for workload in ("W1", "W2", "W3"):
        found = results["workloads"][workload]
        for precision, bounds in OF_PRECISION.items():
            reference = found["reference"][precision]
            for name, bound in bounds.items():
                text = f"{workload}: {name} over {reference or f'C, {precision}'}"
                yield Target(text, bound, found["ratios"].get(name, {}).get(reference))
    speedup = results["two_threads_over_one_W1"]["adasde"]
    yield Target("W1: adasde, two threads over one, wall time", TWO_THREADS, speedup)
    for name, bound in DIFFRAX.items():
        ratio = results["workloads"]["W1"]["ratios"].get(name, {}).get("diffrax")
        yield Target(f"W1: {name} over diffrax (vmap, jit, UnsafeBrownianPath, float64)", bound, ratio)
