"""The noise diagnostics as a figure: quantiles, degrees of freedom, P(g < 0), and the spectrum of Sigma."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from scipy import special, stats

from adasde.nets.diagnostics import LARGEST_NU, NoiseReport

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

NOISE, NULL, THEORY = "#d55e00", "#8a8a8a", "#1f1f1f"


def noise_figure(report: NoiseReport, title: str) -> Figure:
    """Four panels on the noise of minibatches; Gaussian noise of the same size is grey in each."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(9.6, 7.6), layout="constrained", dpi=130)
    (a, b), (c, d) = figure.subplots(2, 2)
    _quantiles(a, report)
    _degrees(b, report)
    _negative(c, report)
    _spectrum(d, report)
    figure.suptitle(f"{title}\ngradient noise of minibatches of {report.batch}, loss {report.loss:.3g}", fontsize=10)
    return figure


def _quantiles(axes: Axes, report: NoiseReport) -> None:
    values = np.sort(report.standardised.ravel())
    place = (np.arange(values.size) + 0.5) / values.size
    ends = np.arange(min(40, values.size))
    kept = np.unique(np.concatenate([np.linspace(0, values.size - 1, 400).astype(int), ends, values.size - 1 - ends]))
    normal = special.ndtri(place)
    axes.plot(normal[kept], normal[kept], color=NULL, lw=1.2, label="Gaussian")
    nu = report.nu.median
    if 2 < nu < LARGEST_NU:
        student = stats.t.ppf(place[kept], nu) * np.sqrt((nu - 2) / nu)
        axes.plot(normal[kept], student, color=THEORY, lw=1.2, ls="--", label=f"Student-t, ν = {nu:.2g}, variance 1")
    axes.plot(normal[kept], values[kept], ".", color=NOISE, ms=3, label="minibatches")
    axes.set_xlabel("normal quantile")
    axes.set_ylabel("quantile of (g − G)/s")
    axes.set_title(f"QQ plot, {report.coordinates} coordinates × {report.minibatches} minibatches", fontsize=9)
    axes.legend(frameon=False, fontsize=8)


def _degrees(axes: Axes, report: NoiseReport) -> None:
    from matplotlib.ticker import MaxNLocator

    bins = np.geomspace(min(report.nus.min(), 1.0), LARGEST_NU * 1.01, 26).tolist()
    axes.hist(report.null_nus, bins, color=NULL, alpha=0.6, label="Gaussian null")
    axes.hist(report.nus, bins, histtype="step", color=NOISE, lw=1.8, label="minibatches")
    axes.set_xscale("log")
    axes.yaxis.set_major_locator(MaxNLocator(integer=True))
    axes.set_xlabel(f"ν of the Student-t fit (cut at {LARGEST_NU:g})")
    axes.set_ylabel("coordinates")
    axes.set_title(f"{report.below_null:.0%} of coordinates below the null's 5 % quantile", fontsize=9)
    axes.legend(frameon=False, fontsize=8)


def _negative(axes: Axes, report: NoiseReport) -> None:
    axes.plot([0, 1], [0, 1], color=NULL, lw=1.2)
    axes.plot(report.predicted, report.negative, ".", color=NOISE, ms=2.5, alpha=0.5)
    axes.set_xlabel("Φ(−G/s), the Gaussian prediction")
    axes.set_ylabel("P(g < 0) of real minibatches")
    axes.set_title(f"mean gap {report.negative_gap:.3f}, by sampling alone {report.negative_gap_null:.3f}", fontsize=9)


def _spectrum(axes: Axes, report: NoiseReport) -> None:
    axes.loglog(np.arange(1, report.eigenvalues.size + 1), report.eigenvalues, color=NOISE, lw=1.6)
    axes.axvline(report.effective_rank, color=THEORY, ls="--", lw=1)
    axes.set_xlabel("number")
    axes.set_ylabel("eigenvalue of Σ, per sample")
    axes.set_title(f"effective rank {report.effective_rank:.1f} (dashed) of {report.dimension}", fontsize=9)
