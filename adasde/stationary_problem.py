"""An optimizer on a quadratic as `adasde.stationary` takes it: numbers, symbols and models. Loads sympy when called."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from adasde import optimizers
from adasde.ensemble import Array
from adasde.errors import InvalidParameter, NoModel
from adasde.losses import parse_loss
from adasde.losses.base import Loss
from adasde.noise import Noise, parse_noise

if TYPE_CHECKING:
    from adasde.derive.law import Law
    from adasde.derive.model import SDE
    from adasde.derive.rule import UpdateRule


@dataclass(frozen=True)
class Problem:
    """An optimizer on a quadratic, as numbers and as symbols.

    hessian  (d, d); scales (d,), standard scale of each coordinate's noise at this batch
    """

    optimizer: str
    rule: UpdateRule
    law: Law
    noise: Noise
    values: dict[str, float]
    hessian: Array
    scales: Array
    models: Mapping[str, SDE] = field(repr=False)

    @property
    def separable(self) -> bool:
        """Whether the coordinates are independent: H diagonal and uncorrelated noise."""
        return self.noise.correlation is None and not np.any(self.hessian - np.diag(np.diag(self.hessian)))

    @cached_property
    def symbols(self) -> dict[Any, Any]:
        """Numbers for the rule's symbols, exact rationals, without those of one coordinate."""
        import sympy as sp

        lr = self.values["lr"]
        numbers = () if self.noise.law == "student-t" else self.noise.law_data.tolist()
        found = {y: sp.Rational(repr(value)) for y, value in zip(self.law.parameters, numbers, strict=False)}
        for h in self.rule.hyperparameters[1:]:
            value = self.values[h.name]
            found[h.symbol] = sp.Rational(repr(float(value)))
            if h.rate is not None:
                found[h.rate] = (1 - found[h.symbol]) / sp.Rational(repr(lr))
        return found

    def at(self, curvature: float, scale: float) -> dict[Any, Any]:
        import sympy as sp

        from adasde.derive.notation import s
        from adasde.derive.stationary import lamda

        return self.symbols | {lamda: sp.Rational(repr(float(curvature))), s: sp.Rational(repr(float(scale)))}


def problem_of(optimizer: str, loss: Loss | str, noise: Noise | str, hyperparameters: Mapping[str, float]) -> Problem:
    """The problem by its spelling, checked. Raises `InvalidParameter` and its kin."""
    from adasde.derive.stationary import require_settled
    from adasde.rules import rule_of

    loss = parse_loss(loss) if isinstance(loss, str) else loss
    noise = parse_noise(noise) if isinstance(noise, str) else noise
    d = loss.dimension
    if not loss.name.startswith("quadratic") or noise.scale is None:
        what, domain = (loss.name, "the quadratics") if noise.scale is not None else ("data", "the numbers")
        remedy = "a minimum is linearised as quadratic:@H.npy with its Hessian, and a number for the noise scale"
        raise InvalidParameter("stationary: loss and noise", what, domain, remedy)
    hessian = np.diag(loss.data) if loss.data.size == d else loss.data.reshape(d, d)
    least = float(np.linalg.eigvalsh(hessian).min())
    if least <= 0:
        raise InvalidParameter("stationary: least eigenvalue of H", f"{least:.3g}", "(0, inf)", "give a minimum")
    module = optimizers.kernels(optimizer, noise.law_key)
    rule, law = rule_of(optimizer), _law(noise)
    require_settled(rule)
    values = optimizers.hyperparameters(optimizer, hyperparameters)
    models = {model: _sde(rule, law, model) for model in module.MODELS if model != "algorithm"}
    if rule.composite:
        _require_expandable(optimizer, models)
    return Problem(optimizer, rule, law, noise, values, hessian, noise.scales(d), models)


def _require_expandable(optimizer: str, models: dict[str, SDE]) -> None:
    """Refuses models whose variance at rest is not O(eta), or whose drift is no function of one gradient."""
    from adasde.derive.notation import H, Ht, eta
    from adasde.derive.operations import Operation

    for model, sde in models.items():
        entries = [*sde.full_drift, *sde.full_covariance]
        if any(entry.has(H, Ht) or entry.atoms(Operation) for entry in entries):
            remedy = "it has the Hessian as an operator, or sums over coordinates; use `adasde simulate`"
            raise NoModel(
                f"{optimizer}: stationary, model", model, "the models of one gradient in one coordinate", remedy
            )
        if any(entry.subs(eta, 0) != 0 for entry in sde.full_covariance):
            remedy = "the rule's own noise keeps it of order one as eta vanishes; use `adasde simulate`"
            raise NoModel(f"{optimizer}: stationary, model", model, "the models with a covariance O(eta)", remedy)


def _law(noise: Noise) -> Law:
    """The law with its numbers in place of its symbols where a number decides which moments exist."""
    import sympy as sp

    from adasde.derive.laws import law_named
    from adasde.derive.noise import StudentT

    if noise.law == "student-t":
        return StudentT(sp.Rational(repr(float(noise.nu))))
    return law_named(noise.law_key)


def _sde(rule: UpdateRule, law: Law, model: str) -> SDE:
    from adasde.derive.expansion import MODELS, derive
    from adasde.papers import papers

    orders = {name: order for order, name in MODELS.items()}
    return derive(rule, law, orders[model]).sde if model in orders else papers()[model][rule.name].equations(law)
