"""The scaling rule of every shipped optimizer with the batch, in one table."""

from __future__ import annotations

from dataclasses import dataclass

from adasde.derive.law import NotDerivable
from adasde.derive.optimizers import registry
from adasde.derive.scaling import REGIMES, scaling_rule


@dataclass(frozen=True)
class ScalingRow:
    """The answer for one optimizer.

    powers        of kappa = new batch/old batch, by hyperparameter; for a decay that of 1 - beta; None where there is
                  no rule
    undetermined  hyperparameters that no leading term has, which stay as they are
    lost          invariants of second moments that are kept only as long as kappa (1 - beta) << 1
    reason        why there is no rule; empty where there is one
    """

    optimizer: str
    dialect: str
    powers: dict[str, str] | None
    undetermined: tuple[str, ...] = ()
    lost: int = 0
    reason: str = ""


def scaling_table(regime: str = REGIMES[0]) -> list[ScalingRow]:
    """One row for every shipped optimizer, in alphabetical order; Gaussian noise."""
    return [scaling_row(name, regime) for name in registry()]


def scaling_row(name: str, regime: str = REGIMES[0]) -> ScalingRow:
    """What `derive.scaling.scaling_rule` says of one shipped optimizer."""
    rule = registry()[name]
    try:
        found = scaling_rule(rule, regime)
    except NotDerivable as reason:
        return ScalingRow(name, rule.dialect, None, reason=str(reason).removeprefix(f"{name}: "))
    powers = {hyperparameter: str(power) for hyperparameter, power in found.powers.items()}
    return ScalingRow(name, rule.dialect, powers, found.undetermined, len(found.lost))
