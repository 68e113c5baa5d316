"""Every published statement has the verdict on record, computed; and a wrong copy of it would be noticed."""

from __future__ import annotations

from dataclasses import replace
from functools import cache

import pytest
import sympy as sp
from sympy.core.function import AppliedUndef
from sympy.parsing.sympy_parser import parse_expr

from adasde.papers import keys, statements
from adasde.papers.page import parseable
from adasde.papers.statement import VERDICTS, Row, Statement, row, shortened
from adasde.papers.zero import nonzero_at_a_point


@pytest.fixture(scope="module", params=keys())
def paper(request: pytest.FixtureRequest) -> str:
    """Each paper in turn: its tests follow each other, so that one worker works out its rows once."""
    return str(request.param)


@cache
def checked(paper: str) -> tuple[tuple[Statement, Row], ...]:
    """The statements, which compute their derived parts once here, with their rows."""
    found = [replace(s, derived=s.derived and cache(s.derived)) for s in statements(paper)]
    return tuple((statement, row(statement)) for statement in found)


def test_verdicts_are_those_on_record(paper: str) -> None:
    """The verdict of each statement is the recorded one; what agrees has no difference, what differs shows it."""
    assert checked(paper)
    for statement, found in checked(paper):
        assert (found.statement, found.verdict) == (statement.name, statement.expected), found.difference
        assert found.verdict in VERDICTS
        assert bool(found.difference) == (found.verdict in ("differs", "agrees to leading order"))
        assert set(found.difference) <= set(statement.printed)


def test_no_statement_is_vacuous(paper: str) -> None:
    """Names are distinct within a paper; the two sides are different objects; a remark says what was found."""
    names = [statement.name for statement, _ in checked(paper)]
    assert len(set(names)) == len(names)
    for statement, _ in checked(paper):
        assert statement.paper == paper and statement.printed
        assert statement.expected == "agrees" or statement.remark
        assert (statement.derived is None) == (statement.expected == "not checkable")
        assert statement.derived is None or statement.derived() is not statement.printed


def test_a_wrong_copy_is_noticed(paper: str) -> None:
    """Doubling any printed part of the paper, or adding 1 where it is zero, changes the difference of this part from
    what was found: at a point, and where no value is to be had, and for the shortest part of each statement, in the
    form that is printed."""
    for statement, found in checked(paper):
        if statement.derived is None:
            continue
        derived = statement.derived()
        gaps = {part: (2 * printed or sp.S.One) - derived[part] for part, printed in statement.printed.items()}
        shortest = min(gaps, key=lambda part: sp.count_ops(gaps[part]))
        for part, gap in gaps.items():
            honest = found.difference.get(part, sp.S.Zero)
            if part == shortest or not nonzero_at_a_point(gap - honest):
                assert shortened(gap) != honest, (statement.name, part)


def test_differences_read_back(paper: str) -> None:
    """What is printed as JSON parses into an expression in the same symbols and functions: no name in it means
    something else to sympy."""
    for statement, found in checked(paper):
        for part, gap in found.difference.items():
            assert named_in(parse_expr(parseable(gap))) == named_in(gap), (statement.name, part)


def named_in(expression: sp.Expr) -> set[str]:
    """Names of symbols and unknown functions, without the underscore that sets them apart from sympy's."""
    functions = {function.func.__name__ for function in expression.atoms(AppliedUndef)}
    return {name.removesuffix("_") for name in functions | {symbol.name for symbol in expression.free_symbols}}


def test_statements_by_paper() -> None:
    assert tuple(s for paper in keys() for s in statements(paper)) == statements()
    with pytest.raises(KeyError):
        statements("compagnoni2052")


def test_a_statement_checks_itself() -> None:
    """A provenance, verdict or number that cannot be is refused."""
    good: Statement = statements("compagnoni2025")[0]
    for wrong in ({"provenance": "hearsay"}, {"expected": "maybe"}, {"printed": {}}, {"number": "Thm 1"}):
        with pytest.raises(ValueError):
            replace(good, **wrong)
