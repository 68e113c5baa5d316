"""The output of `adasde list` as tables."""

from __future__ import annotations

import re
from typing import Any

from rich.table import Table

from adasde.cli.tables import console

MODELS = (
    "Every optimizer has the model algorithm, which is itself. sde and order2 are derived; `adasde derive NAME` says "
    "in full why there is none. Printed in papers, with the weak order that is claimed: {published}."
)
SCALES = "S is per sample: one number, a comma list of one per coordinate, or `data` where the loss has data."
LEADS = re.compile(
    r"no SDE coordinate by coordinate: |no model of weak order two: |the increment of \w+ does not vanish with eta: "
)
"""What reasons of one kind have in common."""


PLAIN = ("algorithm", "sde", "order2")
WIDTHS = {"name": 19, "dialect": 17, "states": 13}
"""Of the columns that all tables have alike; what is left of 100 columns holds the hyperparameters of Adam."""


def catalog_tables(catalog: dict[str, Any]) -> None:
    """Optimizers by what models they have and why they lack others, noise laws, losses and backends."""
    out = console()
    optimizers = catalog["optimizers"]
    both = {name: facts for name, facts in optimizers.items() if "order2" in facts["models"]}
    none = {name: facts for name, facts in optimizers.items() if not {"sde", "order2"} & {*facts["models"]}}
    first = {name: facts for name, facts in optimizers.items() if name not in both and name not in none}
    out.rule(f"{len(both)} optimizers with sde: weak order 1, and order2: weak order 2", align="left")
    out.print("name, dialect, states, hyperparameters by default", style="italic")
    out.print(_listed(both))
    for title, missing, group in (("with sde: weak order 1 only", "order2", first), ("without an SDE", "sde", none)):
        out.rule(f"{len(group)} optimizers {title}", align="left")
        for reason, members in by_reason(group, missing).items():
            out.print(f"no {missing}: {reason}", style="italic", highlight=False, markup=False)
            out.print(_listed(members))
    out.rule(align="left")
    out.print(MODELS.format(published=_published(optimizers)) + "\n", highlight=False)
    around = Table("spelling", "meaning", title="After an optimizer's name, as in momentum+average-out:m")
    for facts in catalog["around"].values():
        around.add_row(facts["spelling"], facts["about"])
    out.print(around)
    laws = Table("spelling", "meaning", title="Noise laws", caption=SCALES, caption_justify="left")
    for facts in catalog["noise_laws"].values():
        laws.add_row(facts["spelling"], facts["about"])
    out.print(laws)
    for kind in catalog["losses"].values():
        out.print(f"Loss: {kind}", markup=False)
    out.print("Backends: " + ", ".join(catalog["backends"]))


def by_reason(optimizers: dict[str, Any], missing: str) -> dict[str, dict[str, Any]]:
    """The optimizers that lack one model, grouped by the first clause of the reason."""
    found: dict[str, dict[str, Any]] = {}
    for name, facts in optimizers.items():
        found.setdefault(in_short(name, facts["refused"][missing]), {})[name] = facts
    return found


def in_short(name: str, reason: str) -> str:
    """The first clause of a reason that is about no other optimizer, whatever the state's name: "a state is a sum"."""
    own = LEADS.sub("", reason.removeprefix(f"{name}: "), count=1)
    return re.sub(r"^the state \w+ ", "a state ", re.split(r"[,;:] ", own, maxsplit=1)[0])


def _listed(optimizers: dict[str, Any]) -> Table:
    table = Table(box=None, show_header=False, padding=(0, 1, 0, 1))
    for name, width in WIDTHS.items():
        table.add_column(name, width=width)
    table.add_column("hyperparameters")
    for name, facts in optimizers.items():
        hyper = " ".join(f"{key}={value:g}" for key, value in facts["hyperparameters"].items())
        table.add_row(name, facts["dialect"], " ".join(facts["states"]), hyper)
    return table


def _published(optimizers: dict[str, Any]) -> str:
    """compagnoni2025 (1) of adam, sgd; and so on for every paper."""
    found: dict[tuple[str, int], list[str]] = {}
    for name, facts in optimizers.items():
        for model, order in facts["weak_orders"].items():
            if model not in PLAIN:
                found.setdefault((model, order), []).append(name)
    return "; ".join(f"{model} ({order}) of {', '.join(names)}" for (model, order), names in found.items())
