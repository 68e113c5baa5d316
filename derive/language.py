"""The words that an update rule is written in, for one import:

    from adasde.derive.language import decay, eta, g, m, sign, update_rule, x

States x, m, v, and further ones by `state`; the stochastic gradient g, the learning rate eta, the number k of the step
from 1; hyperparameters by `decay`, `stabiliser`, `weight_decay`, `coupled_decay` and `hyperparameter`; steps that are
treated apart by `first_step`, `early` and `every`; and the functions that expectations are known of.
"""

from sympy import Abs, Max, Min, exp, sign, sqrt, tanh

from adasde.derive.branches import early, every, first_step
from adasde.derive.notation import eta, g, k, m, state, v, x
from adasde.derive.rule import coupled_decay, decay, hyperparameter, stabiliser, update_rule, weight_decay

__all__ = [
    "Abs",
    "Max",
    "Min",
    "coupled_decay",
    "decay",
    "early",
    "eta",
    "every",
    "exp",
    "first_step",
    "g",
    "hyperparameter",
    "k",
    "m",
    "sign",
    "sqrt",
    "stabiliser",
    "state",
    "tanh",
    "update_rule",
    "v",
    "weight_decay",
    "x",
]
