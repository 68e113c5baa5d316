"""The figure of the bounds: each optimizer's loss coming to rest, beside the printed level and one that holds."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from adasde.pictures.bounds import Level, LevelStudy

PRINTED, DERIVED, LOSS = "#d55e00", "#0072b2", "#1f1f1f"


def bounds_figure(found: LevelStudy) -> Figure:
    from matplotlib.figure import Figure

    figure = Figure(figsize=(12.5, 5.4), layout="constrained", dpi=150)
    for axes, level in zip(figure.subplots(2, 4).ravel(), found.levels, strict=True):
        _panel(axes, level)
    handles = {label: h for a in figure.axes for h, label in zip(*a.get_legend_handles_labels(), strict=True)}
    figure.legend(handles.values(), handles.keys(), loc="outside lower center", ncols=4, frameon=False, fontsize=9)
    lr = next(iter(found.settings["optimizers"].values()))["lr"]
    figure.suptitle(
        f"Loss at rest where the bounds are tight: f = λx²/2, λ = {found.settings['curvature']:g}, "
        f"noise {found.settings['noise']}, lr {lr:g}",
        fontsize=11,
    )
    return figure


def _panel(axes: Axes, level: Level) -> None:
    """The mean loss with three standard errors, near its level."""
    t, unit = level.ensemble.times, level.per_coordinate
    mean, error = level.ensemble.loss_mean * unit, 3 * level.ensemble.loss_se * unit
    axes.fill_between(t, mean - error, mean + error, color=LOSS, alpha=0.25, lw=0)
    axes.plot(t, mean, color=LOSS, lw=1.4, label="optimizer, mean loss ± 3 se")
    axes.axhline(level.printed, ls="--", color=PRINTED, lw=1.6, label="printed bound")
    if level.derived is not None:
        axes.axhline(level.derived, ls="--", color=DERIVED, lw=1.6, label="derived bound")
    axes.axhline(level.expected, ls=":", color="#009e73", lw=1.8, label="derived stationary loss")
    shown = [v for v in (level.printed, level.derived, level.expected) if v is not None]
    room = max(max(shown) - min(shown), 0.06 * level.expected)
    axes.set_ylim(min(shown) - room, max(shown) + 2 * room)
    axes.set_xlim(0, t[-1])
    verdict = level.verdict(level.printed)
    axes.set_title(
        f"{level.optimizer}: printed bound {verdict}\nloss over it {level.measured / level.printed - 1:+.1%}",
        fontsize=9.5,
        color=PRINTED if verdict == "fails" else LOSS,
    )
    axes.set_xlabel("t = η · step", fontsize=8)
    axes.set_ylabel("f − min f, per coordinate", fontsize=8)
    axes.tick_params(labelsize=7)
    axes.locator_params(nbins=5)
