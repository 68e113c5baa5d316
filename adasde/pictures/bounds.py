"""Loss levels of the optimizers where the inequalities of the bounds are equalities: all curvatures the same.

Printed level, a level that is derived to hold, what the stationary law of the optimizer gives, and what it does.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from scipy import stats

from adasde.ensemble import Array, Ensemble
from adasde.losses.quadratic import Quadratic
from adasde.noise import parse_noise
from adasde.pictures import Table
from adasde.simulation import simulate
from adasde.verify.check import FALSE_ALARM

if TYPE_CHECKING:
    from matplotlib.figure import Figure

TIMES = 61
START = 3.0
"""Of every coordinate, in standard deviations of the stationary law."""
PRINTED = {
    "sgd": "SGD, loss bound",
    "signsgd": "SignSGD, loss bound in phase 3",
    "rmsprop": "RMSprop, asymptotic loss bound",
    "rmspropw": "RMSpropW, asymptotic loss bound",
    "adam": "RMSprop, asymptotic loss bound",
    "adamw": "RMSpropW, asymptotic loss bound",
    "rmsprop + L2": "RMSprop with coupled weight decay, asymptotic loss bound",
    "adam + L2": "RMSprop with coupled weight decay, asymptotic loss bound",
}
"""The statement with the printed level; Lemma 3.13 has the same for Adam as for RMSprop. L2: weight decay that is part
of the gradient."""


@dataclass(frozen=True, eq=False)
class Level:
    """One optimizer; numbers per coordinate, levels of E f - min f.

    printed    the bound as printed
    derived    a bound that holds for the optimizer at these numbers; None where none of its kind is derived
    expected   lambda/2 times the stationary variance to two orders in lr, or the exact one
    ensemble   the simulated optimizer, in ``coordinates`` coordinates
    share      f over the simulated loss, which has a coupled weight decay besides
    """

    optimizer: str
    printed: float
    derived: float | None
    expected: float
    ensemble: Ensemble
    coordinates: int
    share: float = 1.0

    @property
    def per_coordinate(self) -> float:
        """E f of one coordinate over the simulated loss."""
        return self.share / self.coordinates

    @property
    def measured(self) -> float:
        return float(self.ensemble.loss_mean[-1]) * self.per_coordinate

    @property
    def standard_error(self) -> float:
        return float(self.ensemble.loss_se[-1]) * self.per_coordinate

    @property
    def half_width(self) -> float:
        """Of the interval of the mean loss, at a false-alarm rate over all optimizers together."""
        return float(stats.norm.isf(FALSE_ALARM / (2 * len(PRINTED)))) * self.standard_error

    def verdict(self, level: float) -> str:
        """``fails`` where the whole interval of the mean loss is above a level, which a bound must not let happen."""
        return "fails" if self.measured - self.half_width > level else "holds"


@dataclass(frozen=True, eq=False)
class LevelStudy:
    settings: Mapping[str, Any]
    levels: tuple[Level, ...]

    @property
    def holds(self) -> bool:
        """No derived bound is below the simulated loss."""
        return all(level.derived is None or level.verdict(level.derived) != "fails" for level in self.levels)

    def tables(self) -> list[Table]:
        rows = []
        for level in self.levels:
            values = level.measured, level.standard_error
            over = level.measured / level.printed - 1
            derived = ("", "") if level.derived is None else (f"{level.derived:.5f}", level.verdict(level.derived))
            measured = f"{values[0]:.5f} ± {values[1]:.0e}"
            printed = (f"{level.printed:.5f}", level.verdict(level.printed), f"{over:+.1%}")
            rows.append((level.optimizer, *printed, *derived, f"{level.expected:.5f}", measured))
        columns = (
            "optimizer",
            "printed bound",
            "verdict",
            "loss over it",
            "derived bound",
            "verdict",
            "derived level",
            "simulated",
        )
        noise, curvature = self.settings["noise"], self.settings["curvature"]
        notes = (
            f"E f - min f per coordinate on f = {curvature:g} |x|^2/2 with {noise} noise, where mu = L = L_tau per "
            "coordinate: the inequalities of the bounds are equalities, and nothing hides a term.",
            f"A bound fails where the loss is above it by more than its interval, "
            f"± {max(level.half_width / level.measured for level in self.levels):.1%} at most.",
            "Derived bounds are those of the optimizer's own step: 1/(1 - eta kappa/2) for a linear step with V at "
            "rest, the secant of the mean sign up to |Y| = 1 for SignSGD. For Adam(W) none of this kind is derived.",
            "Derived level: stationary variance to two orders in lr, with the fluctuations of V (SGD, SignSGD: exact).",
        )
        return [Table("Loss bounds at rest: printed, derived and simulated", columns, rows, notes)]

    def figure(self) -> Figure:
        from adasde.pictures.bounds_figure import bounds_figure

        return bounds_figure(self)

    def to_dict(self) -> dict[str, Any]:
        found = []
        for level in self.levels:
            verdicts = {"printed_verdict": level.verdict(level.printed)}
            if level.derived is not None:
                verdicts["derived_verdict"] = level.verdict(level.derived)
            numbers = {n: getattr(level, n) for n in ("printed", "derived", "expected", "measured", "standard_error")}
            found.append({"optimizer": level.optimizer, **numbers, **verdicts, "simulated": level.ensemble.to_dict()})
        return {"settings": dict(self.settings), "levels": found, "holds": self.holds}


def study(settings: Mapping[str, Any], paths: int, seed: int = 0, threads: int | None = None) -> LevelStudy:
    """A simulation of each optimizer, and its levels."""
    return LevelStudy(settings, tuple(_level(settings, name, paths, seed, threads) for name in settings["optimizers"]))


def _level(settings: Mapping[str, Any], name: str, paths: int, seed: int, threads: int | None) -> Level:
    optimizer, values, coupled = setting(settings, name)
    # Coupled weight decay adds theta |x|^2/2 to the loss whose gradient is taken.
    curvature, d = settings["curvature"] + coupled, settings["coordinates"]
    variance = _expected(optimizer, curvature, settings["noise"], values)
    ensemble = simulate(
        optimizer,
        "algorithm",
        loss=Quadratic([curvature] * d),
        noise=settings["noise"],
        steps=settings["steps"],
        paths=paths,
        seed=seed,
        save=TIMES,
        x0=[START * variance**0.5] * d,
        init={"v": float(parse_noise(settings["noise"]).scales(1)[0]) ** 2} if "rmsprop" in optimizer else None,
        threads=threads,
        **values,
    )
    share = settings["curvature"] / curvature
    return Level(name, *bounds(settings, name), settings["curvature"] / 2 * variance, ensemble, d, share)


def setting(settings: Mapping[str, Any], name: str) -> tuple[str, dict[str, Any], float]:
    """(optimizer, its hyperparameters, coupled weight decay) of one row."""
    values = dict(settings["optimizers"][name])
    coupled = values.pop("coupled", 0.0)
    return name.partition(" + ")[0], values, coupled


def bounds(settings: Mapping[str, Any], name: str) -> tuple[float, float | None]:
    """(printed level, a derived one that holds) per coordinate, with mu = L = L_tau."""
    import sympy as sp

    from adasde.derive.bounds import L, L_tau, mu, optimizer_bound, sign_bound
    from adasde.derive.law import NotDerivable
    from adasde.derive.notation import eta, s, theta
    from adasde.derive.optimizers import registry
    from adasde.derive.phases import phases
    from adasde.papers.compagnoni2025.bounds import printed_parts

    optimizer, values, coupled = setting(settings, name)
    at: dict[Any, float] = dict.fromkeys((mu, L, L_tau), settings["curvature"])
    scale = float(parse_noise(settings["noise"]).scales(1)[0])
    at |= {eta: values["lr"], s: scale, theta: coupled or values.get("weight_decay", 0.0)}
    printed = printed_parts(PRINTED[name])["level of the bound"]
    rule = registry()[optimizer]
    try:
        if optimizer == "signsgd":
            found = sign_bound(phases(rule), sp.sqrt(2))
        else:
            found = optimizer_bound(rule, coupled=theta if coupled else sp.S.Zero)
    except NotDerivable:
        return float(printed.subs(at)), None
    return float(printed.subs(at)), float(found.level.subs(at))


def _expected(optimizer: str, curvature: float, noise: str, values: Mapping[str, float]) -> float:
    """The stationary variance of the optimizer."""
    from adasde.stationary_problem import problem_of
    from adasde.stationary_terms import predicted_variance

    variance: Array = predicted_variance(problem_of(optimizer, Quadratic([curvature]), noise, values))
    return float(variance[0])
