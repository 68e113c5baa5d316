"""Rules with an average of their parameters around them."""

from adasde.derive.averaging import averaged
from adasde.derive.optimizers.adam import adam
from adasde.derive.optimizers.sgd import sgd

sgd_averaged = averaged(sgd)
adam_averaged = averaged(adam)
