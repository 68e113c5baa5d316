"""Docstrings of generated steps: the equations, their source, what they assume and what they drop."""

from __future__ import annotations

import textwrap

from adasde.derive.citations import citation
from adasde.derive.emit.lanes import positivity_floors
from adasde.derive.emit.printer import next_value
from adasde.derive.model import SDE
from adasde.derive.rule import UpdateRule


def _wrapped(label: str, items: tuple[str, ...] | list[str]) -> list[str]:
    lines: list[str] = []
    for item in items:
        lines += textwrap.wrap(f"{label}: {item}", 104, initial_indent="    ", subsequent_indent="        ")
    return lines


def algorithm_docstring(rule: UpdateRule, how: str) -> str:
    lines = [
        f'    """{rule.title}: step k of the optimizer with g = G + s z1; {how}.',
        "",
    ]
    updates = zip(rule.states, rule.update, strict=True)
    lines += [f"    {state}_next = {next_value(state, update, str)}" for state, update in updates]
    return "\n".join([*lines, "", f"    Dialect: {rule.dialect}. Source: {citation(rule.cite)}.", '    """'])


def sde_docstring(sde: SDE, how: str) -> str:
    order = f"weak order {sde.weak_order}; {how}"
    title = f"model `{sde.model}`, {sde.law.name} noise: {order}."
    lines = [f'    """{sde.optimizer}, {title}', ""]
    lines += [f"    {name} = {value}" for name, value in sde.named]
    for state, drift, row in zip(sde.states, sde.drift, sde.diffusion.tolist(), strict=True):
        noise = "".join(f" + ({entry}) dW{j + 1}" for j, entry in enumerate(row) if entry != 0)
        lines.append(f"    d{state} = ({drift}) dt{noise}")
    lines += [
        "",
        *_wrapped("Source", [sde.provenance]),
        *_wrapped("Assumes", sde.assumptions),
        *_wrapped("Drops", sde.dropped),
    ]
    guards = [f"{state} enters roots as max({state}, {floor})" for state, floor in positivity_floors(sde).items()]
    return "\n".join([*lines, *_wrapped("Guard", guards), '    """'])
