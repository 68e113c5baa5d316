"""Measured differences between the rules of this project and the optimizers of torch, optax and pytorch_optimizer.

    python tests/reference/parity.py             # write docs/parity.md
    python tests/reference/parity.py --check     # exit 1 where docs/parity.md is not what is measured now

The rule's own expressions are evaluated by numpy on the protocol of `make_zoo_trajectories`; no package is needed.
"""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from math import inf
from pathlib import Path
from typing import Any

import numpy as np

from adasde.derive.optimizers import registry

sys.path.insert(0, str(Path(__file__).parent))
import make_zoo_trajectories as reference
import rule_walk
from zoo_cases import LR

stored, trajectory = rule_walk.stored, rule_walk.trajectory
TABLE = Path(__file__).parents[2] / "docs" / "parity.md"
COMMAND = "python tests/reference/parity.py"
TOLERANCE = 1e-13
LOOSER = {"schedule_free_sgd": 1e-12, "schedule_free_adamw": 1e-12}
"""Rules that recover an average by a division, which magnifies rounding."""
ROUNDING = 1e-11
"""A known disagreement is above it."""


@dataclass(frozen=True)
class Disagreement:
    """Our rule against the case of another.

    given   our hyperparameters
    below   where the other is the same rule in less precision: what that may cost
    """

    rule: str
    case: str
    why: str
    given: Mapping[str, float] = field(default_factory=dict)
    below: float = inf


DISAGREEMENTS = [
    Disagreement("adan", "adan_optax", "optax 0.2.8 has 1 - beta2 in place of beta2, and eps inside the root too"),
    Disagreement("adopt", "adopt_optax", "the clip grows like k^(1/4) in one, (k - 1)^(1/4) in the other"),
    Disagreement("adopt_unclipped", "adopt_unclipped", "eps is added to the root here and is its floor in optax"),
    Disagreement("amsgrad", "amsgrad_optax", "the bias is corrected after the maximum in torch, before it in optax"),
    Disagreement("radam", "radam_optax", "eps is added before the correction of v in torch, after it in optax"),
    Disagreement("nadam", "nadam_optax", "torch has a schedule of the momentum"),
    Disagreement("adagrad", "adagrad_optax", "optax starts the sum at 0.1, with eps inside the root"),
    Disagreement("rmsprop", "rmsprop_optax", "eps stands outside the root in torch, inside in optax", {"beta2": 0.9}),
    Disagreement(
        "schedule_free_adamw", "schedule_free_adamw", "the package adds 1e-15 inside the root", {"hidden_eps": 0.0}
    ),
    Disagreement("adabelief", "adabelief po", "without the floor that eps accumulates to", {"eps": 1e-8, "floor": 0.0}),
    Disagreement(
        "ema_momentum", "momentum damped", "another dampening, and a first buffer of its own", {"weight_decay": 0.02}
    ),
    Disagreement("adam_coupled", "adamw", "the decay is averaged and rescaled", {"weight_decay": 0.02}),
    Disagreement("diffgrad", "adam", "diffGrad's friction"),
    Disagreement(
        "sgd_clip_norm", "clip norm optax", "torch adds 1e-6 to the norm, optax nothing", {"clip": 2.0, "eps": 1e-6}
    ),
    Disagreement("sam", "sam po", "the package takes the norm in float32", below=1e-9),
    Disagreement(
        "lars",
        "lars_summed",
        "the norm of the gradient with its decay in optax, the sum of their norms there",
        {"weight_decay": 0.02},
    ),
    Disagreement(
        "lamb",
        "lamb_clamped",
        "decay before the step, and no bias corrected inside the ratio of lengths",
        {"weight_decay": 0.02},
    ),
    Disagreement("muon", "muon bfloat16", "torch iterates in bfloat16", {"weight_decay": 0.1}, below=3e-2),
    Disagreement("muon", "muon po bfloat16", "the package iterates in bfloat16", {"weight_decay": 0.1}, below=3e-2),
    Disagreement(
        "muon",
        "muon_optax tall",
        "torch scales tall matrices, optax wide ones and corrects for the bias",
        {"weight_decay": 0.1},
    ),
    Disagreement(
        "muon_optax", "muon_optax eps", "optax adds 1e-8 to the norm first", {"weight_decay": 0.1}, below=1e-6
    ),
]


@cache
def settings() -> list[dict[str, Any]]:
    """All cases that the file holds."""
    found: list[dict[str, Any]] = json.loads(str(stored()["about"]))["settings"]
    return found


def comparisons() -> list[dict[str, Any]]:
    """Those in which a rule is that of the package."""
    return [setting for setting in settings() if setting["alike"]]


def difference(rule: str, case: str, given: Mapping[str, float]) -> float:
    """max |ours - theirs| over coordinates and saved steps."""
    start = next(setting["start"] for setting in settings() if setting["case"] == case)
    return float(np.abs(_walked(rule, tuple(sorted(given.items())), start) - stored()[case]).max())


@cache
def _walked(rule: str, given: tuple[tuple[str, float], ...], start: float) -> np.ndarray:
    return trajectory(registry()[rule], dict(given), start=start)


@cache
def table() -> str:
    """The page with all differences."""
    versions = json.loads(str(stored()["about"]))["versions"]
    packages = ", ".join(f"{name} {versions[name]}" for name in ("torch", "optax", "pytorch_optimizer"))
    lines = [
        "# Parity of the update rules",
        "",
        f"Generated by `{COMMAND}`; do not edit. Reference trajectories: {packages}, in float64.",
        "",
        f"{reference.D} coordinates, {reference.STEPS} steps, g = a x + s N on the same draws N, lr {LR:g} unless "
        "stated. Figures are max |ours - theirs| over all coordinates and saved steps; the test allows "
        f"{TOLERANCE:g}, and {max(LOOSER.values()):g} for schedule-free rules.",
        "",
        "`a + b`: parts of the package in a chain. `sam of`: optax.contrib.sam with that way up. Muon in float64: the "
        "package's own code with its bfloat16 read as float64; without eps: with eps = 0. SAM has the same draws at "
        f"both points, private rules have {reference.EXAMPLES} examples a step and optax's own draws of the noise.",
        "",
        "| rule | package | optimizer | settings | difference |",
        "|---|---|---|---|---|",
    ]
    for setting in comparisons():
        spelled = " ".join(f"{name}={value:g}" for name, value in setting["ours"].items()) or "defaults"
        figure = difference(setting["rule"], setting["case"], setting["ours"])
        cells = (setting["rule"], setting["package"], setting["optimizer"], spelled, f"{figure:.1e}")
        lines.append(f"| {' | '.join(cells)} |")
    lines += ["", "## Known disagreements", "", "| our rule | against | difference | why |", "|---|---|---|---|"]
    packages_of = {setting["case"]: f"{setting['package']} {setting['optimizer']}" for setting in settings()}
    for known in DISAGREEMENTS:
        figure = difference(known.rule, known.case, shared(known.case) | dict(known.given))
        lines.append(f"| {known.rule} | {packages_of[known.case]} | {figure:.1e} | {known.why} |")
    compared = {setting["rule"] for setting in comparisons()}
    alone = [name for name in registry() if name not in compared]
    papers = [name for name in alone if registry()[name].dialect == "paper"]
    others = [name for name in alone if name not in papers]
    lines += ["", f"Rules of a package that are not compared with it: {', '.join(others) or 'none'}."]
    lines += ["", f"Rules that none of the three packages has: {', '.join(papers)}.", ""]
    return "\n".join(lines)


def shared(case: str) -> dict[str, float]:
    """What a case has for any rule: the learning rate where it is not the usual one, the rows of a matrix."""
    ours = next(setting["ours"] for setting in settings() if setting["case"] == case)
    return {name: value for name, value in ours.items() if name in ("lr", "rows")}


def stale(text: str, fresh: str) -> str | None:
    """The first line of the page that is not what is measured now; figures at rounding level may move by a decade."""
    old, new = text.splitlines(), fresh.splitlines()
    for before, now in zip(old, new, strict=False):
        figures = [[float(f) for f in re.findall(r"(?<= )\d\.\de[+-]\d\d(?= )", line)] for line in (before, now)]
        words = [re.sub(r" \d\.\de[+-]\d\d ", " ", line) for line in (before, now)]
        close = all(max(a, b) < 1e-12 or abs(a - b) <= 0.05 * max(a, b) for a, b in zip(*figures, strict=False))
        if words[0] != words[1] or len(figures[0]) != len(figures[1]) or not close:
            return now
    return None if len(old) == len(new) else "another number of lines"


def main() -> int:
    fresh = table()
    if "--check" in sys.argv[1:]:
        found = stale(TABLE.read_text(encoding="utf-8"), fresh)
        print(f"stale: {found}; run {COMMAND}" if found else "docs/parity.md is fresh")
        return int(found is not None)
    TABLE.write_text(fresh, encoding="utf-8")
    print(f"wrote {TABLE.name}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
