"""Figures of a study: losses over time, one panel an optimizer."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from adasde.nets.study import Finished

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

STYLES = {
    "algorithm-minibatch": ("optimizer, real minibatches", "#1f1f1f", "-"),
    "algorithm-full": ("optimizer, injected Gaussian noise", "#8a8a8a", "-"),
    "sde-full": ("sde, full Σ, dt = lr", "#0072b2", "--"),
    "sde-full-dt4": ("sde, full Σ, dt = lr/4", "#0072b2", ":"),
    "sde-diagonal": ("sde, diagonal Σ, dt = lr", "#e69f00", "--"),
    "sde-diagonal-dt4": ("sde, diagonal Σ, dt = lr/4", "#e69f00", ":"),
    "sde-empirical": ("sde, empirical P(g < 0), dt = lr", "#cc79a7", "--"),
    "sde-empirical-dt4": ("sde, empirical P(g < 0), dt = lr/4", "#cc79a7", ":"),
    "compagnoni2025-full": ("compagnoni2025, full Σ", "#d55e00", "-."),
    "malladi2022-full": ("malladi2022, full Σ", "#009e73", "-."),
}
"""Label, colour (Okabe-Ito) and line of each curve."""


LEAVES = "a curve that leaves its panel blew up"
MAIN = ("algorithm-minibatch", "algorithm-full", "sde-full", "sde-diagonal", "sde-empirical")
"""Curves of the overview."""


def overview_figure(finished: Sequence[Finished]) -> Figure:
    """Mean losses of the main curves of all networks, a row each, and of all optimizers, a column each."""
    from matplotlib.figure import Figure

    nets = list(dict.fromkeys(one.task.net for one in finished))
    names = list(dict.fromkeys(one.task.setting.optimizer for one in finished))
    figure = Figure(figsize=(1.9 * len(names) + 0.6, 1.45 * len(nets) + 1.0), layout="constrained", dpi=100)
    grid = figure.subplots(len(nets), len(names), squeeze=False)
    labels: dict[str, Any] = {}
    for i, net in enumerate(nets):
        for j, name in enumerate(names):
            axes = grid[i, j]
            chosen = [one for one in finished if (one.task.net, one.task.setting.optimizer) == (net, name)]
            axes.tick_params(labelsize=6, which="both")
            axes.set_visible(bool(chosen))
            if chosen:
                _draw(axes, [one for one in chosen if one.task.curve.name in MAIN])
                labels |= dict(zip(*axes.get_legend_handles_labels()[::-1], strict=True))
            if i == 0:
                axes.set_title(name, fontsize=9)
        grid[i, 0].set_ylabel(net, fontsize=7)
    for axes in grid[-1]:
        axes.set_xlabel("step", fontsize=7)
    figure.legend(labels.values(), labels.keys(), loc="outside lower center", ncols=3, frameon=False, fontsize=7)
    return figure


def loss_figure(finished: Sequence[Finished], title: str) -> Figure:
    """Mean loss over seeds of every curve of one network, with a band of one standard deviation for the optimizer and
    the model with the full Sigma at dt = lr. Where a seed diverged the mean stops."""
    from matplotlib.figure import Figure

    names = list(dict.fromkeys(one.task.setting.optimizer for one in finished))
    columns = min(3, len(names))
    rows = -(-len(names) // columns)
    figure = Figure(figsize=(max(8.6, 4.3 * columns), 3.4 * rows + 1.3), layout="constrained", dpi=130)
    grid = figure.subplots(rows, columns, squeeze=False).ravel()
    labels: dict[str, Any] = {}
    for axes, name in zip(grid, names, strict=False):
        chosen = [one for one in finished if one.task.setting.optimizer == name]
        _draw(axes, chosen)
        labels |= dict(zip(*axes.get_legend_handles_labels()[::-1], strict=True))
        setting = chosen[0].task.setting
        words = [name, *(f"{k} {v:g}" for k, v in setting.hyperparameters.items())]
        seeds_of_curves = Counter(one.task.curve.name for one in chosen).values()
        if len(set(seeds_of_curves)) > 1:
            words.append("unfinished")
        axes.set_title(", ".join(words), fontsize=8)
        axes.set_xlabel("step", fontsize=8)
        axes.tick_params(labelsize=7, which="both")
    for axes in grid[len(names) :]:
        axes.set_visible(False)
    for axes in grid[::columns]:
        axes.set_ylabel("loss over all samples", fontsize=8)
    figure.legend(labels.values(), labels.keys(), loc="outside lower center", ncols=3, frameon=False, fontsize=8)
    seeds = len({one.task.seed for one in finished})
    what = f"mean over {seeds} seeds ± one sd" if seeds > 1 else "one seed"
    batch = finished[0].task.setting.batch
    figure.suptitle(f"{title}\nminibatches of {batch} with replacement; {what}; {LEAVES}", fontsize=10)
    return figure


def _draw(axes: Axes, finished: Sequence[Finished]) -> None:
    from matplotlib.ticker import LogLocator, NullFormatter

    shown = []
    for curve, (label, colour, line) in STYLES.items():
        chosen = [one for one in finished if one.task.curve.name == curve]
        if not chosen:
            continue
        steps, losses = np.array(chosen[0].task.setting.saved), np.array([one.losses for one in chosen])
        mean = losses.mean(axis=0)
        shown.append(mean)
        axes.plot(steps, mean, line, color=colour, lw=1.4, label=label)
        if curve in ("algorithm-minibatch", "sde-full") and len(chosen) > 1:
            spread = losses.std(axis=0, ddof=1)
            axes.fill_between(steps, mean - spread, mean + spread, color=colour, alpha=0.15, lw=0)
    finite = np.concatenate([mean[np.isfinite(mean)] for mean in shown])
    axes.set_yscale("log")
    axes.yaxis.set_major_locator(LogLocator(subs=(1.0, 2.0, 5.0)))
    axes.yaxis.set_major_formatter("{x:g}")
    axes.yaxis.set_minor_formatter(NullFormatter())
    start = shown[0][0]
    axes.set_ylim(finite.min() * 0.85, min(finite.max(), 3 * start) * 1.1)
