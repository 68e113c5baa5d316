"""From an update rule to the leading terms of one step, with the hyperparameters scaled by eta.

beta_i = 1 - eta rho_i and k = t/eta + 1. For order one, schedules (beta_i^k) go to their limit e^(-rho_i t); for order
two they stay exact, beta_i^k = e^(-r_i (t + eta)) with r_i = -log(1 - eta rho_i)/eta. Then the increment of each state
is expanded in eta. A rate that may grow like eta^-zeta, zeta < 1 (rho1 of a first moment) enters through the product
eta rho1, which is not expanded: it is 0.1 for beta1 = 0.9, whatever eta is. A step number that stands alone, as in 1/k,
or in a learning rate that is a function of eta k, is k = (t + eta)/eta, where order one drops the eta beside t.
Branches of the first steps are left out.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

import sympy as sp

from adasde.derive.branches import has_early_branch, late
from adasde.derive.law import NotDerivable
from adasde.derive.names import Named, Names
from adasde.derive.notation import G, Z, eta, k, t
from adasde.derive.operations import Own, require_uncoupled, with_noise
from adasde.derive.rule import Hyperparameter, UpdateRule


class NoDrift(NotDerivable):
    """A state whose increment does not vanish with eta: in this scaling it has no drift and covariance to match."""


Schedules = tuple[tuple[sp.Expr, sp.Expr], ...]


@dataclass(frozen=True)
class Increment:
    """One step divided by eta: Delta = eta (h0 + eta h1 + ...).

    leading      h0 per state, in Z and the names
    correction   h1 per state
    schedules    ((beta^k, what it is replaced by), ...)
    named        P, gamma1, ...
    counted      whether the step number enters in another way, as in 1/k, that has no limit at time 0
    branched     whether the rule has a first step, or first steps, of its own
    """

    leading: tuple[sp.Expr, ...]
    correction: tuple[sp.Expr, ...]
    schedules: Schedules
    named: Named
    counted: bool = False
    branched: bool = False

    @property
    def singular(self) -> bool:
        """Whether the increments blow up, or are those of another branch, at the optimizer's own start."""
        return self.counted or self.branched


@cache
def increment(rule: UpdateRule, order: int = 1) -> Increment:
    """The leading term h0 of one step divided by eta, and the next one, with the gradient written as G + s Z;
    the same under every noise law, and more than half the work of a derivation."""
    require_uncoupled(rule.name, rule.states, rule.update)
    after = sp.Dummy("t after the step", positive=True)
    rates, schedules = _schedules(rule, order, after)
    kept = {h.rate: sp.Dummy(f"eta {h.rate}", positive=True) for h in rule.hyperparameters if h.large and h.rate}
    back = {symbol: eta * rate for rate, symbol in kept.items()} | {after: t if order == 1 else t + eta}
    updates = [late(update, rule.name) for update in rule.update]
    leading, correction = [], []
    for state, update in zip(rule.states, updates, strict=True):
        change = _scaled(update - state, schedules, rule, kept, after)
        limit = _at_zero(change)
        if limit is None:
            raise NotDerivable(_without_limit(rule, state, update))
        if sp.expand(limit.subs(dict.fromkeys(kept.values(), 0))) != 0:
            raise NoDrift(_fast_state(rule, state, update))
        first, second = _two_terms(change, state, update, rule, order)
        leading.append(first.subs(back))
        correction.append(second.subs(back))
    names = Names(rates, t + eta if order == 2 else t)
    leading = [sp.factor_terms(names.apply(h)) for h in leading]
    correction = [names.apply(h) for h in correction]
    named = names.apply_to_signs([*leading, *correction])
    return Increment(
        leading=tuple(named[: len(leading)]),
        correction=tuple(named[len(leading) :]),
        schedules=tuple((power, value.subs(back)) for power, value in schedules),
        named=names.named,
        counted=any(_counts(update, rule) for update in updates),
        branched=any(map(has_early_branch, rule.update)),
    )


def _counts(update: sp.Expr, rule: UpdateRule) -> bool:
    """Whether k stands in an update other than through beta^k or a schedule that is finite at eta k = 0."""
    powers = {h.symbol**k: sp.Dummy() for h in rule.hyperparameters if h.rate is not None}
    time = sp.Dummy("eta k", positive=True)
    begun = update.subs(powers).subs(k, time / eta).subs(time, 0)
    return bool(begun.has(sp.zoo, sp.nan, sp.oo))


def _without_limit(rule: UpdateRule, state: sp.Symbol, update: sp.Expr) -> str:
    """Why an increment that is not smooth in eta is refused, with the power of k to blame where there is one."""
    powers = {h.symbol**k for h in rule.hyperparameters if h.rate is not None}
    blamed = sorted((e for e in update.atoms(sp.Pow) if e.has(k) and e not in powers and e.exp != -1), key=sp.count_ops)
    blamed = [e for e in blamed if not e.base.has(*powers)]
    why = f": it contains {blamed[0]}, which at a fixed time t = eta (k - 1) has no expansion in eta" if blamed else ""
    return f"{rule.name}: the increment of {state} is not smooth in eta at 0{why}"


def without_drift(rule: UpdateRule, state: sp.Symbol, update: sp.Expr) -> str | None:
    """Why a state has no drift to match in any scaling: a running maximum, or a memory of the last step alone."""
    names = {sp.Max: "maximum", sp.Min: "minimum"}
    running = sorted((e for e in update.atoms(sp.Max, sp.Min) if any(a.has(state) for a in e.args)), key=str)
    if running:
        return (
            f"{rule.name}: the state {state} is a running {names[running[0].func]}, {running[0]}: its increment does "
            "not vanish with eta and moves one way only, so that it has no drift and covariance to match; it is not "
            "supported"
        )
    if not update.has(state):
        return (
            f"{rule.name}: the increment of {state} does not vanish with eta: the state {state} is new in every step, "
            f"{update}; such a fast state is not supported"
        )
    return None


def _fast_state(rule: UpdateRule, state: sp.Symbol, update: sp.Expr) -> str:
    """Why a state whose increment stays when eta vanishes is refused; sums by name."""
    reason = without_drift(rule, state, update)
    if reason is not None:
        return reason
    slow = sp.expand((update - state).subs({h.symbol: 1 for h in rule.hyperparameters if h.rate is not None}))
    if not slow.has(state):
        return (
            f"{rule.name}: the increment of {state} does not vanish with eta: the state {state} is a sum, to which a "
            f"step adds {sp.factor_terms(slow)}; such a fast state is not supported. An average instead of the sum "
            "has an SDE, and so has the sum on another clock, where it is scaled by eta"
        )
    return f"{rule.name}: the increment of {state} does not vanish with eta: a fast state is not supported"


def schedule_limit(decay: Hyperparameter) -> sp.Expr:
    """lim of (1 - eta rho)^(t/eta + 1) as eta -> 0, by the limit of its logarithm."""
    return sp.exp(sp.limit((t / eta + 1) * sp.log(decay.scaled), eta, 0))


def exact_rate(decay: Hyperparameter) -> sp.Expr:
    """r = -log(beta)/eta, for which beta^k = e^(-r eta k) exactly; rho + O(eta)."""
    return -sp.log(decay.scaled) / eta


def exact_rate_symbol(decay: Hyperparameter) -> sp.Symbol:
    """The symbol r1, r2, ... of `exact_rate`."""
    return sp.Symbol(f"r{str(decay.rate).removeprefix('rho')}", positive=True)


def _schedules(rule: UpdateRule, order: int, after: sp.Symbol) -> tuple[Named, Schedules]:
    """The named rates, and the value of every power beta^k that the rule uses."""
    used = [h for h in rule.hyperparameters if h.rate is not None and any(u.has(h.symbol**k) for u in rule.update)]
    if order == 1:
        return tuple((h.rate, h.rate) for h in used), tuple((h.symbol**k, schedule_limit(h)) for h in used)
    rates = [exact_rate_symbol(h) for h in used]
    named = tuple((rate, exact_rate(h)) for rate, h in zip(rates, used, strict=True))
    return named, tuple((h.symbol**k, sp.exp(-rate * after)) for rate, h in zip(rates, used, strict=True))


def _scaled(
    change: sp.Expr, schedules: Schedules, rule: UpdateRule, kept: dict[sp.Symbol, sp.Dummy], after: sp.Symbol
) -> sp.Expr:
    change = change.subs(dict(schedules))
    for h in rule.hyperparameters:
        if h.rate is not None:
            change = change.subs(h.symbol, 1 - kept[h.rate] if h.rate in kept else h.scaled)
    # After the decays: k (1 - beta) is then t rho, and not a difference of two terms in 1/eta.
    return with_noise(rule.name, _on_the_clock(change, after))


def _on_the_clock(change: sp.Expr, after: sp.Symbol) -> sp.Expr:
    """k = after/eta in what is left of the step number, so that eta (k - 1) in a sum is a time."""
    timed = change.subs(k, after / eta)
    return timed.replace(lambda e: e.is_Add and e.has(after), sp.expand)


def _at_zero(change: sp.Expr) -> sp.Expr | None:
    """The value at eta = 0, None where there is none."""
    try:
        value = change.subs(eta, 0)
    except ValueError:  # an extremum of something infinite
        return None
    return None if value.has(sp.zoo, sp.nan, sp.oo) else value


def _two_terms(
    change: sp.Expr, state: sp.Symbol, update: sp.Expr, rule: UpdateRule, order: int
) -> tuple[sp.Expr, sp.Expr]:
    """h0 and h1 of the increment eta h0 + eta^2 h1. What has no factor eta of its own has a product eta rho."""
    if any(e.base == eta and not e.exp.is_Integer for e in change.atoms(sp.Pow)):
        return _with_roots(change, state, update, rule, order)
    terms = []
    for n in range(3):
        value = _at_zero(sp.diff(change, eta, n) if n else change)
        if value is None:
            raise NotDerivable(_without_limit(rule, state, update))
        term = value / sp.factorial(n)
        terms.append(term if n else sp.factor(sp.expand(term)))
    if all(sp.expand(term) == 0 for term in terms):
        raise NotDerivable(f"{rule.name}: the increment of {state} vanishes to second order in eta")
    return terms[0] / eta + terms[1], terms[2]


def _with_roots(
    change: sp.Expr, state: sp.Symbol, update: sp.Expr, rule: UpdateRule, order: int
) -> tuple[sp.Expr, sp.Expr]:
    """The same for an increment sqrt(eta) w + eta h0 + O(eta^(3/2)) with noise w of the rule's own: h0 + w/sqrt(eta),
    whose covariance eta Cov is of order one; and what is left to order eta^2.

    A term eta^(3/2) w' that is linear in the rule's own noise changes the covariance of a step by O(eta^2) and no mean:
    a model of order one does without it."""
    root = sp.Dummy("root", positive=True)
    series = sp.expand(change.subs(eta, root**2))
    terms = []
    for n in range(5):
        term = (sp.diff(series, root, n) if n else series).subs(root, 0) / sp.factorial(n)
        if term.has(sp.zoo, sp.nan, sp.oo):
            raise NotDerivable(f"{rule.name}: the increment of {state} is not smooth in sqrt(eta) at 0")
        terms.append(sp.expand(term))
    if terms[1].has(G, Z) or terms[1].subs(dict.fromkeys(terms[1].atoms(Own), 0)) != 0:
        raise NotDerivable(_without_limit(rule, state, update))
    if terms[0] != 0 or not (terms[3] == 0 or (order == 1 and _linear_in_own_noise(terms[3]))):
        raise NotDerivable(f"{rule.name}: the increment of {state} has terms of order 0 or 3/2 in eta")
    return terms[1] / sp.sqrt(eta) + terms[2], terms[4]


def _linear_in_own_noise(term: sp.Expr) -> bool:
    own = sorted(term.atoms(Own), key=str)
    slopes = [sp.diff(term, y) for y in own]
    return not any(slope.has(*own) for slope in slopes) and term.subs(dict.fromkeys(own, 0)) == 0
