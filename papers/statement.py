"""A published statement about one optimizer, held against what the derivation gives, part by part."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import sympy as sp

from adasde.papers.claim import PROVENANCE
from adasde.papers.zero import nonzero_at_a_point

VERDICTS = ("agrees", "agrees to leading order", "differs", "not checkable")
Parts = Mapping[str, sp.Expr]


@dataclass(frozen=True)
class Statement:
    """One published statement.

    paper       the key of its folder
    name        what it is about, "SGD, order 2"
    number      its number in the paper, or "" where the number was not confirmed
    provenance  one of `PROVENANCE`
    printed     the parts as printed: "drift of x", "covariance of x and m", ...
    derived     computes the same parts; None where nothing here can check them
    expected    the verdict on record
    remark      the finding in words
    small       as this symbol goes to 0, a difference that vanishes relative to its part is one of higher order
    """

    paper: str
    name: str
    number: str
    provenance: str
    printed: Parts
    derived: Callable[[], Parts] | None
    expected: str
    remark: str = ""
    small: sp.Symbol | None = None

    def __post_init__(self) -> None:
        if self.provenance not in PROVENANCE:
            raise ValueError(f"{self.paper} {self.name}: provenance {self.provenance!r} is not in {PROVENANCE}")
        if self.expected not in VERDICTS:
            raise ValueError(f"{self.paper} {self.name}: verdict {self.expected!r} is not in {VERDICTS}")
        if not self.printed:
            raise ValueError(f"{self.paper} {self.name}: a statement needs at least one printed part")
        if self.number and self.provenance != "confirmed":
            raise ValueError(f"{self.paper} {self.name}: the number {self.number} is not confirmed")


def unnumbered(
    paper: str,
    name: str,
    printed: Parts,
    derived: Callable[[], Parts] | None,
    remark: str,
    expected: str = "agrees",
    small: sp.Symbol | None = None,
    provenance: str = "recalled and checked",
) -> Statement:
    """A statement whose number in the paper was not confirmed."""
    return Statement(paper, name, "", provenance, printed, derived, expected, remark, small)


@dataclass(frozen=True)
class Row:
    """What came out of holding a statement against the derivation; ``difference`` is printed - derived, nonzero parts
    only."""

    paper: str
    statement: str
    number: str
    provenance: str
    verdict: str
    difference: Parts
    remark: str


def row(statement: Statement) -> Row:
    """Computes printed - derived part by part, and from it the verdict."""
    found: Parts = {}
    if statement.derived is None:
        verdict = "not checkable"
    else:
        derived = statement.derived()
        found = differences(statement, derived)
        verdict = _verdict(found, derived, statement.small)
    return Row(
        statement.paper, statement.name, statement.number, statement.provenance, verdict, found, statement.remark
    )


def differences(statement: Statement, derived: Parts) -> Parts:
    """printed - derived in factored form, by part, without the parts that agree."""
    if set(derived) != set(statement.printed):
        odd = sorted(set(derived) ^ set(statement.printed))
        raise ValueError(f"{statement.paper} {statement.name}: printed or derived lacks {', '.join(odd)}")
    found = {part: shortened(statement.printed[part] - derived[part]) for part in statement.printed}
    return {part: gap for part, gap in found.items() if gap != 0}


def shortened(expression: sp.Expr) -> sp.Expr:
    """Factored, and 0 where it vanishes: `simplify` decides where factoring leaves something that is 0 at a point."""
    if nonzero_at_a_point(expression):
        return sp.factor(sp.expand(expression))
    if sp.expand(sp.fraction(sp.together(expression))[0]) == 0:
        return sp.S.Zero
    expression = sp.factor(sp.expand(expression))
    if expression == 0 or nonzero_at_a_point(expression):
        return expression
    return sp.factor(sp.simplify(expression))


def _verdict(found: Parts, derived: Parts, small: sp.Symbol | None) -> str:
    if not found:
        return "agrees"
    higher = small is not None and all(_negligible(gap, derived[part], small) for part, gap in found.items())
    return "agrees to leading order" if higher else "differs"


def _negligible(gap: sp.Expr, part: sp.Expr, small: sp.Symbol) -> bool:
    """Whether gap/part goes to 0 with ``small``: by its value at 0 where that is one of continuous functions, else by a
    limit."""
    if part == 0:
        return False
    above, below = sp.fraction(sp.together(gap / part))
    at = [value.subs(small, 0) for value in (above, below)]
    regular = not any(e.has(sp.sign, sp.Heaviside, sp.Piecewise) for e in (above, below))
    if regular and all(_finite(value) for value in at) and nonzero_at_a_point(at[1]):
        return bool(shortened(at[0]) == 0)
    return bool(sp.limit(sp.simplify(gap / part), small, 0, "+") == 0)


def _finite(value: sp.Expr) -> bool:
    return not value.has(sp.zoo, sp.nan, sp.oo, -sp.oo, sp.AccumBounds)
