"""The figure of the schedules: the loss of both rules for every exponent."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from adasde.pictures.schedules import ScheduleStudy

COLOURS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7")
NAMES = {"sgd": "SGD", "signsgd": "SignSGD"}


def schedules_figure(found: ScheduleStudy) -> Figure:
    """Simulated mean loss as points, the derived equation as lines, the level of a slow schedule dashed."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(10.2, 4.4), layout="constrained", dpi=150)
    rules = list(dict.fromkeys(schedule.rule for schedule in found.schedules))
    panels = dict(zip(rules, figure.subplots(1, len(rules), sharey=True), strict=True))
    for i, schedule in enumerate(found.schedules):
        axes, colour = panels[schedule.rule], COLOURS[i % len(found.settings["exponents"])]
        t = schedule.ensemble.times
        axes.plot(t, schedule.expected, "-", color=colour, lw=1.5, label=f"p = {schedule.exponent:g}, derived")
        axes.plot(
            t[1:],
            schedule.ensemble.loss_mean[1:],
            "o",
            color=colour,
            ms=3.2,
            label=f"p = {schedule.exponent:g}, simulated",
        )
        late = t > 0.05 * t[-1] if schedule.exponent <= 1 else t > t[-1]
        axes.plot(
            t[late],
            schedule.slow * schedule.u[late],
            "--",
            color=colour,
            lw=1.2,
            label=f"p = {schedule.exponent:g}, level if slow" if late.any() else None,
        )
    for rule, axes in panels.items():
        axes.set_xscale("log")
        axes.set_yscale("log")
        axes.set_title(NAMES[rule], fontsize=10)
        axes.set_xlabel("t = η · step", fontsize=9)
        axes.tick_params(labelsize=8)
        axes.legend(fontsize=7.5, loc="lower left", framealpha=0.9)
    panels[rules[0]].set_ylabel("f − min f", fontsize=9)
    c = found.settings["decay"]
    figure.suptitle(
        f"Learning rate η (1 + {c:g} t)⁻ᵖ: p = 1 settles above the level of a slow schedule, p = 2 stops", fontsize=11
    )
    return figure
