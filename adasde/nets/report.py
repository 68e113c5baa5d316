"""What a study found, network by network and optimizer by optimizer: a record for JSON and for tables."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from adasde.nets.catalog import NETS
from adasde.nets.gaps import LEVEL, Gap, Interval, finals, gaps, interval, share_closed
from adasde.nets.study import Finished, Task


@dataclass(frozen=True)
class Row:
    """One optimizer on one network.

    task      any of its tasks, for the setting
    losses    final loss by curve, over seeds
    diverged  number of seeds that blew up, by curve
    gaps      named differences
    closed    share of the gap of the Gaussian model that the empirical law closes, by substeps
    """

    task: Task
    losses: dict[str, Interval]
    diverged: dict[str, int]
    gaps: list[Gap]
    closed: dict[int, Interval]

    def to_dict(self) -> dict[str, Any]:
        setting = self.task.setting
        return {
            "net": self.task.net,
            "title": NETS[self.task.net].title,
            "optimizer": setting.optimizer,
            "hyperparameters": setting.hyperparameters,
            "batch": setting.batch,
            "steps": setting.steps,
            "refresh": setting.refresh,
            "level": LEVEL,
            "final_loss": {name: _spelled(found) for name, found in self.losses.items()},
            "diverged": self.diverged,
            "gaps": [
                {
                    "cause": gap.cause,
                    "minuend": gap.minuend,
                    "subtrahend": gap.subtrahend,
                    **_spelled(gap.difference),
                    "seen": gap.seen,
                }
                for gap in self.gaps
            ],
            "empirical_closes": [{"substeps": n, **_spelled(found)} for n, found in self.closed.items()],
        }


def rows(finished: Sequence[Finished]) -> list[Row]:
    """A row for each network and optimizer of which any curve ended without an error."""
    groups: dict[tuple[str, str], list[Finished]] = {}
    for one in finished:
        if not one.message:
            groups.setdefault((one.task.net, one.task.setting.optimizer), []).append(one)
    return [_row(group) for group in groups.values()]


def _row(group: list[Finished]) -> Row:
    final = finals(group)
    losses = {name: interval(list(by_seed.values())) for name, by_seed in final.items()}
    diverged = {name: sum(not math.isfinite(v) for v in by_seed.values()) for name, by_seed in final.items()}
    closed = {substeps: share_closed(final, substeps) for substeps in (1, 4)}
    shares = {substeps: share for substeps, share in closed.items() if share is not None}
    return Row(group[0].task, losses, diverged, gaps(final), shares)


def _spelled(found: Interval) -> dict[str, Any]:
    """Numbers that JSON has: None for what is not finite."""
    values = {"mean": found.mean, "low": found.mean - found.half, "high": found.mean + found.half}
    return {**{name: v if math.isfinite(v) else None for name, v in values.items()}, "seeds": found.seeds}
