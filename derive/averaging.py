"""An average of the parameters around any rule: one more state, which the rule itself never reads."""

from __future__ import annotations

import dataclasses

from adasde.derive import notation
from adasde.derive.branches import first_step
from adasde.derive.notation import state, x
from adasde.derive.rule import Hyperparameter, UpdateRule

average = state("average", like=x, meaning="average of the parameters")


def averaged(rule: UpdateRule, decay: float = 0.999) -> UpdateRule:
    """``rule`` with average <- ema average + (1 - ema) x after every step; the first step copies x.

    As torch's AveragedModel with an exponential average. As eta -> 0 at (1 - ema)/eta = rho_a the average has no noise
    of its own, d average = rho_a (x - average) dt.
    """
    moved = rule.update[0]
    meaning = notation.MEANINGS[notation.ema].meaning
    held = Hyperparameter("ema", notation.ema, meaning, "[0, 1)", decay, "decay", rate=notation.rho_a)
    return dataclasses.replace(
        rule,
        name=f"{rule.name}_averaged",
        title=f"{rule.title}; with an average of the parameters",
        states=(*rule.states, average),
        update=(*rule.update, first_step(moved, notation.ema * average + (1 - notation.ema) * moved)),
        hyperparameters=(*rule.hyperparameters, held),
        source="derive/optimizers/averages.py",
    )
