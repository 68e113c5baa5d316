"""Figures: the loss of the optimizer over those of its SDE models, with bands."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from adasde.ensemble import Array, Ensemble

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
DECADES = 20
"""Ratio of the largest to the smallest mean loss from which a logarithmic axis is used."""
STYLES = {"algorithm": "-", "sde": "--", "compagnoni2025": "-.", "malladi2022": ":"}


def loss_bands(ensembles: Sequence[Ensemble]) -> Figure:
    """E f over t for each ensemble, with a band of one standard deviation over paths."""
    figure = _figure(6.4, 4.0)
    axes = figure.subplots()
    for ensemble in ensembles:
        draw_loss(axes, ensemble, model_label(ensemble))
    first = ensembles[0]
    means = np.concatenate([ensemble.loss_mean for ensemble in ensembles])
    if np.nanmin(means) > 0 and np.nanmax(means) > DECADES * np.nanmin(means):
        axes.set_yscale("log")
        axes.set_ylim(*_log_limits(means))
    axes.set_title(f"{first.optimizer} on {first.loss}\nnoise {first.noise} per sample", fontsize=10)
    axes.set_xlabel("t = lr · step")
    axes.set_ylabel("loss f, mean ± one standard deviation over paths")
    axes.legend(frameon=False, fontsize=9)
    return figure


def model_label(ensemble: Ensemble) -> str:
    """``optimizer``, or the model with its time step."""
    if ensemble.model == "algorithm":
        return "optimizer"
    return f"{ensemble.model}, dt = lr" + ("" if ensemble.substeps == 1 else f"/{ensemble.substeps}")


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
                    draw_loss(axes, ensemble, model_label(ensemble), floor)
            axes.set_yscale("log")
            shown = (comparison.algorithm, *comparison.ensembles)
            axes.set_ylim(*_log_limits(np.concatenate([e.loss_mean - floor for e in shown])))
            axes.set_title(comparison.algorithm.optimizer if i == 0 else "", fontsize=10)
            axes.set_xlabel("t = lr · step", fontsize=8)
            axes.tick_params(labelsize=7)
            axes.xaxis.set_major_locator(MaxNLocator(4))
            axes.yaxis.set_minor_formatter(NullFormatter())
            labels |= dict(zip(*axes.get_legend_handles_labels()[::-1], strict=True))
        grid[i, 0].set_ylabel(name.replace(", ", "\n", 1) + "\nf - min f", fontsize=8)
    figure.legend(
        labels.values(), labels.keys(), loc="outside lower center", ncols=len(labels), frameon=False, fontsize=9
    )
    figure.suptitle(title, fontsize=11)
    return figure


def _log_limits(values: Array) -> tuple[float, float]:
    positive = values[np.isfinite(values) & (values > 0)]
    return float(positive.min() / 2), float(positive.max() * 1.6)


def _figure(width: float, height: float) -> Figure:
    from matplotlib.figure import Figure

    return Figure(figsize=(width, height), layout="constrained", dpi=150)
