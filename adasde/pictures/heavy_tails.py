"""SignSGD and SGD on f = lambda x^2/2 under Student-t noise: where SGD has no mean loss, SignSGD converges."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from scipy import stats

from adasde.ensemble import Array, Ensemble
from adasde.losses.quadratic import Quadratic
from adasde.noise import student_t
from adasde.pictures import Table
from adasde.quantiles import RELATIVE_ERROR
from adasde.simulation import simulate
from adasde.verify.check import FALSE_ALARM
from adasde.verify.sgd_tails import exceedance
from adasde.verify.sign_chain import mean_curves

if TYPE_CHECKING:
    from matplotlib.figure import Figure

QUANTILES = (0.25, 0.5, 0.75, 0.95, 0.99)
"""Of SGD's loss, held against its exact law."""
TIMES = 61


@dataclass(frozen=True, eq=False)
class Tail:
    """Both optimizers under one nu.

    slope           l_nu = mu'(0), rate of SignSGD's mean per lambda/s near the minimum
    bound           (T,), of SignSGD's mean loss while |G| <= that at the start: derived from the secant of mu
    level           lambda/2 times SignSGD's stationary variance to leading order
    exact, spread   E f and Var f of SignSGD at the saved times, by its chain
    factor          lim P(|x| > r)/P(s |Z| > r) for SGD at rest
    sgd_level       E f of SGD at rest; None where the mean does not exist
    reason          why SGD has no SDE; "" where it has one
    chances         P(f > q) of SGD at the end, q the simulated quantiles, which should be 1 - `QUANTILES`
    """

    nu: int
    slope: float
    bound: Array
    level: float
    exact: Array
    spread: Array
    factor: float
    sgd_level: float | None
    reason: str
    signsgd: Ensemble
    sgd: Ensemble
    chances: Array

    @property
    def deviation(self) -> float:
        """SignSGD's simulated mean loss from the exact one at the end, in standard errors."""
        error = math.sqrt(self.spread[-1] / self.signsgd.n[-1])
        return float(self.signsgd.loss_mean[-1] - self.exact[-1]) / error

    @property
    def sgd_deviations(self) -> Array:
        """SGD's quantiles from its exact law, in standard errors of a count, beyond what the histogram rounds."""
        share = 1 - np.array(QUANTILES)
        error = np.sqrt(share * (1 - share) / self.sgd.n[-1])
        # The chance changes by at most about a tenth for f larger by a tenth, so by RELATIVE_ERROR for that.
        gaps: Array = np.maximum(np.abs(self.chances - share) - RELATIVE_ERROR * share, 0.0) / error
        return gaps

    @property
    def holds(self) -> bool:
        limit = stats.norm.isf(FALSE_ALARM / (2 * 3 * (1 + len(QUANTILES))))
        below = bool(np.all(self.exact <= self.bound * (1 + 1e-12)))
        return below and bool(max(abs(self.deviation), *self.sgd_deviations) <= limit)


@dataclass(frozen=True, eq=False)
class TailStudy:
    settings: Mapping[str, Any]
    tails: tuple[Tail, ...]

    @property
    def holds(self) -> bool:
        return all(tail.holds for tail in self.tails)

    def tables(self) -> list[Table]:
        rows = []
        for tail in self.tails:
            end = tail.signsgd
            measured = f"{end.loss_mean[-1]:.4g} ± {end.loss_se[-1]:.1g}"
            level = "none" if tail.sgd_level is None else f"{tail.sgd_level:.4g}"
            q = [f"{tail.sgd.loss_quantile(p)[-1]:.3g}" for p in (0.5, 0.99)]
            verdict = "holds" if tail.holds else "fails"
            rows.append(
                (
                    f"{tail.nu}",
                    f"{tail.slope:.4f}",
                    f"{tail.level:.4g}",
                    f"{tail.exact[-1]:.4g}",
                    measured,
                    level,
                    f"{tail.sgd.loss_mean[-1]:.3g}",
                    *q,
                    f"{tail.factor:.4g}",
                    verdict,
                )
            )
        columns = (
            "nu",
            "l_nu",
            "SignSGD: level",
            "exact",
            "simulated",
            "SGD: E f",
            "mean of paths",
            "median",
            "99 %",
            "tail factor",
            "verdict",
        )
        notes = [
            "Level: eta s/(4 l_nu), to leading order; exact: the birth-death chain. SGD's quantiles are held against "
            "its exact law, from characteristic functions.",
            "Tail factor: P(|x| > r)/P(s |Z| > r) of SGD at rest for large r: its tails are those of the noise.",
            *(f"nu = {tail.nu}: {tail.reason}" for tail in self.tails if tail.reason),
        ]
        if self.tails[0].nu == 1:
            notes.append(
                "nu = 1: SGD's law is Cauchy's with scale s/lambda, whatever lr is: a smaller lr does not help."
            )
        return [Table("Student-t noise: SignSGD converges, SGD keeps the tails", columns, rows, tuple(notes))]

    def figure(self) -> Figure:
        from adasde.pictures.heavy_tails_figure import heavy_tails_figure

        return heavy_tails_figure(self)

    def to_dict(self) -> dict[str, Any]:
        names = ("nu", "slope", "level", "factor", "sgd_level", "reason", "deviation", "holds")
        found = [
            {name: getattr(tail, name) for name in names}
            | {
                "bound": tail.bound.tolist(),
                "exact": tail.exact.tolist(),
                "sgd_deviations": tail.sgd_deviations.tolist(),
                "signsgd": tail.signsgd.to_dict(),
                "sgd": tail.sgd.to_dict(),
            }
            for tail in self.tails
        ]
        return {"settings": dict(self.settings), "tails": found, "holds": self.holds}


def study(settings: Mapping[str, Any], paths: int, seed: int = 0, threads: int | None = None) -> TailStudy:
    """Two simulations for each nu."""
    return TailStudy(settings, tuple(_tail(settings, nu, paths, seed, threads) for nu in settings["degrees"]))


def _tail(settings: Mapping[str, Any], nu: int, paths: int, seed: int, threads: int | None) -> Tail:
    curvature, scale, lr, start, steps = (settings[n] for n in ("curvature", "scale", "lr", "start", "steps"))
    run: dict[str, Any] = {"loss": Quadratic([curvature]), "noise": student_t(nu, scale), "lr": lr, "x0": [start]}
    run |= {"steps": steps, "paths": paths, "seed": seed, "save": TIMES, "threads": threads}
    signsgd, sgd = (simulate(optimizer, "algorithm", **run) for optimizer in ("signsgd", "sgd"))
    _, exact, spread = mean_curves(student_t(nu, scale), scale, curvature, lr, start, steps)
    saved = np.round(signsgd.times / lr).astype(int)
    radii = [math.sqrt(2 * float(sgd.loss_quantile(q)[-1]) / curvature) for q in QUANTILES]
    chances = exceedance(np.array(radii), nu, scale, curvature, lr, start, steps)
    facts = derived(settings, nu, signsgd.times)
    return Tail(nu=nu, exact=exact[saved], spread=spread[saved], signsgd=signsgd, sgd=sgd, chances=chances, **facts)


def derived(settings: Mapping[str, Any], nu: int, times: Array) -> dict[str, Any]:
    """slope, bound, level, factor, sgd_level and reason of `Tail`."""
    import sympy as sp

    from adasde.derive.bounds import L, L_tau, d, mu, sign_bound
    from adasde.derive.expansion import derive
    from adasde.derive.heavy_tails import mean_loss_exists, sign_variance, tail_factor
    from adasde.derive.law import MomentDoesNotExist
    from adasde.derive.noise import StudentT
    from adasde.derive.notation import eta, s
    from adasde.derive.optimizers import registry
    from adasde.derive.phases import phases
    from adasde.derive.stationary import exact as exact_variance
    from adasde.derive.stationary import lamda

    law = StudentT(sp.Integer(nu))
    curvature, scale, lr, start = (settings[name] for name in ("curvature", "scale", "lr", "start"))
    at: dict[Any, Any] = dict.fromkeys((mu, L, L_tau, lamda), curvature) | {d: 1, eta: lr, s: scale}
    found = phases(registry()["signsgd"], law)
    bound = sign_bound(found, sp.Rational(repr(start * curvature / scale)))
    rate, level = float(bound.rate.subs(at)), float(bound.level.subs(at))
    loss = curvature / 2 * start**2
    reason = ""
    try:
        derive(registry()["sgd"], law)
    except MomentDoesNotExist as refused:
        reason = str(refused)
    variance = exact_variance(registry()["sgd"], law) if mean_loss_exists(law) else None
    return {
        "slope": float(found.slope),
        "bound": loss * np.exp(-rate * times) + level * (1 - np.exp(-rate * times)),
        "level": curvature / 2 * float(sign_variance(found).subs(at)),
        "factor": float(tail_factor(registry()["sgd"], law).subs(at)),
        "sgd_level": None if variance is None else curvature / 2 * float(variance.subs(at)),
        "reason": reason,
    }
