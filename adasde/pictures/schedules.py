"""SGD and SignSGD on f = lambda x^2/2 with the learning rate eta u_t, u = (1 + c t)^-p: how far the loss falls.

dS/dt = -rate u S + source u^2. For p < 1 the loss settles at source/rate times u, as printed; for p = 1 at
source/(rate - c) times u, if c < rate; for p > 1 the integral of u is finite, and the loss stops above 0.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from scipy import integrate, stats

from adasde.ensemble import Array, Ensemble
from adasde.losses.quadratic import Quadratic
from adasde.noise import parse_noise
from adasde.pictures import Table
from adasde.simulation import simulate
from adasde.verify.check import FALSE_ALARM

if TYPE_CHECKING:
    from matplotlib.figure import Figure

RULES = ("sgd", "signsgd")
SAVED = 41
TOLERANCE = 0.05
"""Of the loss at the end, besides noise: what has not settled by then, and terms of higher order in eta u."""


@dataclass(frozen=True, eq=False)
class Schedule:
    """One rule with one exponent; arrays over the saved times.

    u          (T,)
    bound      (T,), of the optimizer: derived, it holds
    expected   (T,), the derived equation to leading order in eta, solved
    recursion  (T,), E f of SGD exactly; None for SignSGD
    slow, limit   f/u at the end of time: of a schedule that is slow, u'/u^2 -> 0, printed for SignSGD; and of this one,
                  None where f does not fall like u
    """

    rule: str
    exponent: float
    u: Array
    bound: Array
    expected: Array
    recursion: Array | None
    slow: float
    limit: float | None
    ensemble: Ensemble

    @property
    def half_width(self) -> float:
        """Of the interval of the mean loss at the end."""
        return float(stats.norm.isf(FALSE_ALARM / (2 * 6))) * float(self.ensemble.loss_se[-1])

    @property
    def measured(self) -> float:
        """f/u at the end."""
        return float(self.ensemble.loss_mean[-1] / self.u[-1])

    def agrees(self, value: float, tolerance: float = TOLERANCE) -> bool:
        """Whether the mean loss at the end is a value, up to noise and the tolerance."""
        return abs(float(self.ensemble.loss_mean[-1]) - value) <= self.half_width + tolerance * value

    @property
    def holds(self) -> bool:
        """The derived equation, its bound, and for SGD the exact recursion without a tolerance."""
        below = float(self.ensemble.loss_mean[-1]) - self.half_width <= self.bound[-1]
        exact = self.recursion is None or self.agrees(float(self.recursion[-1]), 0.0)
        return below and exact and self.agrees(float(self.expected[-1]))


@dataclass(frozen=True, eq=False)
class ScheduleStudy:
    settings: Mapping[str, Any]
    schedules: tuple[Schedule, ...]

    @property
    def holds(self) -> bool:
        return all(found.holds for found in self.schedules)

    def tables(self) -> list[Table]:
        rows = []
        for found in self.schedules:
            end = float(found.u[-1])
            slow = "holds" if found.agrees(found.slow * end) else "fails"
            error = found.half_width / end
            limit = "none: f stays above 0" if found.limit is None else f"{found.limit:.5f}"
            verdict = "holds" if found.holds else "fails"
            rows.append(
                (
                    found.rule,
                    f"{found.exponent:g}",
                    f"{found.slow:.5f}",
                    slow if found.limit is not None else "no claim",
                    limit,
                    f"{found.expected[-1] / end:.5f}",
                    f"{found.measured:.5f} ± {error:.1g}",
                    verdict,
                )
            )
        columns = (
            "optimizer",
            "p",
            "f/u, slow schedule",
            "verdict",
            "derived limit",
            "derived at the end",
            "simulated",
            "verdict",
        )
        s = self.settings
        notes = (
            f"u = (1 + {s['decay']:g} t)^-p, f/u after {s['steps']} steps, t = {s['steps'] * s['lr']:g}; ± is the "
            f"interval of the mean; false alarms below {FALSE_ALARM:g} for all rows together.",
            "f/u of a slow schedule, source/rate, is printed for SignSGD where u -> 0 and its integral is infinite; it "
            "needs u'/u^2 -> 0 as well, which 1/t lacks: there it is off by 1/(1 - c/rate).",
        )
        return [Table("Schedules of the learning rate: the loss over u", columns, rows, notes)]

    def figure(self) -> Figure:
        from adasde.pictures.schedules_figure import schedules_figure

        return schedules_figure(self)

    def to_dict(self) -> dict[str, Any]:
        names = ("rule", "exponent", "slow", "limit", "measured", "half_width", "holds")
        found = []
        for schedule in self.schedules:
            curves = {name: getattr(schedule, name) for name in ("u", "bound", "expected", "recursion")}
            arrays = {name: None if curve is None else curve.tolist() for name, curve in curves.items()}
            simulated = schedule.ensemble.to_dict() | {"optimizer": f"{schedule.rule}_schedule"}
            found.append({name: getattr(schedule, name) for name in names} | arrays | {"simulated": simulated})
        return {"settings": dict(self.settings), "schedules": found, "holds": self.holds}


def study(settings: Mapping[str, Any], paths: int, seed: int = 0, threads: int | None = None) -> ScheduleStudy:
    """A simulation for each rule and exponent."""
    cases = [(rule, p) for rule in RULES for p in settings["exponents"]]
    return ScheduleStudy(settings, tuple(_schedule(settings, rule, p, paths, seed, threads) for rule, p in cases))


def _schedule(
    settings: Mapping[str, Any], rule: str, exponent: float, paths: int, seed: int, threads: int | None
) -> Schedule:
    from adasde.papers.compagnoni2025 import schedules

    steps = settings["steps"]
    ensemble = simulate(
        f"{Path(str(schedules.__file__))}:{rule}_schedule",
        "algorithm",
        loss=Quadratic([settings["curvature"]]),
        noise=settings["noise"],
        steps=steps,
        paths=paths,
        seed=seed,
        save=sorted({0, *np.unique(np.geomspace(1, steps, SAVED).round().astype(int)).tolist()}),
        x0=[settings["start"]],
        threads=threads,
        lr=settings["lr"],
        exponent=exponent,
        decay=settings["decay"],
    )
    saved = np.round(ensemble.times / settings["lr"]).astype(int)
    recursion = sgd_loss(settings, exponent)[saved] if rule == "sgd" else None
    facts = derived(settings, rule, exponent, ensemble.times)
    return Schedule(rule=rule, exponent=exponent, recursion=recursion, ensemble=ensemble, **facts)


def sgd_loss(settings: Mapping[str, Any], exponent: float) -> Array:
    """(steps + 1,): E f of SGD, from E x'^2 = (1 - eta u lambda)^2 E x^2 + (eta u s)^2."""
    curvature, lr, steps = settings["curvature"], settings["lr"], settings["steps"]
    rates = lr * (1 + settings["decay"] * lr * np.arange(steps)) ** -exponent
    square = np.empty(steps + 1)
    square[0] = settings["start"] ** 2
    for k, rate in enumerate(rates):
        square[k + 1] = (1 - rate * curvature) ** 2 * square[k] + (rate * _scale(settings)) ** 2
    loss: Array = curvature / 2 * square
    return loss


def derived(settings: Mapping[str, Any], rule: str, exponent: float, times: Array) -> dict[str, Any]:
    """u, bound, expected, slow and limit of `Schedule`."""
    import sympy as sp

    from adasde.derive.bounds import L, L_tau, d, mu, optimizer_bound, sde_bound, settled, sign_bound
    from adasde.derive.law import NotDerivable
    from adasde.derive.notation import eta, s, t
    from adasde.derive.optimizers import registry
    from adasde.derive.phases import phases
    from adasde.papers.compagnoni2025.bounds import linear_phase

    curvature, scale, start, c = settings["curvature"], _scale(settings), settings["start"], settings["decay"]
    at: dict[Any, Any] = dict.fromkeys((mu, L, L_tau), curvature) | {d: 1, eta: settings["lr"], s: scale}
    if rule == "sgd":
        near, safe = sde_bound(registry()["sgd"]), optimizer_bound(registry()["sgd"])
    else:
        border = sp.Rational(repr(start * curvature / scale))
        near, safe = linear_phase(), sign_bound(phases(registry()["signsgd"]), border)
    schedule = (1 + sp.nsimplify(c) * t) ** -sp.nsimplify(exponent)
    numbers = type(near)(near.rate.subs(at), near.source.subs(at))
    try:
        limit = float(settled(numbers, schedule))
    except NotDerivable:
        limit = None
    curves = [
        _solved(float(b.rate.subs(at)), float(b.source.subs(at)), curvature / 2 * start**2, c, exponent, times)
        for b in (safe, near)
    ]
    u = (1 + c * times) ** -exponent
    return {"u": u, "bound": curves[0], "expected": curves[1], "slow": float(numbers.level), "limit": limit}


def _solved(rate: float, source: float, start: float, c: float, exponent: float, times: Array) -> Array:
    """S of dS/dt = -rate u S + source u^2 at the times."""

    def slope(time: float, loss: Array) -> Array:
        u = (1 + c * time) ** -exponent
        change: Array = -rate * u * loss + source * u**2
        return change

    found: Any = integrate.solve_ivp(
        slope, (0.0, float(times[-1])), [start], t_eval=times, method="LSODA", rtol=1e-9, atol=1e-14
    )
    loss: Array = found.y[0]
    return loss


def _scale(settings: Mapping[str, Any]) -> float:
    return float(parse_noise(settings["noise"]).scales(1)[0])
