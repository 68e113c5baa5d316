"""Rung 6: the model against the optimizer at dt = eta, eta/4 and eta/16."""

from __future__ import annotations

from typing import Any

from adasde.comparison import Comparison, compare
from adasde.verify.check import Check
from adasde.verify.setting import Setting

SUBSTEPS = (1, 4, 16)
OUTCOMES = {"agrees": "holds", "undecided": "undecided", "differs": "fails", "diverged": "fails"}


def refinement(setting: Setting, arguments: dict[str, Any]) -> list[Check]:
    """Final mean loss of the model and of the optimizer on common noise; agreement must not depend on dt."""
    return checks(compare(setting.optimizer, [setting.sde.model], substeps=SUBSTEPS, **arguments))


def checks(comparison: Comparison) -> list[Check]:
    """One `Check` for each model and time step of a comparison."""
    final = comparison.algorithm
    found = []
    for agreement in comparison.agreements:
        size = f"within {agreement.margin:.0%} of the excess loss"
        statement = f"{agreement.model} at dt = eta/{agreement.substeps}: final loss on {final.loss} {size}"
        interval = f"[{agreement.low:+.2%}, {agreement.high:+.2%}]"
        measured = f"difference {agreement.difference:+.2%} {interval}, optimizer {final.loss_mean[-1]:.4g}"
        if agreement.verdict == "diverged":
            measured = f"{int(final.diverged[-1])} optimizer paths of {final.paths} diverged"
        found.append(Check(6, statement, OUTCOMES[agreement.verdict], measured))
    return found
