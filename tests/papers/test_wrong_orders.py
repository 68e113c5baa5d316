"""What agrees to leading order does so for the printed formula only: twice the formula does not, nor does the formula
with a symbol besides the small one to another power."""

from __future__ import annotations

import pytest
import sympy as sp

from adasde.papers import statements
from adasde.papers.statement import Statement, _negligible

ELSEWHERE = ("compagnoni2025", "callisti2025", "li2019")
"""Papers with tests of wrong terms of their own, and one whose limits take long."""
LONG = ("DSignSGD, phase of small signals", "DCSGD, scaling rule", "SGD, variance of averaged iterates")
"""Statements whose limits take long."""
HELD = [s for s in statements() if s.paper not in ELSEWHERE and s.name not in LONG]
LEADING = [s for s in HELD if s.expected == "agrees to leading order"]


@pytest.mark.parametrize("statement", LEADING, ids=lambda s: f"{s.paper} {s.name}")
def test_a_wrong_factor_is_no_higher_order(statement: Statement) -> None:
    derived = statement.derived()
    for part, printed in statement.printed.items():
        if printed == 0:
            continue
        symbols = sorted(printed.free_symbols - {statement.small}, key=str)
        for wrong in (2 * printed, *(printed * sp.sqrt(symbol) for symbol in symbols[:1])):
            assert not _negligible(wrong - derived[part], derived[part], statement.small), (part, wrong)
