"""One step of a rule to leading order: small changes of the states, and noise that is large or small.

This is what scaling rules compare at two batch sizes. It differs from `scaling_limit`, where a decay is 1 - eta rho, in
that nothing is assumed of how the hyperparameters depend on each other.

noise-dominated   G << s: means and covariances to first order in the gradient and the averaged gradients
signal-dominated  s << G: the step without noise, and its noise to first order in s

In both, states move little in one step: 1 - beta << 1, and what a step takes from a state is its old value.
"""

from __future__ import annotations

import dataclasses

import sympy as sp

from adasde.derive.branches import late
from adasde.derive.covariance import coefficient_matrix, gram_matrix, noise_functions
from adasde.derive.expectation import expectation
from adasde.derive.functions import Expectation, zeta
from adasde.derive.law import Law, NotDerivable
from adasde.derive.notation import G, H, Ht, Z, g, k, s, x
from adasde.derive.operations import Operation, variables, with_noise, workers
from adasde.derive.rule import Hyperparameter, UpdateRule
from adasde.derive.scaling_limit import without_drift

REGIMES = ("noise-dominated", "signal-dominated")
_small = sp.Dummy("small", positive=True)


class OneStep:
    """The increment of every state to leading order in what is small, d_i = 1 - beta_i and the change of the states.

    Powers beta_i^k become exp(-d_i k), what they are for small d_i, and 1/k is as small as they are: k counts in units
    of the memory of the averages. Branches of the first steps are left out.
    """

    def __init__(self, rule: UpdateRule) -> None:
        _require_in_one_coordinate(rule)
        self.rule = rule = with_decay_in_the_loss(rule)
        for state, update in zip(rule.states[1:], rule.update[1:], strict=True):
            reason = without_drift(rule, state, late(update, rule.name))
            if reason is not None:
                raise NotDerivable(reason)
        decays = [h for h in rule.hyperparameters if h.rate is not None]
        self._small = {h.symbol: sp.Symbol(f"d{str(h.rate).removeprefix('rho')}", positive=True) for h in decays}
        self.clocks = {d: sp.Symbol(f"{d} k", positive=True) for d in self._small.values()}
        self.increments = tuple(map(self._leading, rule.states, rule.update))

    def symbol(self, h: Hyperparameter) -> sp.Symbol:
        """The symbol that stands for a hyperparameter: d_i for a decay."""
        return self._small.get(h.symbol, h.symbol)

    @property
    def decays(self) -> tuple[sp.Symbol, ...]:
        return tuple(self._small.values())

    def _leading(self, state: sp.Symbol, update: sp.Expr) -> sp.Expr:
        updates = [late(u, self.rule.name) for u in self.rule.update]
        pairs = zip(self.rule.states, updates, strict=True)
        others = [(after, before) for before, after in pairs if before != state and not after.is_Atom]
        change = late(update, self.rule.name).subs(others) - state
        schedules = {beta**k: sp.exp(-self.clocks[d]) for beta, d in self._small.items()}
        change = change.subs(schedules).subs({beta: 1 - _small * d for beta, d in self._small.items()})
        change = change.subs(k, k / _small)
        apart = terms_of(change)
        own = sp.Add(*(term for term in apart if term.has(state)))
        return sp.Add(*(self._lowest(part, state) for part in (own, sp.Add(*apart) - own)))

    def _lowest(self, part: sp.Expr, state: sp.Symbol) -> sp.Expr:
        """Order 0 in the small 1 - beta, or where that vanishes order 1. What pulls a state back and what drives it
        are looked at apart, for nothing says yet which is larger."""
        for n in range(2):
            try:
                term = (sp.diff(part, _small, n) if n else part).subs(_small, 0)
            except ValueError:  # an extremum of something infinite
                term = sp.nan
            if term.has(sp.zoo, sp.nan, sp.oo):
                raise NotDerivable(f"{self.rule.name}: the increment of {state} is not smooth in 1 - beta at 0")
            if sp.expand(term) != 0:
                return term
        return sp.S.Zero


def _require_in_one_coordinate(rule: UpdateRule) -> None:
    """Refuses gradients at other points, and what couples coordinates: the power of kappa of a Hessian or of a norm is
    nothing that one coordinate says."""
    found = sp.Tuple(*(with_noise(rule.name, update) for update in rule.update))
    coupling = sorted(found.atoms(Operation) - found.atoms(workers), key=lambda e: (sp.count_ops(e), str(e)))
    if coupling or found.has(H, Ht):
        what = coupling[0] if coupling else "a gradient at another point"
        raise NotDerivable(
            f"{rule.name}: one step at two batch sizes is compared in one coordinate and at one point; this rule has "
            f"{what} besides"
        )


def with_decay_in_the_loss(rule: UpdateRule) -> UpdateRule:
    """``rule`` without a decay that it adds to the gradient: g + lambda x is the gradient of the loss plus
    lambda x^2/2, which does not change with the batch, and lambda does not either."""
    h = decay_in_the_loss(rule)
    return rule if h is None else dataclasses.replace(rule, update=_absorbed(rule, h))


def decay_in_the_loss(rule: UpdateRule) -> Hyperparameter | None:
    """The hyperparameter lambda that enters as g + lambda x only."""
    for h in rule.hyperparameters:
        used = any(update.has(h.symbol) for update in rule.update)
        if used and not any(update.has(h.symbol) for update in _absorbed(rule, h)):
            return h
    return None


def _absorbed(rule: UpdateRule, h: Hyperparameter) -> tuple[sp.Expr, ...]:
    return tuple(update.subs(g, g - h.symbol * x) for update in rule.update)


def terms_of(expression: sp.Expr) -> tuple[sp.Expr, ...]:
    """The terms of a sum, products and powers of sums multiplied out, what stands in denominators left as it is."""
    hidden = _denominators((expression,))
    expanded = sp.expand(expression.xreplace(hidden))
    back = {name: value for value, name in hidden.items()}
    return tuple(term.xreplace(back) for term in sp.Add.make_args(expanded) if term != 0)


def moments(step: OneStep, regime: str, law: Law) -> tuple[list[sp.Expr], sp.Matrix]:
    """Mean and covariance of the increments to leading order in the regime."""
    increments = tuple(with_noise(step.rule.name, change) for change in step.increments)
    if regime == REGIMES[1]:
        if variables(*increments):
            raise NotDerivable(
                f"{step.rule.name}: noise besides that of one minibatch is compared with that noise only"
            )
        slopes = [sp.diff(change, Z).subs(Z, 0) for change in increments]
        # The gradient is away from 0 here, where a sign has no slope.
        slopes = [slope.replace(sp.DiracDelta, lambda *_: sp.S.Zero) for slope in slopes]
        return [change.subs(Z, 0) for change in increments], law.moment(2) * sp.Matrix(slopes) * sp.Matrix([slopes])
    signals = [G, *(y for y in step.rule.states if y != x and not y.is_nonnegative)]
    hidden = _denominators(increments, (Z, *signals))
    back = {name: value for value, name in hidden.items()}
    increments = tuple(change.xreplace(hidden) for change in increments)
    means = [_to_first_order(expectation(change, law), signals).xreplace(back) for change in increments]
    functions = noise_functions(increments)
    if not functions:
        return means, sp.zeros(len(increments))
    coefficients = coefficient_matrix(increments, functions)
    full = coefficients * gram_matrix(functions, law) * coefficients.T
    return means, full.applyfunc(lambda entry: _to_first_order(entry, signals).xreplace(back))


def _denominators(expressions: tuple[sp.Expr, ...], without: tuple[sp.Symbol, ...] = ()) -> dict[sp.Expr, sp.Dummy]:
    """A name for every denominator that has none of the given symbols, so that it stays as it is written."""
    powers = {e for expression in expressions for e in expression.atoms(sp.Pow) if e.base.is_Add and e.exp.is_negative}
    found = [e for e in powers if not e.has(*without)] if without else list(powers)
    return {e: sp.Dummy(positive=True) for e in sorted(found, key=lambda e: (-sp.count_ops(e), str(e)))}


def _to_first_order(expression: sp.Expr, signals: list[sp.Symbol]) -> sp.Expr:
    """Its Taylor polynomial of degree one in the signals, where it is not smooth as it stands."""
    if isinstance(expression, sp.Expr) and expression.is_polynomial(*signals):
        small = expression.subs({y: _small * y for y in signals}, simultaneous=True)
        return sum(sp.expand(small).coeff(_small, n) for n in range(2))
    try:
        small = expression.subs({y: _small * y for y in signals}, simultaneous=True)
        terms = [(sp.diff(small, _small, n) if n else small).subs(_small, 0) for n in range(2)]
    except NotDerivable:
        return expression
    finite = not any(term.has(sp.nan, sp.zoo, sp.oo, sp.DiracDelta, sp.Derivative, sp.Subs) for term in terms)
    return sp.Add(*map(_without_odd_means, terms)) if finite and not expression.has(sp.sign) else expression


def _without_odd_means(expression: sp.Expr) -> sp.Expr:
    """The mean of an odd function under a symmetric density is 0."""

    def odd(node: sp.Basic) -> bool:
        if not isinstance(node, Expectation) or node.args[1] == 0:
            return False
        (h, f), (mirrored, density) = node.args, (part.subs(zeta, -zeta) for part in node.args)
        return bool(sp.expand(mirrored + h) == 0 and sp.expand(density - f) == 0)

    return expression.replace(odd, lambda _: sp.S.Zero)


def speed_at_rest(rule: UpdateRule, regime: str, law: Law) -> sp.Expr:
    """The mean step of the position long after the start, with the other states at rest under a constant gradient.

    Raises `NotDerivable` where they do not come to rest.
    """
    step = OneStep(rule)
    drift, _ = moments(step, regime, law)
    late = {sp.exp(-clock): sp.S.Zero for clock in step.clocks.values()}
    speed = drift[0].subs(late)
    for state, mean in zip(rule.states[1:], drift[1:], strict=True):
        try:
            found = sp.solve(mean, state) if mean.has(state) else []
        except NotImplementedError:  # no closed form
            found = []
        if len(found) != 1:
            raise NotDerivable(f"{rule.name}: {state} does not come to rest under a constant gradient")
        speed = speed.subs(state, found[0])
    return sp.expand_mul(speed)


def averaged_gradient(rule: UpdateRule, law: Law) -> tuple[sp.Symbol, sp.Expr, sp.Expr] | None:
    """(m, its variance long after the start, its mean per gradient) where the rule has one state besides x that
    averages gradients and may be negative: m moves by gain G - rate m with the noise a, so that these are a/(2 rate)
    and gain/rate. None where there is no such state, or several."""
    step = OneStep(rule)
    drift, covariance = moments(step, REGIMES[0], law)
    found = [i for i, y in enumerate(rule.states) if y != x and not y.is_nonnegative]
    if len(found) != 1:
        return None
    i, y = found[0], rule.states[found[0]]
    late = drift[i].subs({sp.exp(-clock): sp.S.Zero for clock in step.clocks.values()})
    rate, gain = -sp.diff(late, y), sp.diff(late, G)
    if rate == 0 or rate.has(y, G) or gain.has(y, G):
        return None
    return y, sp.simplify(covariance[i, i].subs(G, 0) / (2 * rate)), sp.simplify(gain / rate)


def mean_step(rule: UpdateRule, law: Law) -> sp.Expr:
    """The mean step of the position in the averaged gradient and G as they are, not to first order."""
    step = OneStep(rule)
    late = {sp.exp(-clock): sp.S.Zero for clock in step.clocks.values()}
    return expectation(step.increments[0].subs(late).subs(g, G + s * Z), law)
