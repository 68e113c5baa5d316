"""A committed table with a row for every shipped rule, measured one by one, and the page in docs that is made of it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Generic, TypeVar

from adasde.derive.optimizers import registry
from adasde.files import write_whole

Row = TypeVar("Row")


@dataclass(frozen=True)
class RulePage(Generic[Row]):
    """file      in docs
    command   that makes it
    text      the page from the rows of all rules
    measure   the row of a rule, worked out now
    store     replaces the table by the rows that there are
    told      what is said of a row when it is there
    """

    file: Path
    command: str
    text: Callable[[dict[str, Row]], str]
    measure: Callable[[str], Row]
    store: Callable[[list[Row]], None]
    told: Callable[[Row], str]

    def fresh(self, rows: dict[str, Row]) -> bool:
        """Whether the page is what the rows say; prints the command that mends it."""
        fresh = self.file.read_text(encoding="utf-8") == self.text(rows)
        place = f"docs/{self.file.name}"
        print(f"{place} is fresh" if fresh else f"{place} is stale: run {self.command}")
        return fresh

    def rewrite(self, rows: dict[str, Row], names: Sequence[str]) -> None:
        """Measures rules, by default all, and puts them into ``rows``; each is stored when it is there."""
        for name in names or registry():
            rows[name] = self.measure(name)
            self.store([rows[known] for known in registry() if known in rows])
            print(name, self.told(rows[name]), flush=True)
        if set(rows) >= set(registry()):
            write_whole(self.file, self.text(rows))
