"""The figure of heavy tails: a panel for each nu."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from adasde.pictures.heavy_tails import Tail, TailStudy

SIGN, SGD, BOUND = "#0072b2", "#d55e00", "#1f1f1f"


def heavy_tails_figure(found: TailStudy) -> Figure:
    from matplotlib.figure import Figure

    figure = Figure(figsize=(10.8, 4.3), layout="constrained", dpi=150)
    panels = figure.subplots(1, len(found.tails), sharey=True, squeeze=False)[0]
    for axes, tail in zip(panels, found.tails, strict=True):
        _panel(axes, tail)
    panels[0].set_ylabel("f − min f", fontsize=9)
    handles, labels = panels[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=3, frameon=False, fontsize=8.5)
    lr = found.settings["lr"]
    figure.suptitle(f"Student-t noise on f = λx²/2, lr {lr:g}: a sign removes the tails that SGD keeps", fontsize=11)
    return figure


def _panel(axes: Axes, tail: Tail) -> None:
    t = tail.signsgd.times
    for ensemble, colour, name in ((tail.sgd, SGD, "SGD"), (tail.signsgd, SIGN, "SignSGD")):
        low, high = ensemble.loss_quantile(0.05), ensemble.loss_quantile(0.95)
        axes.fill_between(t, low, high, color=colour, alpha=0.15, lw=0, label=f"{name}, 5 % to 95 % of paths")
    axes.plot(t, tail.sgd.loss_mean, "-", color=SGD, lw=0.9, alpha=0.8, label="SGD, average over paths")
    axes.plot(t, tail.sgd.loss_quantile(0.5), "-", color=SGD, lw=1.8, label="SGD, median")
    axes.plot(t, tail.signsgd.loss_mean, "-", color=SIGN, lw=1.8, label="SignSGD, mean")
    axes.plot(t, tail.bound, "--", color=BOUND, lw=1.3, label="SignSGD, derived bound of the mean")
    axes.set_yscale("log")
    axes.set_xlim(0, t[-1])
    axes.set_ylim(3e-5, max(3e4, 2 * tail.sgd.loss_mean.max()) if tail.nu == 1 else None)
    mean = "E f does not exist" if tail.sgd_level is None else f"E f = {tail.sgd_level:.3g}"
    axes.set_title(f"ν = {tail.nu}: SGD's {mean};\nSignSGD's is {tail.exact[-1]:.3g}", fontsize=9.5)
    axes.set_xlabel("t = η · step", fontsize=9)
    axes.tick_params(labelsize=8)
