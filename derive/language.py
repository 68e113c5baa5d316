"""The words that an update rule is written in, for one import:

    from adasde.derive.language import decay, eta, g, m, sign, update_rule, x

States x, m, v, and further ones by `state`; the stochastic gradient g, the learning rate eta, the number k of the step
from 1; hyperparameters by `decay`, `stabiliser`, `weight_decay`, `coupled_decay`, `hyperparameter` and `count`; steps
that are treated apart by `first_step`, `early` and `every`; the functions that expectations are known of; and the
operations that go beyond one coordinate and one gradient, see `operations`. s is the scale of the gradient noise, for
rules that know it.
"""

from sympy import Abs, Max, Min, exp, sign, sqrt, tanh

from adasde.derive.branches import early, every, first_step
from adasde.derive.notation import eta, g, k, m, s, state, v, x
from adasde.derive.operations import adjoint, gradient, largest, norm, orthogonal, own_noise, total, workers
from adasde.derive.rule import count, coupled_decay, decay, hyperparameter, stabiliser, update_rule, weight_decay

__all__ = [
    "Abs",
    "Max",
    "Min",
    "adjoint",
    "count",
    "coupled_decay",
    "decay",
    "early",
    "eta",
    "every",
    "exp",
    "first_step",
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
    "state",
    "tanh",
    "total",
    "update_rule",
    "v",
    "weight_decay",
    "workers",
    "x",
]
