"""The committed table of what models the shipped rules have: what `adasde list` shows without deriving anything."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

import sympy as sp

from adasde.derive.rule import UpdateRule
from adasde.files import write_whole

TABLE = Path(__file__).parent / "verify" / "rule_orders.json"
TOLERANCE = 0.15


@dataclass(frozen=True)
class OverTime:
    """The weak order of one model over a fixed time (`verify.orders`).

    etas         the last pair of learning rates
    errors       the largest weak error among the test functions at each
    order        its slope
    uncertainty  what numerical error, or the interval of a sample, leaves open in it
    verdict      ``holds``, ``fails`` or ``undecided``
    method       ``transfer``, deterministic, or ``sampled``
    digest       of the model's equations
    """

    etas: tuple[float, ...]
    errors: tuple[float, ...]
    order: float
    uncertainty: float
    verdict: str
    method: str
    digest: str


@dataclass(frozen=True)
class RuleOrders:
    """What is known of one rule under Gaussian noise.

    models     by name, with the weak order that the derivation claims; None for the optimizer itself
    refused    why a model does not exist
    measured   weak order by one step, of the derived models
    digest     of the rule that this is about
    over_time  weak order over a fixed time, of the derived models
    """

    rule: str
    models: dict[str, int | None]
    refused: dict[str, str]
    measured: dict[str, float]
    digest: str
    over_time: dict[str, OverTime] = field(default_factory=dict)

    @property
    def holds(self) -> bool:
        """Whether every derived model has the order that it claims, by one step and over a fixed time."""
        steps = (abs(order - (self.models[model] or 0)) <= TOLERANCE for model, order in self.measured.items())
        return all(steps) and all(row.verdict == "holds" for row in self.over_time.values())


def digest(rule: UpdateRule) -> str:
    """First 12 hex digits of the SHA-256 of a rule's expressions, initial values and defaults."""
    facts = (
        sp.srepr(sp.Tuple(*rule.update)),
        str(rule.initial),
        *(f"{h.name}={h.default}" for h in rule.hyperparameters),
    )
    return hashlib.sha256(" ".join(facts).encode()).hexdigest()[:12]


def known(rule: UpdateRule) -> tuple[dict[str, int | None], dict[str, str]]:
    """({model: weak order}, {model: why there is none}) from the table where it is about this very rule, else derived,
    which takes seconds."""
    row = _committed().get(rule.name)
    if row is not None and row.digest == digest(rule):
        return row.models, row.refused
    from adasde.verify.rule_orders import models

    return models(rule)


@cache
def _committed() -> dict[str, RuleOrders]:
    """`table`, read once: all rules are looked up one after the other."""
    return table()


def table(path: Path = TABLE) -> dict[str, RuleOrders]:
    """The committed table by rule; empty where there is none."""
    if not path.is_file():
        return {}
    return {name: _row(name, row) for name, row in json.loads(path.read_text(encoding="utf-8")).items()}


def _row(name: str, row: dict[str, Any]) -> RuleOrders:
    over_time = {
        model: OverTime(**{**each, "etas": tuple(each["etas"]), "errors": tuple(each["errors"])})
        for model, each in row.pop("over_time", {}).items()
    }
    return RuleOrders(name, **row, over_time=over_time)


def write(rows: Sequence[RuleOrders], path: Path = TABLE) -> None:
    """Replaces the table."""
    stored = {
        row.rule: {k: v for k, v in asdict(row).items() if k != "rule"} for row in sorted(rows, key=lambda r: r.rule)
    }
    write_whole(path, json.dumps(stored, indent=1) + "\n")
