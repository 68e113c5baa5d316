"""The cases of rung 5: rules, the models that are held against them, and models with one deliberate mistake."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import sympy as sp
from sympy import sign, sqrt

from adasde.derive.expansion import MODELS, derive
from adasde.derive.law import NotDerivable
from adasde.derive.model import SDE
from adasde.derive.notation import eta, g, m, v, x
from adasde.derive.optimizers import registry
from adasde.derive.rule import UpdateRule, decay, hyperparameter, stabiliser, update_rule
from adasde.errors import UnknownName
from adasde.rules import base_of, is_file, rule_of
from adasde.verify import orders
from adasde.verify.orders import Reproduction, WeakOrder
from adasde.verify.problem import default_problem


@update_rule(states=(x, m, v), nonnegative=(v,), dialect="paper", cite="kingma2015")
def adam_uncorrected(beta1=decay(1, 0.9), beta2=decay(2, 0.999), eps=stabiliser()):  # type: ignore[no-untyped-def]  # noqa: B008
    """Adam without bias correction."""
    m_next = beta1 * m + (1 - beta1) * g
    v_next = beta2 * v + (1 - beta2) * g**2
    return {x: x - eta * m_next / (sqrt(v_next) + eps), m: m_next, v: v_next}


@update_rule(states=(x, m), dialect="paper", cite="chen2023")
def lion(beta1=hyperparameter("beta1", 0.9, "[0, 1)"), beta2=decay(2, 0.99)):  # type: ignore[no-untyped-def]  # noqa: B008
    """Lion without weight decay."""
    return {x: x - eta * sign(beta1 * m + (1 - beta1) * g), m: beta2 * m + (1 - beta2) * g}


@dataclass(frozen=True)
class Case:
    """A rule and a remark on its problem or its slopes."""

    rule: UpdateRule
    remark: str = ""


def cases() -> dict[str, Case]:
    """All cases by name."""
    shipped = registry()
    return {
        "sgd": Case(shipped["sgd"], "noise depends on the state"),
        "signsgd": Case(shipped["signsgd"]),
        "rmsprop": Case(shipped["rmsprop"], "the step in x uses the new v"),
        "adam": Case(shipped["adam"], "starts at t = 1/2: the bias factors are singular at 0"),
        "adam_uncorrected": Case(adam_uncorrected),
        "lion": Case(lion, "beta1 = 1/2 is fixed as eta falls"),
    }


def models(rule: UpdateRule) -> list[tuple[str, SDE]]:
    """sde, and where it can be derived order2 with every mutant of it."""
    try:
        corrected = derive(rule, order=2).sde
    except NotDerivable:
        return [("sde", derive(rule).sde)]
    return [("sde", derive(rule).sde), ("order2", corrected), *mutants(corrected)]


def mutants(sde: SDE) -> list[tuple[str, SDE]]:
    """The model with one mistake each: a drift entry without its terms in eta, an entry of the noise reversed where a
    Brownian motion is shared (all its correlations through that motion flip), a Brownian motion left out."""
    drift, diffusion = sde.drift, sde.diffusion
    found = []
    for i, state in enumerate(sde.states):
        if drift[i].has(eta):
            found.append((f"order2, drift of {state} without eta", _with_drift(sde, i, drift[i].subs(eta, 0))))
    for j in range(diffusion.cols):
        sharing = [i for i in range(diffusion.rows) if (diffusion[i, j] / sp.sqrt(eta)).subs(eta, 0) != 0]
        for i in sharing[:-1]:
            name = f"order2, noise {j + 1} of {sde.states[i]} reversed"
            found.append((name, _with_diffusion(sde, {(i, j): -diffusion[i, j]})))
        without = {(i, j): sp.S.Zero for i in range(diffusion.rows)}
        found.append((f"order2, without noise {j + 1}", _with_diffusion(sde, without)))
    return found


def _with_drift(sde: SDE, row: int, value: sp.Expr) -> SDE:
    drift = sde.drift.as_mutable()
    drift[row] = value
    return dataclasses.replace(sde, drift=sp.ImmutableDenseMatrix(drift))


def _with_diffusion(sde: SDE, entries: dict[tuple[int, int], sp.Expr]) -> SDE:
    diffusion = sde.diffusion.as_mutable()
    for at, value in entries.items():
        diffusion[at] = value
    return dataclasses.replace(sde, diffusion=sp.ImmutableDenseMatrix(diffusion))


def measure(name: str) -> list[WeakOrder]:
    """All models of a case, at all of `orders.ETAS` for those of the table. Raises `UnknownName`, and `NotDerivable`
    where there is no model, or orders are not measured for want of a `default_problem`."""
    case = _case(name)
    default_problem(case.rule)  # what it refuses is refused before the models are derived, which may take long
    return orders.weak_orders(case.rule, models(case.rule), etas=orders.ETAS if name in cases() else None)


def reproduce(name: str) -> list[Reproduction]:
    """The committed slopes of a case against slopes measured now. Raises `UnknownName`."""
    return reproduction(name, measure(name))


def rewrite(names: Sequence[str] | None = None) -> None:
    """Measures cases (by default all) and replaces the committed table; other cases stay as they are."""
    committed = orders.table()

    def measured() -> Iterable[tuple[str, str, Sequence[WeakOrder]]]:
        for name, case in cases().items():
            if names is None or name in names:
                yield name, case.remark, measure(name)
            elif name in committed:
                yield name, case.remark, committed[name]

    orders.write(measured())


def reproduction(name: str, fresh: Sequence[WeakOrder]) -> list[Reproduction]:
    """Slopes measured afresh against the committed ones; nothing where the table has no such case."""
    return orders.compare(orders.table()[name], fresh) if name in orders.table() else []


def as_expected(order: WeakOrder) -> bool:
    """Whether a derived model has its order, or a model with a mistake has lost it."""
    return order.holds if order.model in MODELS.values() else order.loses


def _case(name: str) -> Case:
    """A case of the table, a shipped rule or ``./file.py:name``, either of these with what `adasde.rules` knows to go
    around it."""
    if name in cases():
        return cases()[name]
    if name not in registry() and name == base_of(name) and not is_file(name):
        raise UnknownName("case", name, {**cases(), **registry()})
    return Case(rule_of(name))
