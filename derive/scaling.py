"""Scaling rules: how hyperparameters must change with the batch for the optimizer to stay the same per sample.

The batch B becomes kappa B, so the noise s = sigma/sqrt(B) becomes s kappa^(-1/2) and the step number k becomes
k/kappa at the same number of samples. Every hyperparameter and every state but the position gets an unknown power of
kappa (a decay beta through 1 - beta). A step of kappa B samples must move a state by kappa times as much as one of B:

    power of every term of E dy              =  1 + power of y
    power of every term of Cov(dy, dz)       =  1 + power of y + power of z

to leading order in the regime (`one_step`). These are linear equations for the powers; nothing about any rule is typed
in. A second moment v averages over many steps: next to its mean its noise is small, and may grow with kappa. The rule
holds as long as it stays small, kappa (1 - beta) << 1.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from itertools import combinations_with_replacement

import sympy as sp

from adasde.derive import notation
from adasde.derive.functions import Expectation
from adasde.derive.law import Law, NotDerivable
from adasde.derive.noise import Gaussian
from adasde.derive.notation import G, k, s, x
from adasde.derive.one_step import REGIMES, OneStep, moments, terms_of
from adasde.derive.rule import UpdateRule


class NoScalingRule(NotDerivable):
    """No powers of kappa keep all that must be kept; the message names what cannot be reconciled."""


@dataclass(frozen=True)
class Term:
    """One term of the drift or of a covariance per step.

    where    "drift of x", "covariance of x and m", "argument of exp", ...
    term     as an expression in the rule's symbols, d1 and d2 standing for 1 - beta1 and 1 - beta2
    excess   it grows like kappa^excess per sample; 0 for an invariant
    """

    where: str
    term: sp.Expr
    excess: sp.Expr


@dataclass(frozen=True)
class ScalingRule:
    """The powers of kappa of one rule in one regime.

    powers         by the name of the hyperparameter; that of a decay is the power of 1 - beta
    states         power of each state
    invariants     what is the same per sample
    lost           noise of second moments that grows with kappa, small as long as kappa (1 - beta) << 1
    undetermined   hyperparameters that no leading term contains: left as they are, power 0
    """

    optimizer: str
    regime: str
    powers: dict[str, sp.Rational]
    states: dict[sp.Symbol, sp.Rational]
    invariants: tuple[Term, ...]
    lost: tuple[Term, ...]
    undetermined: tuple[str, ...]

    def multiplier(self, name: str, kappa: float) -> float:
        """By what the hyperparameter (1 - beta for a decay) is multiplied."""
        return float(kappa ** float(self.powers[name]))


def scaling_rule(rule: UpdateRule, regime: str = REGIMES[0], law: Law | None = None) -> ScalingRule:
    """The scaling rule of ``rule`` with the batch.

    Raises `NoScalingRule` where the equations have no solution, and `NotDerivable` where a mean does not exist.
    """
    if regime not in REGIMES:
        raise NotDerivable(f"{rule.name}: regime = {regime} is outside {{{', '.join(REGIMES)}}}")
    step = OneStep(rule)
    drift, covariance = moments(step, regime, law or Gaussian())
    powers = _Powers(rule, step)
    for state, mean in zip(rule.states, drift, strict=True):
        powers.keep(f"drift of {state}", mean, 1 + powers.of[state])
    found = []
    for i, j in combinations_with_replacement(range(len(rule.states)), 2):
        y, z = rule.states[i], rule.states[j]
        where = f"variance of {y}" if i == j else f"covariance of {y} and {z}"
        found += powers.excesses(where, covariance[i, j], 1 + powers.of[y] + powers.of[z])
    solution = powers.solution(sorted(found, key=lambda term: _averaged(term, rule)))
    terms = [Term(t.where, t.term, sp.nsimplify(t.excess.subs(solution))) for t in [*powers.kept, *found]]
    for term in terms:
        if term.excess < 0 or (term.excess > 0 and not _averaged(term, rule)):
            grows = f"{term.term} ({term.where}) grows like kappa^({term.excess}) per sample"
            raise NoScalingRule(f"{rule.name}: with the drift kept, {grows}: no scaling rule exists")
    return ScalingRule(
        rule.name,
        regime,
        {h.name: sp.nsimplify(powers.of[step.symbol(h)].subs(solution)) for h in rule.hyperparameters},
        {y: sp.nsimplify(powers.of[y].subs(solution)) for y in rule.states},
        tuple(t for t in terms if t.excess == 0),
        tuple(t for t in terms if t.excess != 0),
        tuple(h.name for h in rule.hyperparameters if step.symbol(h) in powers.unused(terms)),
    )


def _averaged(term: Term, rule: UpdateRule) -> bool:
    """Whether it is noise of a second moment, which its mean dwarfs."""
    return any(str(y) in term.where.split() for y in rule.nonnegative)


@dataclass
class _Powers:
    """The unknown powers and the equations for them, each with the term that it comes from."""

    rule: UpdateRule
    step: OneStep
    of: dict[sp.Symbol, sp.Expr] = field(default_factory=dict)
    kept: list[Term] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.of |= {x: sp.S.Zero, G: sp.S.Zero, s: -sp.Rational(1, 2), k: -sp.S.One}
        for h in self.rule.hyperparameters:
            symbol = self.step.symbol(h)
            # A share such as Lion's beta1 stands beside 1 minus itself: a pure number.
            self.of[symbol] = sp.S.Zero if isinstance(symbol, notation.Share) else sp.Symbol(f"power of {symbol}")
        for state in self.rule.states[1:]:
            self.of[state] = sp.Symbol(f"power of {state}")
        for decay, clock in self.step.clocks.items():
            self.of[clock] = self.of[decay] - 1

    def keep(self, where: str, expression: sp.Expr, required: sp.Expr) -> None:
        """Equations: every term of the expression has this power."""
        self.kept += self.excesses(where, expression, required)

    def excesses(self, where: str, expression: sp.Expr, required: sp.Expr) -> list[Term]:
        """Every term of an expression with its power beyond the required one."""
        return [Term(where, term, sp.expand(self._power(term) - required)) for term in terms_of(expression)]

    def _power(self, expression: sp.Expr) -> sp.Expr:
        """The power of kappa; what a sum or a function needs to have one becomes an equation."""
        if expression.is_number:
            return sp.S.Zero
        if expression.is_Symbol:
            return self.of.get(expression, sp.S.Zero)
        if expression.is_Mul:
            return sp.Add(*map(self._power, expression.args))
        if expression.is_Pow and expression.exp.is_number:
            return self._power(expression.base) * expression.exp
        if expression.is_Add:
            first, *others = sorted(expression.args, key=sp.default_sort_key)
            power = self._power(first)
            for other in others:
                self._require(Term(f"sum {expression}", other, sp.expand(self._power(other) - power)))
            return power
        if isinstance(expression, sp.sign):
            self._power(expression.args[0])
            return sp.S.Zero
        if isinstance(expression, sp.Abs):
            return self._power(expression.args[0])
        if isinstance(expression, Expectation):
            return self._power(expression.args[0])
        return self._of_function(expression)

    def _of_function(self, expression: sp.Expr) -> sp.Expr:
        """A function of what does not change does not change."""
        for argument in expression.args:
            self._require(Term(f"argument of {expression.func.__name__}", argument, self._power(argument)))
        return sp.S.Zero

    def _require(self, term: Term) -> None:
        if term.excess != 0 and term not in self.kept:
            self.kept.append(term)

    def solution(self, optional: list[Term]) -> dict[sp.Symbol, sp.Expr]:
        """The powers that make every kept excess vanish, and where they leave a choice, the optional ones in order;
        what is still free is 0, a further hyperparameter of the rule rather than its learning rate.

        Raises `NoScalingRule` with the first term that contradicts those before it.
        """
        first = [self.of[y] for y in (notation.eta, *self.step.decays, *self.rule.states)]
        unknown = [power for power in dict.fromkeys([*first, *self.of.values()]) if power.is_Symbol]
        equations: list[sp.Expr] = []
        for term in self.kept:
            if sp.linsolve([*equations, term.excess], unknown) == sp.EmptySet:
                raise NoScalingRule(self._contradiction(term, equations, unknown))
            equations.append(term.excess)
        for term in optional:
            if sp.linsolve([*equations, term.excess], unknown) != sp.EmptySet:
                equations.append(term.excess)
        (values,) = sp.linsolve(equations, unknown) if equations else (tuple(unknown),)
        return {power: value.subs(dict.fromkeys(unknown, 0)) for power, value in zip(unknown, values, strict=True)}

    def _contradiction(self, term: Term, equations: list[sp.Expr], unknown: list[sp.Symbol]) -> str:
        """The fewest earlier terms that the term contradicts: those that cannot be left out."""
        needed = list(self.kept[: len(equations)])
        for earlier in tuple(needed):
            rest = [other for other in needed if other is not earlier]
            if sp.linsolve([*(t.excess for t in rest), term.excess], unknown) == sp.EmptySet:
                needed = rest
        stated = "; ".join(f"{t.term} ({t.where})" for t in needed)
        against = f", together with {stated}" if needed else ""
        return f"{self.rule.name}: no powers of kappa keep {term.term} ({term.where}){against}: no scaling rule exists"

    def unused(self, terms: list[Term]) -> set[sp.Symbol]:
        """Symbols that no term has."""
        clocks = {clock: decay for decay, clock in self.step.clocks.items()}
        used = {clocks.get(symbol, symbol) for term in terms for symbol in term.term.free_symbols}
        return set(self.of) - used
