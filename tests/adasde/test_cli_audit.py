"""`adasde audit`: its table, its JSON and its LaTeX."""

from __future__ import annotations

import dataclasses
import json
import re

import pytest
from click.testing import CliRunner, Result
from matplotlib.mathtext import MathTextParser
from sympy.parsing.sympy_parser import parse_expr

import adasde.papers
from adasde.cli import main
from adasde.cli.tables import audit_table
from adasde.papers.statement import VERDICTS, Row, Statement
from adasde.papers.statement import row as computed

FIELDS = {"paper", "statement", "number", "provenance", "verdict", "difference", "remark"}
PAPERS = ("malladi2022", "callisti2025")
ROWS: dict[int, tuple[Statement, Row]] = {}


def once(statement: Statement) -> Row:
    """The row of a statement, worked out once for all forms: what is tested here is how the command prints them."""
    if id(statement) not in ROWS:
        ROWS[id(statement)] = statement, computed(statement)
    return ROWS[id(statement)][1]


@pytest.fixture(autouse=True)
def rows(monkeypatch: pytest.MonkeyPatch) -> None:
    """Known before the command asks, which would say on stderr that it takes long where a machine is busy."""
    for paper in PAPERS:
        for statement in adasde.papers.statements(paper):
            once(statement)
    monkeypatch.setattr("adasde.papers.statement.row", once)


def run(line: str) -> Result:
    return CliRunner().invoke(main, line.split())


@pytest.mark.parametrize("paper", PAPERS)
def test_json(paper: str) -> None:
    """One object a statement, in order; every difference parses."""
    result = run(f"audit {paper} --format json")
    rows = json.loads(result.stdout)
    assert result.exit_code == 0 and not result.stderr
    assert [row["statement"] for row in rows] == [s.name for s in adasde.papers.statements(paper)]
    for row in rows:
        assert set(row) == FIELDS and row["paper"] == paper and row["verdict"] in VERDICTS
        assert all(parse_expr(gap) != 0 for gap in row["difference"].values())


@pytest.mark.parametrize("paper", PAPERS)
def test_latex(paper: str) -> None:
    """A whole document: every formula is valid for mathtext, every line of the table has its five cells, and the prose
    no special character that is not escaped."""
    text = run(f"audit {paper} --format latex").stdout
    assert text.startswith(r"\documentclass") and text.rstrip().endswith(r"\end{document}")
    assert text.count(r"\begin{") == text.count(r"\end{")
    lines = text.split(r"\hline")[1].split(r"\end{longtable}")[0].strip().splitlines()
    assert len(lines) >= len(adasde.papers.statements(paper))
    for line in lines:
        formulas = re.findall(r"\$(.*?)\$", line)
        assert len(formulas) <= 1 and line.endswith(r" \\")
        for formula in formulas:
            MathTextParser("agg").parse(f"${formula}$")
        plain = re.sub(r"\$.*?\$|\\[_%#&{}$~^]\{?\}?", "", line.removesuffix(r"\\"))
        assert plain.count("&") == 4 and not re.search(r"[_^%#$~<>]", plain), line


def test_table() -> None:
    """A row for each statement, a line for each part that differs, and a last line that counts."""
    result = run("audit malladi2022")
    assert result.exit_code == 0
    for word in ("provenance", "square-root scaling", "drift of v: -G**2*rho2", "differs", "agrees"):
        assert word in result.stdout
    assert re.search(r"^\d+ statements: .*\d+ agrees", result.stdout, re.MULTILINE)


def test_a_surprise_fails(monkeypatch: pytest.MonkeyPatch) -> None:
    """Exit code 1, and a line on stderr, where a verdict is not the one on record."""
    first = adasde.papers.statements("malladi2022")[0]
    wrong = (dataclasses.replace(first, expected="agrees"),)
    monkeypatch.setattr(adasde.papers, "statements", lambda paper: wrong)
    result = run("audit malladi2022")
    assert result.exit_code == 1 and "not the one on record" in result.stderr


def test_unknown_paper() -> None:
    result = run("audit maladi2022")
    assert result.exit_code == 2 and "did you mean 'malladi2022'" in result.output


def test_the_table_says_why_a_statement_is_not_checkable(capsys: pytest.CaptureFixture[str]) -> None:
    """Its reason stands where the difference of others does."""
    statements = [s for s in adasde.papers.statements("compagnoni2025distributed") if s.derived is None]
    rows = [computed(statement) for statement in statements]
    audit_table(rows)
    printed = " ".join(re.sub(r"[│\s]+", " ", capsys.readouterr().out).split())
    assert rows and "were not read" in printed and "1 not checkable" in printed
