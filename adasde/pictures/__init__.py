"""Studies of what a derived SDE tells: phases, loss bounds, heavy tails, schedules. Each has a module, a table and a
figure; ``adasde reproduce PAPER --figure NAME --out DIR`` runs one.
"""

from __future__ import annotations

import importlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from adasde.papers.experiment import Picture


@dataclass(frozen=True)
class Table:
    """Text to print: a title, column heads, rows of cells, and notes below."""

    title: str
    columns: tuple[str, ...]
    rows: Sequence[tuple[str, ...]]
    notes: tuple[str, ...] = ()


class Study(Protocol):
    """What a module's ``study(settings, paths, seed, threads)`` returns.

    holds  whether everything that is derived holds; a printed bound that is on record as wrong may fail
    """

    @property
    def holds(self) -> bool: ...

    def tables(self) -> list[Table]: ...

    def figure(self) -> Figure: ...

    def to_dict(self) -> dict[str, Any]: ...


def run(picture: Picture, quick: bool, seed: int = 0, threads: int | None = None) -> Study:
    """Runs one study. Loads sympy."""
    module = importlib.import_module(f"adasde.pictures.{picture.figure.replace('-', '_')}")
    study: Study = module.study(picture.settings, picture.quick if quick else picture.full, seed, threads)
    return study
