"""Every published statement has the verdict on record, computed; and a wrong copy of it would be noticed."""

from __future__ import annotations

import dataclasses
from functools import cache

import pytest

from adasde.papers import keys, statements
from adasde.papers.statement import VERDICTS, Row, Statement, row


@cache
def rows(paper: str) -> tuple[Row, ...]:
    return tuple(row(statement) for statement in statements(paper))


@pytest.mark.parametrize("paper", keys())
def test_verdicts_are_those_on_record(paper: str) -> None:
    """The verdict of each statement is the recorded one; what agrees has no difference, what differs shows it."""
    assert rows(paper)
    for statement, found in zip(statements(paper), rows(paper), strict=True):
        assert (found.statement, found.verdict) == (statement.name, statement.expected), found.difference
        assert found.verdict in VERDICTS
        assert bool(found.difference) == (found.verdict in ("differs", "agrees to leading order"))
        assert set(found.difference) <= set(statement.printed)


@pytest.mark.parametrize("paper", keys())
def test_no_statement_is_vacuous(paper: str) -> None:
    """Names are distinct within a paper; the two sides are different objects; a remark says what was found."""
    names = [statement.name for statement in statements(paper)]
    assert len(set(names)) == len(names)
    for statement in statements(paper):
        assert statement.paper == paper and statement.printed
        assert statement.expected == "agrees" or statement.remark
        if statement.derived is not None:
            assert statement.derived() is not statement.printed


@pytest.mark.parametrize("paper", keys())
def test_a_wrong_copy_is_noticed(paper: str) -> None:
    """Doubling one printed part, or adding 1 where it is zero, changes what comes out."""
    checked = [(s, r) for s, r in zip(statements(paper), rows(paper), strict=True) if s.derived is not None]
    statement, found = checked[0]
    for part, printed in statement.printed.items():
        wrong = dataclasses.replace(statement, printed={**statement.printed, part: 2 * printed or printed + 1})
        assert row(wrong).difference != found.difference


def test_statements_by_paper() -> None:
    assert tuple(s for paper in keys() for s in statements(paper)) == statements()
    with pytest.raises(KeyError):
        statements("compagnoni2052")


def test_a_statement_checks_itself() -> None:
    """A provenance, verdict or number that cannot be is refused."""
    good: Statement = statements("compagnoni2025")[0]
    for wrong in ({"provenance": "hearsay"}, {"expected": "maybe"}, {"printed": {}}, {"number": "Thm 1"}):
        with pytest.raises(ValueError):
            dataclasses.replace(good, **wrong)
