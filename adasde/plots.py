"""Figures: the loss of the optimizer over those of its SDE models, with bands."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from adasde.ensemble import Ensemble

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

COLOURS = {
    "algorithm": "#1f1f1f",
    "sde": "#0072b2",
    "compagnoni2025": "#d55e00",
    "malladi2022": "#009e73",
}
"""One colour a model (Okabe-Ito, safe for colour-blind readers)."""
STYLES = {"algorithm": "-", "sde": "--", "compagnoni2025": "-.", "malladi2022": ":"}


def loss_bands(ensembles: Mapping[str, Ensemble]) -> Figure:
    """E f over t for each labelled ensemble, with a band of one standard deviation over paths."""
    figure = _figure(6.4, 4.0)
    axes = figure.subplots()
    for label, ensemble in ensembles.items():
        draw_loss(axes, ensemble, label)
    first = next(iter(ensembles.values()))
    floor = min(float(np.nanmin(e.loss_mean - e.loss_std)) for e in ensembles.values())
    if floor > 0:
        axes.set_yscale("log")
    axes.set_title(f"{first.optimizer} on {first.loss}\nnoise {first.noise} per sample", fontsize=10)
    axes.set_xlabel("t = lr · step")
    axes.set_ylabel("loss f, mean ± one standard deviation over paths")
    axes.legend(frameon=False, fontsize=9)
    return figure


def draw_loss(axes: Axes, ensemble: Ensemble, label: str, shift: float = 0.0) -> None:
    """One curve and its band; ``shift`` is subtracted from the loss."""
    colour = COLOURS.get(ensemble.model, "#cc79a7")
    mean, spread, t = ensemble.loss_mean - shift, ensemble.loss_std, ensemble.times
    style = STYLES.get(ensemble.model, "--")
    axes.plot(t, mean, style, color=colour, lw=1.6, label=label, zorder=3 if ensemble.model != "algorithm" else 2)
    axes.fill_between(t, mean - spread, mean + spread, color=colour, alpha=0.15, lw=0)


def comparison_grid(rows: Sequence[tuple[str, float, Sequence[Any]]], title: str) -> Figure:
    """One row a loss, one column an optimizer: excess loss of the optimizer and of each model at its smallest dt.

    rows: (row title, least loss, comparisons).
    """
    from matplotlib.ticker import MaxNLocator, NullFormatter

    columns = max(len(comparisons) for _, _, comparisons in rows)
    figure = _figure(2.5 * columns + 0.6, 2.5 * len(rows) + 1.0)
    grid = figure.subplots(len(rows), columns, squeeze=False)
    labels: dict[str, Any] = {}
    for i, (name, floor, comparisons) in enumerate(rows):
        for j, comparison in enumerate(comparisons):
            axes = grid[i, j]
            smallest = max((e.substeps for e in comparison.ensembles), default=1)
            draw_loss(axes, comparison.algorithm, "optimizer", floor)
            for ensemble in comparison.ensembles:
                if ensemble.substeps == smallest:
                    draw_loss(axes, ensemble, f"{ensemble.model}, dt = lr/{smallest}", floor)
            axes.set_yscale("log")
            axes.set_ylim(*_limits(comparison, floor))
            axes.set_title(comparison.algorithm.optimizer if i == 0 else "", fontsize=10)
            axes.set_xlabel("t = lr · step", fontsize=8)
            axes.tick_params(labelsize=7)
            axes.xaxis.set_major_locator(MaxNLocator(4))
            axes.yaxis.set_minor_formatter(NullFormatter())
            labels |= dict(zip(*axes.get_legend_handles_labels()[::-1], strict=True))
        grid[i, 0].set_ylabel(name.replace(", ", "\n", 1) + "\nf - min f", fontsize=8)
    figure.legend(labels.values(), labels.keys(), loc="outside lower center", ncols=len(labels), frameon=False, fontsize=9)
    figure.suptitle(title, fontsize=11)
    return figure


def _limits(comparison: Any, floor: float) -> tuple[float, float]:
    means = np.concatenate([e.loss_mean - floor for e in (comparison.algorithm, *comparison.ensembles)])
    positive = means[np.isfinite(means) & (means > 0)]
    return float(positive.min() / 2), float(positive.max() * 1.6)


def _figure(width: float, height: float) -> Figure:
    from matplotlib.figure import Figure

    return Figure(figsize=(width, height), layout="constrained", dpi=150)
