"""The figure of the phases: the loss through them, coordinates side by side, and the mean sign that makes them."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np

from adasde.ensemble import Array
from adasde.pictures.phases import BORDERS, PhaseStudy

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

SHADES = ("#f4d6a0", "#cfe3f1", "#d3ecd9")
PRINTED, DERIVED, LOSS = "#d55e00", "#0072b2", "#1f1f1f"
SETTLED = 0.999
"""Share of coordinates in the last phase from which there is nothing more to see."""
LABELS = ("phase 1: sign certain", "phase 2", "phase 3: noise dominates")


def phases_figure(found: PhaseStudy) -> Figure:
    from matplotlib.figure import Figure

    figure = Figure(figsize=(10.5, 7.4), layout="constrained", dpi=150)
    loss, drift, many, variance = figure.subplots(2, 2, width_ratios=(1.45, 1)).ravel()
    _loss(loss, found)
    _shares(many, found)
    y = np.linspace(0.0, 2.0, 401)
    mean = _mean(found, math.sqrt(2) * y)
    _drift(drift, found, y, mean)
    _variance(variance, found, y, mean)
    for axes in (loss, drift, many, variance):
        axes.tick_params(labelsize=8)
        axes.title.set_fontsize(9.5)
    figure.suptitle(
        "SignSGD, x ← x − η sign(g): its phases are set by the signal over the noise, Y = G/(√2 s)", fontsize=11
    )
    return figure


def _loss(axes: Axes, found: PhaseStudy) -> None:
    """Simulated loss, each phase shaded, bounds dashed."""
    lr, ensemble = found.settings["lr"], found.ensemble
    for span, shade, label in zip(found.spans, SHADES, LABELS, strict=True):
        axes.axvspan(span.first * lr, span.last * lr, color=shade, lw=0, zorder=0)
        middle = (span.first + span.last) / 2 * lr
        narrow = (span.last - span.first) < len(found.exact) / 6
        axes.text(
            middle,
            0.97,
            label,
            transform=axes.get_xaxis_transform(),
            ha="center",
            va="top",
            fontsize=8,
            rotation=90 if narrow else 0,
        )
    mean = ensemble.loss_mean
    low, high = ensemble.loss_quantile(0.05), ensemble.loss_quantile(0.95)
    axes.fill_between(ensemble.times, low, high, color=LOSS, alpha=0.15, lw=0, label="5 % to 95 % of paths")
    axes.plot(ensemble.times, mean, color=LOSS, lw=1.8, label="SignSGD, mean loss (simulated)")
    for i, span in enumerate(found.spans):
        t = np.arange(span.first, span.last + 1) * lr
        axes.plot(t, span.printed, "--", color=PRINTED, lw=1.6, label="printed bound" if i == 0 else None)
        axes.plot(t, span.derived, "--", color=DERIVED, lw=1.6, label="derived bound, which holds" if i == 0 else None)
    axes.set_yscale("log")
    axes.set_xlim(0, len(found.exact) * lr)
    axes.set_ylim(found.exact.min() / 30, found.exact.max() * 2)
    axes.set_xlabel("t = η · step", fontsize=9)
    axes.set_ylabel("f − min f", fontsize=9)
    axes.set_title("One coordinate: the loss through the phases")
    axes.legend(loc="lower left", fontsize=7.5, framealpha=0.9)


def _shares(axes: Axes, found: PhaseStudy) -> None:
    t = found.many.times
    axes.stackplot(t, found.shares.T, colors=SHADES, labels=LABELS)
    axes.set_xlim(0, 1.3 * t[np.argmax(found.shares[:, 2] > SETTLED)] or t[-1])
    axes.set_ylim(0, 1)
    axes.set_xlabel("t = η · step", fontsize=9)
    axes.set_ylabel("share of coordinates", fontsize=9)
    axes.set_title(f"{found.settings['coordinates']} coordinates from different starts: all phases at once")
    axes.legend(loc="upper right", fontsize=7.5, framealpha=0.9)


def _drift(axes: Axes, found: PhaseStudy, y: Array, mean: Array) -> None:
    """The mean sign and what each phase puts in its place."""
    _shade(axes)
    root = math.sqrt(2)
    slope = float(found.found.slope) * root
    axes.plot(y, mean, color=LOSS, lw=2, label="mean sign μ, derived")
    inside = y <= 1
    axes.plot(y[inside], slope * y[inside], "--", color=PRINTED, lw=1.4, label="printed: tangent at 0, lines, 1")
    lines = _lines(found)
    part = np.linspace(1, 1.5, 20)
    for intercept in lines[1:]:
        axes.plot(part, lines[0] * part + intercept, "--", color=PRINTED, lw=1.4)
    axes.plot([1.5, 2], [1, 1], "--", color=PRINTED, lw=1.4)
    axes.plot([0, 1], [0, float(found.found.at(root))], "--", color=DERIVED, lw=1.4, label="derived: secant, below μ")
    axes.set_xlim(0, 2)
    axes.set_ylim(0, 1.25)
    axes.set_title("Why three phases: the drift is −μ")
    axes.set_ylabel("− drift", fontsize=9)
    axes.set_xlabel("|Y|", fontsize=9)
    axes.legend(loc="lower right", fontsize=7.5, framealpha=0.9)


def _variance(axes: Axes, found: PhaseStudy, y: Array, mean: Array) -> None:
    """The variance of the sign, and the printed one of phase 3 with its negative part."""
    _shade(axes)
    printed = 1 - (float(found.found.slope) * math.sqrt(2) * y) ** 2
    axes.axhline(0, color="#999999", lw=0.8)
    axes.plot(y, 1 - mean**2, color=LOSS, lw=2, label="variance of the sign, 1 − μ², derived")
    inside = y <= 1
    axes.plot(y[inside], printed[inside], "--", color=PRINTED, lw=1.6, label="printed in phase 3")
    bad = inside & (printed < 0)
    axes.fill_between(y[bad], printed[bad], 0, color=PRINTED, alpha=0.35, lw=0)
    zero = float(found.found.imaginary_from) / math.sqrt(2)
    axes.annotate(
        f"negative for\n{zero:.3f} < |Y| < 1",
        (1.0, float(printed[inside][-1]) / 2),
        (1.12, -0.22),
        fontsize=8,
        color=PRINTED,
        va="center",
        arrowprops={"arrowstyle": "-", "color": PRINTED, "lw": 0.8},
    )
    axes.set_xlim(0, 2)
    axes.set_ylim(-0.35, 1.05)
    axes.set_title("The diffusion squared, over η")
    axes.set_xlabel("|Y|", fontsize=9)
    axes.legend(loc="upper right", fontsize=7.5, framealpha=0.9)


def _shade(axes: Axes) -> None:
    edges = [2.0, BORDERS[1] / math.sqrt(2), BORDERS[0] / math.sqrt(2), 0.0]
    for high, low, shade in zip(edges, edges[1:], SHADES, strict=False):
        axes.axvspan(low, high, color=shade, lw=0, zorder=0)


def _mean(found: PhaseStudy, y: Array) -> Array:
    import sympy as sp

    from adasde.derive.phases import y as symbol

    function: Any = sp.lambdify(symbol, found.found.mean, "scipy")
    return np.asarray(function(y), dtype=np.float64)


def _lines(found: PhaseStudy) -> tuple[float, float, float]:
    """Slope against Y and intercepts of the two lines in the intermediate phase."""
    import sympy as sp

    from adasde.derive.phases import lines

    between = lines(found.found, sp.sqrt(2), 3 / sp.sqrt(2))
    return float(between.slope) * math.sqrt(2), float(between.below), float(between.above)
