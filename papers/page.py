"""Rows of an audit as data and as a page of LaTeX."""

from __future__ import annotations

import keyword
from collections.abc import Iterable
from typing import Any

import sympy as sp
from sympy.core.function import AppliedUndef

from adasde.derive.functions import student_t_sign
from adasde.derive.prose import escaped as prose
from adasde.derive.typesetting import latex
from adasde.papers.statement import Row

PRIMES = {1: "'", 2: "''", 3: "'''"}


def as_data(row: Row) -> dict[str, Any]:
    """The contract of ``adasde audit --format json``; every difference parses with sympy's parse_expr."""
    return {
        "paper": row.paper,
        "statement": row.statement,
        "number": row.number,
        "provenance": row.provenance,
        "verdict": row.verdict,
        "difference": {part: parseable(gap) for part, gap in row.difference.items()},
        "remark": row.remark,
    }


def parseable(expression: sp.Expr) -> str:
    """Text that parse_expr reads as the same expression: a name that means something to it, S or beta, becomes S_."""
    expression = expression.replace(student_t_sign, lambda y, nu: student_t_sign(y, nu).rewrite(sp.hyper))
    expression = expression.replace(
        lambda e: isinstance(e, AppliedUndef) and _taken(e.func.__name__),
        lambda e: sp.Function(f"{e.func.__name__}_")(*e.args),
    )
    taken = [y for y in expression.free_symbols if _taken(y.name)]
    return str(expression.subs({y: sp.Symbol(f"{y.name}_") for y in taken}, simultaneous=True))


def _taken(name: str) -> bool:
    return hasattr(sp, name) or keyword.iskeyword(name)


def as_latex(rows: Iterable[Row]) -> str:
    """A document with a table for each paper; it compiles with amsmath and longtable."""
    found: dict[str, list[Row]] = {}
    for row in rows:
        found.setdefault(row.paper, []).append(row)
    preamble = "\\documentclass{article}\n\\usepackage{amsmath,longtable}\n\\begin{document}\n"
    return preamble + "\n".join(_table(paper, held) for paper, held in found.items()) + "\n\\end{document}"


def readable(expression: sp.Expr) -> sp.Expr:
    """The expression with f'', f for Derivative(f(x), (x, 2)), f(x): symbols to print, not to compute with."""
    for derivative in sorted(expression.atoms(sp.Derivative), key=lambda d: (-d.derivative_count, str(d))):
        expression = expression.subs(derivative, sp.Symbol(_name(derivative)))
    for function in expression.atoms(AppliedUndef):
        expression = expression.subs(function, sp.Symbol(function.func.__name__))
    return expression


def _name(derivative: sp.Derivative) -> str:
    """``f''`` in one position, ``f_{x1 x2}`` in several."""
    function = derivative.expr.func.__name__
    if len(derivative.expr.args) == 1:
        return str(function) + PRIMES.get(derivative.derivative_count, f"^{{({derivative.derivative_count})}}")
    return f"{function}_{{{' '.join(str(y) for y in derivative.variables)}}}"


def _table(paper: str, rows: list[Row]) -> str:
    head = r"statement & provenance & verdict & \multicolumn{2}{l}{printed $-$ derived} \\ \hline"
    lines = [line for row in rows for line in _lines(row)]
    columns = r"\begin{longtable}{p{4.2cm}p{1.8cm}p{1.8cm}p{2.2cm}l}"
    return "\n".join([rf"\section*{{{prose(paper)}}}", r"\scriptsize", columns, head, *lines, r"\end{longtable}"])


def _lines(row: Row) -> list[str]:
    title = prose(f"{row.statement} ({row.number})" if row.number else row.statement)
    differences = [f"{prose(part)} & ${_latex(gap)}$" for part, gap in row.difference.items()] or [" & "]
    first = f"{title} & {prose(row.provenance)} & {prose(row.verdict)} & "
    lines = [first + differences[0], *(f" & & & {difference}" for difference in differences[1:])]
    return [line + r" \\" for line in lines]


def _latex(expression: sp.Expr) -> str:
    return latex(readable(expression))
