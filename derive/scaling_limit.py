"""From an update rule to the leading term of one step, h0, with the hyperparameters scaled by eta.

beta_i = 1 - eta rho_i and k = t/eta + 1. Schedules (beta_i^k) are taken to their limit e^(-rho_i t) first; then the
increment of each state is expanded in eta. A rate that may grow like eta^-zeta, zeta < 1 (rho1 of a first moment)
enters through the product eta rho1, which is not expanded: it is 0.1 for beta1 = 0.9, whatever eta is.
"""

from __future__ import annotations

from dataclasses import dataclass

import sympy as sp

from adasde.derive import notation
from adasde.derive.model import Named
from adasde.derive.noise import NotDerivable
from adasde.derive.notation import G, Z, eta, g, k, s, t
from adasde.derive.rule import Hyperparameter, UpdateRule


@dataclass(frozen=True)
class Increment:
    """One step divided by eta.

    leading      h0 per state, in Z and the names
    correction   h1 per state: the next term, so that Delta = eta (h0 + eta h1 + ...)
    schedules    ((beta^k, its limit), ...)
    named        P, gamma1, ...
    """

    leading: tuple[sp.Expr, ...]
    correction: tuple[sp.Expr, ...]
    schedules: tuple[tuple[sp.Expr, sp.Expr], ...]
    named: Named


def increment(rule: UpdateRule) -> Increment:
    """The leading term h0 of one step divided by eta, and the next one, with the gradient written as G + s Z."""
    schedules = tuple((h.symbol**k, schedule_limit(h)) for h in rule.hyperparameters if h.rate is not None)
    used = tuple((power, limit) for power, limit in schedules if any(u.has(power) for u in rule.update))
    kept = {h.rate: sp.Dummy(f"eta {h.rate}", positive=True) for h in rule.hyperparameters if h.large and h.rate}
    leading, correction = [], []
    for state, update in zip(rule.states, rule.update, strict=True):
        change = _scaled(update - state, used, rule, kept)
        if sp.expand(change.subs(eta, 0).subs(dict.fromkeys(kept.values(), 0))) != 0:
            raise NotDerivable(
                f"{rule.name}: the increment of {state} does not vanish with eta: a fast state is not supported"
            )
        first, second = _two_terms(change, str(state), rule)
        back = {symbol: eta * rate for rate, symbol in kept.items()}
        leading.append(first.subs(back))
        correction.append(second.subs(back))
    names = _Names()
    return Increment(
        leading=tuple(sp.factor_terms(names.apply(h)) for h in leading),
        correction=tuple(names.apply(h) for h in correction),
        schedules=used,
        named=names.named,
    )


def schedule_limit(decay: Hyperparameter) -> sp.Expr:
    """lim of (1 - eta rho)^(t/eta + 1) as eta -> 0, by the limit of its logarithm."""
    return sp.exp(sp.limit((t / eta + 1) * sp.log(decay.scaled), eta, 0))


def _scaled(
    change: sp.Expr,
    schedules: tuple[tuple[sp.Expr, sp.Expr], ...],
    rule: UpdateRule,
    kept: dict[sp.Symbol, sp.Dummy],
) -> sp.Expr:
    change = change.subs(dict(schedules))
    if change.has(k):
        raise NotDerivable(f"{rule.name}: the step number enters other than through beta^k: {change}")
    for h in rule.hyperparameters:
        if h.rate is not None:
            change = change.subs(h.symbol, 1 - kept[h.rate] if h.rate in kept else h.scaled)
    return change.subs(g, G + s * Z)


def _two_terms(change: sp.Expr, state: str, rule: UpdateRule) -> tuple[sp.Expr, sp.Expr]:
    """The first two non-vanishing orders of the increment, each divided by eta: eta h0 + eta^2 h1."""
    terms: list[sp.Expr] = []
    for n in range(3):
        coefficient = (sp.diff(change, eta, n) if n else change).subs(eta, 0) / sp.factorial(n)
        if coefficient.has(sp.zoo, sp.nan, sp.oo):
            raise NotDerivable(f"{rule.name}: the increment of {state} is not smooth in eta at 0")
        if not terms and sp.expand(coefficient) == 0:
            continue
        if n == 0:
            coefficient = sp.factor(sp.expand(coefficient))
        terms.append(coefficient * eta ** (n - 1))
        if len(terms) == 2:
            break
    if not terms:
        raise NotDerivable(f"{rule.name}: the increment of {state} vanishes to second order in eta")
    return terms[0], terms[1] / eta if len(terms) > 1 else sp.S.Zero


class _Names:
    """Gives the recurring sub-expressions of an adaptive method the names that papers use.

    gamma_i = 1 - e^(-rho_i t), the bias factors; P = sqrt(v [/ gamma2]) + eps, the preconditioner. Names come before
    expectations are taken, so that the equations stay as short as an author would write them.
    """

    def __init__(self) -> None:
        self._named: dict[sp.Symbol, sp.Expr] = {}

    @property
    def named(self) -> Named:
        return tuple(sorted(self._named.items(), key=lambda pair: (pair[0].name == "P", str(pair[0]))))

    def apply(self, expression: sp.Expr) -> sp.Expr:
        for rate, index in ((notation.rho1, 1), (notation.rho2, 2)):
            expression = self._replace(expression, 1 - sp.exp(-rate * t), sp.Symbol(f"gamma{index}", positive=True))
        roots = [e for e in sp.preorder_traversal(expression) if e.is_Add and e.has(notation.eps) and not e.has(Z)]
        for preconditioner in roots[-1:]:
            expression = self._replace(expression, preconditioner, sp.Symbol("P", positive=True))
        return expression

    def _replace(self, expression: sp.Expr, value: sp.Expr, name: sp.Symbol) -> sp.Expr:
        replaced = expression.subs(value, name)
        if replaced != expression:
            if self._named.setdefault(name, value) != value:
                return expression
            return replaced
        return expression
