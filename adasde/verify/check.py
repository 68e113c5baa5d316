"""One verified statement."""

from __future__ import annotations

from dataclasses import asdict, dataclass

FALSE_ALARM = 1e-4
"""Probability that one statistical check fails although what it checks is right."""


@dataclass(frozen=True)
class Check:
    """What was checked, with which outcome.

    rung       number on the ladder: 1 published forms, 2 one-step moments, 3 kernels, 4 closed forms,
               5 weak orders, 6 time step
    statement  what was checked, in words
    outcome    ``holds``, ``fails``, ``undecided`` (more paths are needed), or ``recorded`` (a published form that
               differs in the way that is on record, or a limit of the model that is on record)
    measured   the figures behind it
    """

    rung: int
    statement: str
    outcome: str
    measured: str

    @property
    def passed(self) -> bool:
        return self.outcome in ("holds", "recorded")

    def to_dict(self) -> dict[str, object]:
        return asdict(self) | {"passed": self.passed}


def check(rung: int, statement: str, holds: bool, measured: str) -> Check:
    """A `Check` that holds or fails."""
    return Check(rung, statement, "holds" if holds else "fails", measured)
