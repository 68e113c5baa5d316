"""SignSGD's phases on f = lambda x^2/2: the loss through them, printed and derived bounds, and why there are three."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
from scipy import stats

from adasde.ensemble import Array, Ensemble
from adasde.losses.quadratic import Quadratic
from adasde.noise import parse_noise
from adasde.pictures import Table
from adasde.simulation import simulate
from adasde.verify.check import FALSE_ALARM
from adasde.verify.sign_chain import mean_curves

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from adasde.derive.phases import Phases

BORDERS = (math.sqrt(2), 3 / math.sqrt(2))
"""|G|/s at the printed borders |Y| = 1 and |Y| = 3/2, Y = G/(sqrt(2) s)."""
NAMES = ("1, saturated", "2, intermediate", "3, linear")
TIMES = 121
KEPT = 256
"""Paths whose coordinates are counted by phase."""
TOLERANCE = 0.05
"""At which the phases' own borders are stated."""


@dataclass(frozen=True, eq=False)
class Span:
    """One phase in time, judged by the mean position: steps first ... last, and both bounds of S on them."""

    name: str
    first: int
    last: int
    printed: Array
    derived: Array

    def excess(self, loss: Array, bound: str) -> float:
        """Largest loss over bound, minus 1, in the phase: positive where the bound fails."""
        return float((loss[self.first : self.last + 1] / getattr(self, bound) - 1)[1:].max())


@dataclass(frozen=True, eq=False)
class PhaseStudy:
    """exact, variance: E f and Var f of the optimizer after every step, by its chain; ensemble: the same simulated;
    shares (T, 3): of the coordinates of all paths, in each phase, where eight coordinates start at different points."""

    settings: Mapping[str, Any]
    found: Phases
    exact: Array
    variance: Array
    spans: tuple[Span, ...]
    ensemble: Ensemble
    many: Ensemble

    @property
    def deviation(self) -> float:
        """The simulated mean loss from the exact one: the largest in standard errors."""
        steps = np.round(self.ensemble.times / self.settings["lr"]).astype(int)[1:]
        # With the exact variance: while every sign is the same, that of a sample is 0. And what rounding allows.
        errors = np.sqrt(self.variance[steps] / self.ensemble.n[1:]) + 1e-12 * self.exact[steps]
        return float(np.abs((self.ensemble.loss_mean[1:] - self.exact[steps]) / errors).max())

    @property
    def limit(self) -> float:
        return float(stats.norm.isf(FALSE_ALARM / (2 * TIMES)))

    @property
    def holds(self) -> bool:
        """Derived bounds in every phase, and the simulation."""
        return self.deviation <= self.limit and all(span.excess(self.exact, "derived") <= 0 for span in self.spans)

    @cached_property
    def shares(self) -> Array:
        y = np.abs(self.many.samples) * self.settings["curvature"] / _scale(self.settings)
        phase = 2 - np.searchsorted(BORDERS, y)
        return np.stack([(phase == i).mean(axis=(1, 2)) for i in range(3)], axis=1)

    def tables(self) -> list[Table]:
        rows = []
        for span in self.spans:
            cells = []
            for bound in ("printed", "derived"):
                worst, end = span.excess(self.exact, bound), self.exact[span.last] / getattr(span, bound)[-1] - 1
                cells += [f"{worst:+.1%}" if worst > 0 else "", f"{end:+.1%}", _word(worst)]
            time = f"{span.first * self.settings['lr']:.3g} ... {span.last * self.settings['lr']:.3g}"
            rows.append((span.name, time, *cells))
        columns = (
            "phase",
            "t",
            "over printed, most",
            "at its end",
            "printed",
            "over derived, most",
            "at its end",
            "derived",
        )
        return [Table("SignSGD: mean loss over its bounds, minus 1, phase by phase", columns, rows, self._notes())]

    def _notes(self) -> tuple[str, ...]:
        import sympy as sp

        low, high = (sp.Rational(n) / sp.sqrt(2) for n in (2, 3))
        linear, saturated = (float(error) for error in self.found.errors(low, high))
        imaginary = float(self.found.imaginary_from)
        root = math.sqrt(2)
        return (
            f"Simulated and exact mean loss differ by at most {self.deviation:.1f} standard errors (allowed "
            f"{self.limit:.1f} for {TIMES} times together).",
            f"Printed phase 3: its diffusion is the root of a negative number for {imaginary / root:.3f} < |Y| < 1, "
            f"Y = G/(sqrt(2) s), and its drift is {linear:.0%} too large at |Y| = 1; phase 1 is off by {saturated:.1%} "
            "at |Y| = 3/2.",
            f"Borders at which both are off by {TOLERANCE:.0%}: linear up to "
            f"|Y| = {self.found.linear_up_to(TOLERANCE) / root:.2f}, saturated from "
            f"|Y| = {self.found.saturated_from(TOLERANCE) / root:.2f}.",
            "Phases are those of a coordinate: the lower left panel has several side by side.",
        )

    def figure(self) -> Figure:
        from adasde.pictures.phases_figure import phases_figure

        return phases_figure(self)

    def to_dict(self) -> dict[str, Any]:
        spans = [
            {
                "phase": span.name,
                "steps": [span.first, span.last],
                "printed": span.printed.tolist(),
                "derived": span.derived.tolist(),
                "loss_over_printed": span.excess(self.exact, "printed"),
                "loss_over_derived": span.excess(self.exact, "derived"),
            }
            for span in self.spans
        ]
        return {
            "settings": dict(self.settings),
            "loss_exact": self.exact.tolist(),
            "spans": spans,
            "imaginary_from": float(self.found.imaginary_from),
            "simulated": self.ensemble.to_dict(),
            "shares": self.shares.tolist(),
            "deviation": self.deviation,
            "holds": self.holds,
        }


def study(settings: Mapping[str, Any], paths: int, seed: int = 0, threads: int | None = None) -> PhaseStudy:
    """The exact chain, its bounds, and two simulations."""
    from adasde.derive.optimizers import registry
    from adasde.derive.phases import phases

    noise, curvature, lr, steps = (settings[name] for name in ("noise", "curvature", "lr", "steps"))
    scale = _scale(settings)
    position, exact, variance = mean_curves(parse_noise(noise), scale, curvature, lr, settings["start"], steps)
    run: dict[str, Any] = {"noise": noise, "lr": lr, "steps": steps, "seed": seed, "save": TIMES, "threads": threads}
    one = simulate("signsgd", "algorithm", loss=Quadratic([curvature]), paths=paths, x0=[settings["start"]], **run)
    d = settings["coordinates"]
    starts = settings["start"] * np.arange(1, d + 1) / d
    kept = {"paths": max(KEPT, paths // d), "keep_paths": KEPT}
    many = simulate("signsgd", "algorithm", loss=Quadratic([curvature] * d), x0=starts, **kept, **run)
    found = phases(registry()["signsgd"])
    return PhaseStudy(settings, found, exact, variance, spans(settings, found, position, exact), one, many)


def spans(settings: Mapping[str, Any], found: Phases, position: Array, exact: Array) -> tuple[Span, ...]:
    """The three phases, each bound from the loss at the start of its phase."""
    y = np.abs(position) * settings["curvature"] / _scale(settings)
    ends = [int(np.argmax(y <= border)) for border in BORDERS[::-1]]
    starts, lasts = [0, *ends], [*ends, len(exact) - 1]
    curves = zip(_printed(settings), _derived(settings, found), strict=True)
    return tuple(
        Span(name, first, last, *(curve(exact[first], np.arange(last - first + 1) * settings["lr"]) for curve in pair))
        for name, first, last, pair in zip(NAMES, starts, lasts, curves, strict=True)
    )


def _printed(settings: Mapping[str, Any]) -> list[Any]:
    from adasde.papers.compagnoni2025 import bounds
    from adasde.papers.compagnoni2025.phases import printed_chord

    chord = printed_chord()
    at = {**_numbers(settings), bounds.m: chord["m"], bounds.q: chord["q below"]}
    parts = [
        {part: float(value.subs(at)) for part, value in bounds.printed_parts(name).items() if "end" not in part}
        for name in (f"SignSGD, loss bound in phase {i}" for i in (1, 2, 3))
    ]
    flow = _flow(-parts[0]["speed of sqrt(S)"])
    return [flow, *(_exponential(part["rate of the bound"], part["level of the bound"]) for part in parts[1:])]


def _derived(settings: Mapping[str, Any], found: Phases) -> list[Any]:
    import sympy as sp

    from adasde.derive.bounds import flow_speed, sign_bound

    at = _numbers(settings)
    low, high = (sp.Rational(n) / sp.sqrt(2) for n in (2, 3))
    limits = [sign_bound(found, border) for border in (high, low)]
    flow = _flow(float(flow_speed(found.at(high)).subs(at)))
    return [flow, *(_exponential(float(b.rate.subs(at)), float(b.level.subs(at))) for b in limits)]


def _flow(speed: float) -> Any:
    """S_t <= (sqrt(S_0) - speed t)^2 until the minimum."""
    return lambda start, t: np.maximum(np.sqrt(start) - speed * t, 0.0) ** 2


def _exponential(rate: float, level: float) -> Any:
    return lambda start, t: start * np.exp(-rate * t) + level * (1 - np.exp(-rate * t))


def _numbers(settings: Mapping[str, Any]) -> dict[Any, float]:
    """One coordinate: L = mu = L_tau = lambda."""
    from adasde.derive.bounds import L, L_tau, d, mu
    from adasde.derive.notation import eta, s

    curvature = settings["curvature"]
    return {mu: curvature, L: curvature, L_tau: curvature, d: 1, eta: settings["lr"], s: _scale(settings)}


def _scale(settings: Mapping[str, Any]) -> float:
    return float(parse_noise(settings["noise"]).scales(1)[0])


def _word(excess: float) -> str:
    return "holds" if excess <= 0 else "fails"
