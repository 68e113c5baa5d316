"""Why a scaling has no SDE of weak order two: the obstructing operators, and the noise laws without them."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

import sympy as sp

from adasde.derive.generator import Chain, Expansion, expand
from adasde.derive.law import AnyLaw, Law
from adasde.derive.laws import LAWS
from adasde.derive.notation import moment_symbol, s
from adasde.derive.rule import UpdateRule
from adasde.derive.scalings import S, batch_equivalent

M3, M4 = moment_symbol(3), moment_symbol(4)


@dataclass(frozen=True)
class Obstruction:
    """One operator that no Ito SDE has, with its power of tau per step.

    removed_by  what makes its coefficient vanish: equations in the standardised moments M3, M4, or S'(x) = 0
    """

    power: sp.Rational
    derivative: str
    coefficient: sp.Expr
    removed_by: tuple[sp.Expr, ...]


@dataclass(frozen=True)
class Obstructions:
    """All obstructions of one rule in one scaling, and the laws of `LAWS` that remove every one of them.

    possible  whether any law at all does: M4 >= 1 + M3^2 holds for every law
    """

    chain: Chain
    expansion: Expansion
    terms: tuple[Obstruction, ...]
    possible: bool
    laws: tuple[str, ...]


@cache
def obstructions(rule: UpdateRule, law: Law | None = None, state_dependent: bool = False) -> Obstructions:
    """The obstructions of ``rule`` in the batch-equivalent scaling; for polynomials of g under any law at once."""
    chain = batch_equivalent(rule, state_dependent)
    expansion = expand(chain, law or AnyLaw())
    terms = tuple(
        Obstruction(sp.Rational(n, 2), name, coefficient, _conditions(coefficient))
        for n, operator in ((3, expansion.half), (4, expansion.obstruction))
        for name, coefficient in operator.named_terms()
    )
    solutions = _moments_that_solve([equation for term in terms for equation in term.removed_by])
    if not all(term.removed_by for term in terms):
        solutions = None
    return Obstructions(chain, expansion, terms, solutions is not None, _laws(solutions))


def _conditions(coefficient: sp.Expr) -> tuple[sp.Expr, ...]:
    """Factors of the coefficient that a noise law or its scale can make zero; none: the obstruction always stays."""
    found = []
    for factor in sp.Mul.make_args(sp.factor(coefficient)):
        base = factor.as_base_exp()[0]
        slope = sp.Derivative(S, S.args[0])
        if base.free_symbols and base.free_symbols <= {M3, M4}:
            found.append(base)
        elif base.has(slope) and sp.expand(base.subs(S, s).doit()) == 0:
            found.append(slope)
    return tuple(found)


def _moments_that_solve(equations: list[sp.Expr]) -> dict[sp.Symbol, sp.Expr] | None:
    """Moments that satisfy all equations in M3 and M4, or None where no law has them."""
    wanted = [e for e in equations if e.free_symbols <= {M3, M4} and not e.has(sp.Derivative)]
    if not wanted:
        return {}
    for solution in sp.solve(wanted, [M3, M4], dict=True):
        third, fourth = solution.get(M3, sp.S.Zero), solution.get(M4, M4)
        if fourth == M4 or (fourth - 1 - third**2).is_nonnegative:
            return dict(solution)
    return None


def _laws(solution: dict[sp.Symbol, sp.Expr] | None) -> tuple[str, ...]:
    if solution is None:
        return ()
    found = []
    for name, law in LAWS.items():
        moments = {M3: _standard_moment(law(), 3), M4: _standard_moment(law(), 4)}
        if all(sp.simplify(moments[symbol] - value) == 0 for symbol, value in solution.items()):
            found.append(name)
    return tuple(found)


def _standard_moment(law: Law, n: int) -> sp.Expr:
    return law.moment(n) / law.moment(2) ** sp.Rational(n, 2)
