"""What a verification run is about: one optimizer, one model, one noise law."""

from __future__ import annotations

from dataclasses import dataclass
from types import ModuleType
from typing import Any

import sympy as sp

from adasde import optimizers
from adasde.derive.expansion import MODELS, derive
from adasde.derive.functions import Expectation, empirical_sign
from adasde.derive.laws import law_named
from adasde.derive.model import SDE
from adasde.derive.rule import UpdateRule
from adasde.ensemble import Array
from adasde.errors import UnknownName
from adasde.noise import Noise
from adasde.papers import papers
from adasde.rules import rule_of
from adasde.verify import quadrature
from adasde.verify.evaluation import Sums
from adasde.verify.nodes import kernel_nodes
from adasde.verify.quadrature import Nodes


@dataclass(frozen=True, eq=False)
class Setting:
    """The optimizer as it was spelled, its rule, the model's SDE, its kernels, and the run's numbers."""

    optimizer: str
    rule: UpdateRule
    sde: SDE
    module: ModuleType
    noise: Noise
    values: dict[str, float]

    @property
    def algorithm(self) -> Any:
        return self.module.algorithm

    @property
    def step(self) -> Any:
        return self.module.MODELS[self.sde.model][self.noise.law]

    def numbers(self, **changed: float) -> dict[sp.Symbol, float]:
        """Symbol -> value for hyperparameters, rates and nu, with some hyperparameters changed."""
        values = self.values | changed
        found = {h.symbol: values[h.name] for h in self.rule.hyperparameters}
        rates = {h.rate: float(h.rate_of_decay.subs(found)) for h in self.rule.hyperparameters if h.rate is not None}
        return found | rates | self.law_numbers

    @property
    def law_numbers(self) -> dict[sp.Symbol, float]:
        """The law's own symbols and their values."""
        return dict(zip(self.sde.law.parameters, self.noise.law_data.tolist(), strict=False))

    @property
    def sums(self) -> Sums:
        """How the kernels evaluate expectations without a closed form: by their nodes, or all atoms of data."""
        found: dict[type, Nodes] = {}
        if self.module.QUADRATURE:
            found[Expectation] = kernel_nodes(self.noise, self.module.QUADRATURE)
        if self.noise.law == "empirical":
            found[empirical_sign] = quadrature.atoms(self.noise)
        return found

    def parameter_array(self, **changed: float) -> Array:
        """The array p of the kernels, with some hyperparameters changed."""
        return optimizers.parameter_array(self.module, self.values | changed, self.noise)


def setting(optimizer: str, model: str, noise: Noise, values: dict[str, float]) -> Setting:
    """Builds a `Setting`; raises `UnknownName` or `NoModel` where there is no such model under this noise."""
    module = optimizers.kernels(optimizer, noise.law_key)
    if model == "algorithm":
        raise UnknownName(f"{optimizer}: model", model, [name for name in module.MODELS if name != "algorithm"])
    optimizers.require_model(optimizer, model, module)
    law, rule = law_named(noise.law_key), rule_of(optimizer)
    orders = {name: order for order, name in MODELS.items()}
    derived = model in orders
    sde = derive(rule, law, orders[model]).sde if derived else papers()[model][optimizer].equations(law)
    noise.require_moment(sde.moments, f"{optimizer}, model {model}")
    return Setting(optimizer, rule, sde, module, noise, values)
