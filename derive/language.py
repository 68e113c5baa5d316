"""The words that an update rule is written in, for one import:

    from adasde.derive.language import decay, eta, g, m, sign, update_rule, x

States x, m, v; the stochastic gradient g, the learning rate eta, the number k of the step from 1; hyperparameters by
`decay`, `stabiliser`, `weight_decay`, `hyperparameter` and `count`; the functions that expectations are known of; and
the operations that go beyond one coordinate and one gradient, see `operations`. s is the scale of the gradient noise,
for rules that know it.
"""

from sympy import Abs, Max, Min, exp, sign, sqrt, tanh

from adasde.derive.notation import eta, g, k, m, s, v, x
from adasde.derive.operations import adjoint, gradient, largest, norm, orthogonal, own_noise, total, workers
from adasde.derive.rule import count, decay, hyperparameter, stabiliser, update_rule, weight_decay

__all__ = [
    "Abs",
    "Max",
    "Min",
    "adjoint",
    "count",
    "decay",
    "eta",
    "exp",
    "g",
    "gradient",
    "hyperparameter",
    "k",
    "largest",
    "m",
    "norm",
    "orthogonal",
    "own_noise",
    "s",
    "sign",
    "sqrt",
    "stabiliser",
    "tanh",
    "total",
    "update_rule",
    "v",
    "weight_decay",
    "workers",
    "x",
]
