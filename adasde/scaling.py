"""A scaling rule with numbers: hyperparameters before and after a change of the batch. Loads sympy when called."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from adasde.domain import checked
from adasde.errors import InvalidParameter, UnknownName
from adasde.noise_scale import MeasuredNoiseScale, regime_test
from adasde.scaling_cautions import cautions_about

if TYPE_CHECKING:
    from adasde.derive.rule import UpdateRule
    from adasde.derive.scaling import ScalingRule

DECAYS = ("linear", "power")
"""How a decay changes: 1 - beta -> kappa (1 - beta), or beta -> beta^kappa, equal to first order in 1 - beta."""
DIALECTS = ("torch", "optax", "mosaicml")
"""Whose weight decay: x <- (1 - lr wd) x in torch and optax, x <- (1 - wd) x in MosaicML's decoupled optimizers. What
is added to the gradient instead is a part of the loss in all of them."""


@dataclass(frozen=True)
class Scaling:
    """What `scale` returns.

    before, after   hyperparameters by name, in the dialect's units; ``after`` with the decays as ``decays`` says
    linear, power   the new decays as 1 - kappa (1 - beta) and as beta^kappa, by name; nan where that is outside [0, 1)
    multipliers     by what lr, 1 - beta, weight decay, eps, ... are multiplied
    run             {"steps": (old, new), "warmup": ..., "ema": ...}, those that were given
    regime_test     noise scale, batches over it, verdict
    """

    rule: UpdateRule = field(repr=False)
    derived: ScalingRule = field(repr=False)
    batch: tuple[int, int]
    decays: str
    dialect: str
    before: dict[str, float]
    after: dict[str, float]
    linear: dict[str, float]
    power: dict[str, float]
    multipliers: dict[str, float]
    run: dict[str, tuple[float, float]]
    regime_test: dict[str, Any]
    cautions: tuple[str, ...]

    @property
    def kappa(self) -> float:
        return self.batch[1] / self.batch[0]

    @property
    def bare_decay(self) -> bool:
        """Whether the weight decay is one that the dialect does not multiply by lr."""
        return bare_decay(self.rule, self.dialect)

    def rule_values(self, values: Mapping[str, float]) -> dict[str, float]:
        """Hyperparameters of the dialect in those of the rule."""
        found = dict(values)
        if self.bare_decay and found.get("weight_decay"):
            found["weight_decay"] /= found["lr"]
        return found

    def to_dict(self) -> dict[str, Any]:
        """The contract of ``adasde scaling-rule --json``."""
        from adasde.snippets import optax_line, torch_line

        return {
            "optimizer": self.rule.name,
            "batch": list(self.batch),
            "kappa": self.kappa,
            "dialect": self.dialect,
            "before": self._side(self.before, 0),
            "after": self._side(self.after, 1),
            "multipliers": self.multipliers,
            "powers": {name: str(power) for name, power in self.derived.powers.items()},
            "invariants": [{"where": t.where, "term": str(t.term)} for t in self.derived.invariants],
            "not_kept": [{"where": t.where, "term": str(t.term), "power": str(t.excess)} for t in self.derived.lost],
            "regime": self.derived.regime,
            "regime_test": self.regime_test,
            "cautions": list(self.cautions),
            "torch": torch_line(self.rule, self.after, self.dialect),
            "optax": optax_line(self.rule, self.rule_values(self.after)),
        }

    def _side(self, values: dict[str, float], end: int) -> dict[str, Any]:
        betas = [name for name in values if name.startswith("beta")]
        powers = values if end == 0 else values | self.power
        linear = values if end == 0 else values | self.linear
        found: dict[str, Any] = {
            "lr": values["lr"],
            "betas": [_or_none(linear[name]) for name in betas],
            "betas_power": [powers[name] for name in betas],
            "weight_decay": values.get("weight_decay"),
            "eps": values.get("eps"),
        }
        others = {name: value for name, value in values.items() if name not in found and name not in betas}
        return found | others | {name: ends[end] for name, ends in self.run.items()}


def _or_none(value: float) -> float | None:
    return None if math.isnan(value) else value


def scale(
    optimizer: str,
    batch: tuple[int, int],
    given: Mapping[str, float],
    *,
    regime: str = "noise-dominated",
    decays: str = "linear",
    dialect: str = "torch",
    steps: int | None = None,
    warmup: int | None = None,
    ema: float | None = None,
    noise_scale: MeasuredNoiseScale | None = None,
) -> Scaling:
    """The hyperparameters of ``optimizer`` for another batch.

    given        hyperparameters by name; the rest at their defaults
    noise_scale  tr Sigma / |grad f|^2, the batch at which noise and signal of a gradient are equal
    Raises `InvalidParameter` for anything outside its domain, for 1 - kappa (1 - beta) outside [0, 1) with linear
    decays, and `adasde.derive.scaling.NoScalingRule` where there is no rule.
    """
    from adasde.derive.scaling import scaling_rule
    from adasde.rules import rule_of

    if dialect not in DIALECTS:
        raise UnknownName("dialect", dialect, DIALECTS)
    rule = rule_of(optimizer)
    derived = scaling_rule(rule, regime)
    before = _values(rule, given)
    kappa = batch[1] / batch[0]
    decay_names = [h.name for h in rule.hyperparameters if h.rate is not None]
    multipliers = {f"1 - {name}" if name in decay_names else name: derived.multiplier(name, kappa) for name in before}
    if bare_decay(rule, dialect):
        multipliers["weight_decay"] *= multipliers["lr"]
    factors = {name: multipliers[f"1 - {name}"] for name in decay_names}
    power = {name: _short(before[name] ** factors[name]) for name in decay_names}
    linear = {name: _linear(rule, name, before[name], factors[name], kappa, decays) for name in decay_names}
    others = {name: multipliers[name] * value for name, value in before.items() if name not in decay_names}
    after = {
        name: others[name] if name in others else (linear if decays == "linear" else power)[name] for name in before
    }
    test = regime_test(batch, noise_scale)
    run = _run(kappa, steps, warmup, ema)
    found = Scaling(rule, derived, batch, decays, dialect, before, after, linear, power, multipliers, run, test, ())
    return replace(found, cautions=tuple(cautions_about(found, noise_scale)))


def bare_decay(rule: UpdateRule, dialect: str) -> bool:
    """Whether a rule has decoupled weight decay that the dialect does not multiply by lr."""
    from adasde.derive.one_step import decay_in_the_loss

    coupled = decay_in_the_loss(rule)
    decays = {h.name for h in rule.hyperparameters} - ({coupled.name} if coupled is not None else set())
    return dialect == "mosaicml" and "weight_decay" in decays


def _values(rule: UpdateRule, given: Mapping[str, float]) -> dict[str, float]:
    """The given values and the defaults of the rest, all checked."""
    owner = {alias: h for h in rule.hyperparameters for alias in (h.name, *h.aliases)}
    values = {h.name: h.default for h in rule.hyperparameters}
    for name, value in given.items():
        if name not in owner:
            raise UnknownName(f"{rule.name}: hyperparameter", name, values)
        values[owner[name].name] = checked(f"{rule.name}: {name}", value, owner[name].domain)
    return values


def _linear(rule: UpdateRule, name: str, beta: float, factor: float, kappa: float, decays: str) -> float:
    """1 - kappa (1 - beta); nan, or a refusal where it is what was asked for, where that is negative."""
    value = 1 - factor * (1 - beta)
    # At the largest kappa itself rounding leaves a few ulp on either side of 0.
    value = 0.0 if abs(value) < 1e-12 else value
    if value >= 0:
        return _short(value)
    if decays == "power":
        return math.nan
    largest = kappa / factor / (1 - beta)
    power = beta**factor
    remedy = (
        f"the largest kappa is 1/(1 - {name}) = {largest:.6g}; or take {name}^kappa = {power:.6g} with --decays power, "
        f"an average over {1 / (1 - power):.3g} steps"
    )
    raise InvalidParameter(f"{rule.name}: 1 - kappa (1 - {name})", f"{value:.6g}", "[0, 1)", remedy)


def _short(value: float) -> float:
    """Without the last digit, which rounding has spoilt: 0.6, not 0.6000000000000001."""
    return float(f"{value:.15g}")


def _run(kappa: float, steps: int | None, warmup: int | None, ema: float | None) -> dict[str, tuple[float, float]]:
    """Steps and warm-up at the same samples, and the decay of a model average over the same samples."""
    run: dict[str, tuple[float, float]] = {}
    for name, value in (("steps", steps), ("warmup", warmup)):
        if value is not None:
            run[name] = (value, round(value / kappa))
    if ema is not None:
        decay = checked("model EMA: decay", ema, "[0, 1)")
        run["ema"] = (decay, decay**kappa)
    return run
