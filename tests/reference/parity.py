"""Measured differences between the rules of this project and the optimizers of torch, optax and pytorch_optimizer.

    python tests/reference/parity.py             # write docs/parity.md
    python tests/reference/parity.py --check     # exit 1 where docs/parity.md is not what is measured now

The rule's own expressions are evaluated by numpy on the protocol of `make_zoo_trajectories`; no package is needed.
"""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Callable, Mapping
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import sympy as sp

from adasde.derive.notation import g, k
from adasde.derive.optimizers import registry
from adasde.derive.rule import UpdateRule

sys.path.insert(0, str(Path(__file__).parent))
import make_zoo_trajectories as reference

Array = np.ndarray
TABLE = Path(__file__).parents[2] / "docs" / "parity.md"
COMMAND = "python tests/reference/parity.py"
TOLERANCE = 1e-13
LOOSER = {"schedule_free_sgd": 1e-12, "schedule_free_adamw": 1e-12}
"""Rules that recover an average by a division, which magnifies rounding."""

DISAGREEMENTS = [
    ("adan", "adan_optax", {}, "optax 0.2.8 has 1 - beta2 where the rule has beta2, and eps inside the root too"),
    ("adopt", "adopt_optax", {}, "the clip grows like k^(1/4) in one, (k - 1)^(1/4) in the other"),
    ("amsgrad", "amsgrad_optax", {}, "the bias is corrected after the maximum in torch, before it in optax"),
    ("radam", "radam_optax", {}, "eps is added before the correction of v in torch, after it in optax"),
    ("nadam", "nadam_optax", {}, "torch has a schedule of the momentum"),
    ("adagrad", "adagrad_optax", {}, "optax starts the sum at 0.1, with eps inside the root"),
    ("rmsprop", "rmsprop_optax", {"beta2": 0.9}, "eps stands outside the root in torch, inside in optax"),
    ("schedule_free_adamw", "schedule_free_adamw", {"hidden_eps": 0.0}, "the package adds 1e-15 inside the root"),
    ("adabelief", "adabelief po", {"eps": 1e-8, "floor": 0.0}, "without the floor that eps accumulates to"),
    ("ema_momentum", "momentum damped", {"weight_decay": 0.02}, "another dampening, and a first buffer of its own"),
    ("adam_coupled", "adamw", {"weight_decay": 0.02}, "the decay is averaged and rescaled"),
    ("diffgrad", "adam", {}, "diffGrad's friction"),
]
"""(our rule, the case of another, our hyperparameters, why they differ)."""


@cache
def stored() -> dict[str, Array]:
    """The arrays of the committed file."""
    with np.load(reference.COMMITTED) as file:
        return {name: file[name] for name in file.files}


def settings() -> list[dict[str, Any]]:
    """The comparisons that the file holds."""
    found: list[dict[str, Any]] = json.loads(str(stored()["about"]))["settings"]
    return found


@cache
def evaluated(rule: UpdateRule) -> Callable[..., list[Array]]:
    """(states, g, k, hyperparameters) -> next states: the rule's own expressions in numpy."""
    symbols = [*rule.states, g, k, *(h.symbol for h in rule.hyperparameters)]
    function: Callable[..., list[Array]] = sp.lambdify(symbols, list(rule.update), "numpy", cse=True)
    return function


def trajectory(rule: UpdateRule, given: Mapping[str, float], advance: Callable[..., Any] | None = None) -> Array:
    """x (SAVED, D) of a rule on the protocol; of its last state where that is an average of the parameters.

    ``advance(states, g, k, numbers)`` takes the place of the rule's expressions, e.g. a compiled kernel.
    """
    data = stored()
    x0, *forces = data["x0"], data["a"], data["s"], data["noise"].astype(np.float64)
    values = {h.name: h.default for h in rule.hyperparameters} | {"lr": reference.LR} | dict(given)
    numbers = [values[h.name] for h in rule.hyperparameters]
    state = [x0, *(np.zeros_like(x0) for _ in rule.states[1:])]
    for symbol, value in rule.initial:
        state[rule.states.index(symbol)] = np.full_like(x0, value)
    rows, step_of = [], advance or _by_expressions(rule)
    for step in range(1, reference.STEPS + 1):
        state = step_of(state, reference.gradient(state[0], step, *forces), step, numbers)
        if step in reference.SAVED:
            rows.append(state[-1] if rule.states[-1].name == "average" else state[0])
    return np.array(rows)


def _by_expressions(rule: UpdateRule) -> Callable[..., list[Array]]:
    function = evaluated(rule)

    def advance(state: list[Array], gradient: Array, step: int, numbers: list[float]) -> list[Array]:
        with np.errstate(invalid="ignore", divide="ignore"):  # in branches that are not taken
            return [np.broadcast_to(y, gradient.shape) for y in function(*state, gradient, step, *numbers)]

    return advance


def difference(rule: str, case: str, given: Mapping[str, float]) -> float:
    """max |ours - theirs| over coordinates and saved steps."""
    return float(np.abs(trajectory(registry()[rule], given) - stored()[case]).max())


def table() -> str:
    """The page with all differences."""
    versions = json.loads(str(stored()["about"]))["versions"]
    packages = ", ".join(f"{name} {versions[name]}" for name in ("torch", "optax", "pytorch_optimizer"))
    lines = [
        "# Parity of the update rules",
        "",
        f"Generated by `{COMMAND}`; do not edit. Reference trajectories: {packages}, in float64.",
        "",
        f"{reference.D} coordinates, {reference.STEPS} steps, g = a x + s N on the same draws N, lr {reference.LR:g} "
        "unless stated. Figures are max |ours - theirs| over all coordinates and saved steps; the test allows "
        f"{TOLERANCE:g}, and {max(LOOSER.values()):g} for schedule-free rules. Fast matrix rules are not here.",
        "",
        "| rule | package | optimizer | settings | difference |",
        "|---|---|---|---|---|",
    ]
    for setting in settings():
        spelled = " ".join(f"{name}={value:g}" for name, value in setting["ours"].items()) or "defaults"
        figure = difference(setting["rule"], setting["case"], setting["ours"])
        cells = (setting["rule"], setting["package"], setting["optimizer"], spelled, f"{figure:.1e}")
        lines.append(f"| {' | '.join(cells)} |")
    lines += ["", "## Known disagreements", "", "| our rule | against | difference | why |", "|---|---|---|---|"]
    packages_of = {setting["case"]: f"{setting['package']} {setting['optimizer']}" for setting in settings()}
    for rule, name, given, why in DISAGREEMENTS:
        figure = difference(rule, name, _shared(name) | given)
        lines.append(f"| {rule} | {packages_of[name]} | {figure:.1e} | {why} |")
    alone = sorted(set(registry()) - {setting["rule"] for setting in settings()})
    papers = [name for name in alone if registry()[name].dialect == "paper"]
    others = [name for name in alone if name not in papers]
    lines += ["", f"Rules of a package that are not compared with it: {', '.join(others)}."]
    lines += ["", f"Rules that none of the three packages has: {', '.join(papers)}.", ""]
    return "\n".join(lines)


def _shared(case: str) -> dict[str, float]:
    """The learning rate of a case where it is not the usual one."""
    ours = next(setting["ours"] for setting in settings() if setting["case"] == case)
    return {name: value for name, value in ours.items() if name == "lr"}


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
