"""The words that an update rule is written in, for one import:

    from adasde.derive.language import decay, eta, g, m, sign, update_rule, x

States x, m, v; the stochastic gradient g, the learning rate eta, the number k of the step from 1; hyperparameters by
`decay`, `stabiliser`, `weight_decay` and `hyperparameter`; and the functions that expectations are known of.
"""

from sympy import Abs, Max, Min, exp, sign, sqrt, tanh

from adasde.derive.notation import eta, g, k, m, v, x
from adasde.derive.rule import decay, hyperparameter, stabiliser, update_rule, weight_decay

__all__ = [
    "Abs",
    "Max",
    "Min",
    "decay",
    "eta",
    "exp",
    "g",
    "hyperparameter",
    "k",
    "m",
    "sign",
    "sqrt",
    "stabiliser",
    "tanh",
    "update_rule",
    "v",
    "weight_decay",
    "x",
]
