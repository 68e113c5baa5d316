"""The figure of `adasde stationary`: covariance ellipses, and the variance against lr, noise and weight decay."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from adasde.ensemble import Array
from adasde.noise import Noise
from adasde.plots import COLOURS
from adasde.stationary import StationaryResult, StationaryRow, variance_of
from adasde.stationary_problem import Problem, problem_of

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

FACTORS = (0.25, 0.5, 1.0, 2.0)
PATHS = 32_768
PRINTED = COLOURS["compagnoni2025"]


def stationary_figure(result: StationaryResult, noise: Noise) -> Figure:
    """Four panels; the last three for the first coordinate, the optimizer simulated again at every point. One panel
    where the coordinates are not independent: the ellipses, each with the derived one."""
    from matplotlib.figure import Figure

    if not result.separable:
        return _dense_figure(result)
    figure = Figure(figsize=(11.5, 3.4), layout="constrained", dpi=150)
    axes = figure.subplots(1, 4)
    _first_panel(axes[0], result)
    values = result.parameters
    _against(axes[1], result, noise, "lr", [f * values["lr"] for f in FACTORS], "learning rate")
    scales = [f * float(np.atleast_1d(noise.scale or 0)[0]) for f in FACTORS]
    _against(axes[2], result, noise, "noise", scales, "noise scale per sample")
    if "weight_decay" in values:
        decay = values["weight_decay"] or 1.0
        _against(axes[3], result, noise, "weight_decay", [0.0, *(f * decay for f in FACTORS)], "weight decay")
    else:
        curvature = float(result.curvatures[0])
        _against(axes[3], result, noise, "curvature", [f * curvature for f in FACTORS], "curvature λ")
    handles = {label: handle for a in axes for handle, label in zip(*a.get_legend_handles_labels(), strict=True)}
    figure.legend(handles.values(), handles.keys(), loc="outside lower center", ncols=6, frameon=False, fontsize=8)
    hyper = ", ".join(f"{name} {value:g}" for name, value in values.items())
    figure.suptitle(f"{result.optimizer} on {result.loss}, noise {result.noise} per sample; {hyper}", fontsize=9)
    return figure


def _dense_figure(result: StationaryResult) -> Figure:
    """Covariance ellipses of the first two coordinates, simulated and derived."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(5.6, 4.8), layout="constrained", dpi=150)
    axes = figure.subplots()
    _ellipses(axes, result)
    axes.tick_params(labelsize=7)
    figure.legend(loc="outside lower center", ncols=2, frameon=False, fontsize=8)
    figure.suptitle(f"{result.optimizer} on {result.loss}, noise {result.noise} per sample", fontsize=9)
    return figure


def _first_panel(axes: Axes, result: StationaryResult) -> None:
    if len(result.curvatures) > 1:
        _ellipses(axes, result)
    else:
        _ratios(axes, result)
    axes.tick_params(labelsize=7)


def _ellipses(axes: Axes, result: StationaryResult) -> None:
    """One standard deviation of the first two coordinates."""
    from matplotlib.ticker import MaxNLocator

    drawn: list[tuple[str, Array, str, str]] = []
    styles = {"algorithm": "-", "sde": "--"}
    for model, style in styles.items():
        row = next((row for row in result.rows if row.model == model), None)
        if row is not None and row.covariance is not None:
            name = "optimizer" if model == "algorithm" else model
            drawn.append((f"{name}, simulated", row.covariance[:2, :2], COLOURS[model], style))
            if row.linearised is not None:
                drawn.append((f"{name}, derived", row.linearised[:2, :2], "#009e73", ":" if style == "-" else "-."))
    for paper, values in result.printed.items():
        drawn.append((f"{paper}, printed", np.diag(values[:2]), PRINTED, "-."))
    angle = np.linspace(0, 2 * np.pi, 200)
    circle = np.stack([np.cos(angle), np.sin(angle)])
    for label, covariance, colour, style in drawn:
        x, y = np.linalg.cholesky(covariance) @ circle
        axes.plot(x, y, style, color=colour, lw=1.4, label=label)
    axes.set_aspect("equal")
    axes.xaxis.set_major_locator(MaxNLocator(4))
    axes.set_xlabel("x1", fontsize=8)
    axes.set_ylabel("x2", fontsize=8)
    axes.set_title("covariance, one standard deviation", fontsize=8)


def _ratios(axes: Axes, result: StationaryResult) -> None:
    """Each model's simulated variance over the optimizer's."""
    base = result.row("algorithm")
    models = [row for row in result.rows if row.model != "algorithm"]
    for i, row in enumerate(models):
        ratio = row.simulated[0] / base.simulated[0]
        error = ratio * np.hypot(row.standard_error[0] / row.simulated[0], base.standard_error[0] / base.simulated[0])
        axes.errorbar([i], [ratio], yerr=[3 * error], fmt="o", ms=4, color=COLOURS.get(row.model, "#cc79a7"))
    axes.axhline(1.0, color="#999999", lw=0.8)
    axes.set_xticks(range(len(models)), [row.model for row in models], rotation=30, fontsize=7)
    axes.set_xlim(-0.5, len(models) - 0.5)
    axes.set_title("variance of the models over the\noptimizer's, simulated ± 3 se", fontsize=8)


def _against(axes: Axes, result: StationaryResult, noise: Noise, varied: str, points: list[float], label: str) -> None:
    """Leading term, two terms, printed form and simulation at every point."""
    from matplotlib.ticker import MaxNLocator

    rows = [_at(result, noise, varied, value) for value in points]
    predicted = [row for row, _ in rows]
    if all(row.leading is not None for row in predicted):
        leading = _first([row.leading for row in predicted])
        # Above the printed form, with which it often coincides.
        axes.plot(points, leading, ":", color="#0072b2", lw=2.2, zorder=3, label="leading order")
        axes.plot(points, _first([row.predicted for row in predicted]), "-", color="#009e73", label="derived")
    if all("compagnoni2025" in printed for _, printed in rows):
        shown = [printed["compagnoni2025"][0] for _, printed in rows]
        axes.plot(points, shown, "-.", color=PRINTED, label="compagnoni2025, printed")
    axes.errorbar(
        points,
        _first([row.simulated for row in predicted]),
        yerr=3 * _first([row.standard_error for row in predicted]),
        fmt="o",
        ms=3,
        color=COLOURS["algorithm"],
        label="optimizer, simulated ± 3 se",
    )
    axes.set_xlabel(label, fontsize=8)
    axes.set_title(f"variance of x1 against {label}", fontsize=8)
    axes.set_ylim(bottom=0)
    axes.xaxis.set_major_locator(MaxNLocator(4))
    axes.tick_params(labelsize=7)


def _first(arrays: list[Any]) -> Array:
    return np.array([a[0] for a in arrays])


def _at(result: StationaryResult, noise: Noise, varied: str, value: float) -> tuple[StationaryRow, dict[str, Array]]:
    """The optimizer in its first coordinate with one number changed."""
    scale = float(np.atleast_1d(noise.scale or 0)[0])
    curvature = float(result.curvatures[0])
    values = dict(result.parameters)
    if varied == "noise":
        scale = value
    elif varied == "curvature":
        curvature = value
    else:
        values[varied] = value
    changed = Noise(noise.law, (scale,), noise.nu, noise.batch, noise.parameters)
    problem: Problem = problem_of(result.optimizer, f"quadratic:{curvature!r}", changed, values)
    return variance_of(problem, PATHS, result.seed)
