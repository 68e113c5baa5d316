"""Update rules by what the command line spells: a shipped name, or ``./file.py:name`` for a rule of one's own.

Either may be followed by what goes around it, `FORMS`: ``momentum+average-out:m``, ``sgd+ou:10:0.5``.
"""

from __future__ import annotations

import dataclasses
import importlib.util
import re
import traceback
from pathlib import Path
from typing import TYPE_CHECKING

from adasde.domain import checked
from adasde.errors import InvalidParameter, MissingData, UnknownName

if TYPE_CHECKING:
    from adasde.derive.rule import UpdateRule


FORMS = {"average-out": "average-out:STATE[,STATE]", "ou": "ou:TAU:S", "fractional": "fractional:H:S"}
"""What may follow a rule's name after a +."""
ABOUT = {
    "average-out": "models without these buffers, averaged out at fixed decays with their long-run covariance",
    "ou": "coloured noise besides that of the minibatch: size S over the long run, memory TAU >= 1 steps, 1 for white",
    "fractional": "fractional noise of Hurst index H in (0, 1) and size S besides the minibatch's",
}
_NEXT = re.compile(r"\+(?=[a-z][a-z-]*(?::|$))")


def base_of(optimizer: str) -> str:
    """The spelling without what goes around the rule."""
    return _NEXT.split(optimizer)[0]


def is_file(optimizer: str) -> bool:
    """Whether the spelling names a rule in a file."""
    return ":" in base_of(optimizer)


def split(optimizer: str) -> tuple[Path, str]:
    """(file, name of the rule) of ``./file.py:name``. Raises `MissingData` where there is no such file."""
    file, _, name = optimizer.rpartition(":")
    path = Path(file).expanduser()
    if not path.is_file():
        raise MissingData(f"{optimizer}: no file {file}; write it as ./file.py:name, with the name of the rule")
    return path.resolve(), name


def rule_of(optimizer: str) -> UpdateRule:
    """The `UpdateRule` behind a spelling. Loads sympy. Raises `UnknownName`, `MissingData`, or `InvalidParameter` with
    the reason where a user's file does not run."""
    from adasde.derive.optimizers import registry

    base, *around = _NEXT.split(optimizer)
    if is_file(base):
        path, name = split(base)
        rule = _rules_in(path, base, name)
    elif base in registry():
        rule = registry()[base]
    else:
        raise UnknownName("optimizer", base, registry())
    for text in around:
        rule = _around(rule, text)
    return rule


def _around(rule: UpdateRule, text: str) -> UpdateRule:
    """The rule with one of `FORMS` around it."""
    from adasde.derive.noise_memory import correlated, fractional

    name, *fields = text.split(":")
    if name not in FORMS:
        raise UnknownName(f"{rule.name}+", name, FORMS)
    if len(fields) != FORMS[name].count(":") or not all(fields):
        raise InvalidParameter(f"{rule.name}+", repr(text), f"the form {FORMS[name]}", ABOUT[name])
    if name == "average-out":
        return _averaging(rule, tuple(fields[0].split(",")))
    if rule.composite:
        remedy = "noise with memory goes around rules of one gradient in one coordinate; take another rule"
        raise InvalidParameter(f"{rule.name}+", text, "{}", remedy)
    size = checked(f"{rule.name}+{name}: S", fields[1], "[0, inf)")
    if name == "fractional":
        return fractional(rule, checked(f"{rule.name}+fractional: H", fields[0], "(0, 1)"), size=size)
    time = checked(f"{rule.name}+ou: TAU, in steps,", fields[0], "[1, inf)")
    return correlated(rule, 1 - 1 / time, size)


def _averaging(rule: UpdateRule, states: tuple[str, ...]) -> UpdateRule:
    known = [str(y) for y in rule.states[1:]]
    for state in states:
        if state not in known:
            domain = "{" + ", ".join(known) + "}"
            raise InvalidParameter(f"{rule.name}+average-out", state, domain, "name a state besides the position")
    name = "_".join((rule.name, "without", *states))
    return dataclasses.replace(rule, name=name, average_out=states)


def _rules_in(path: Path, optimizer: str, name: str) -> UpdateRule:
    from adasde.derive.rule import UpdateRule

    spec = importlib.util.spec_from_file_location(f"adasde_rule_{path.stem}", path)
    if spec is None or spec.loader is None:
        raise InvalidParameter("optimizer", optimizer, "the Python files", "name a file that ends in .py")
    module = importlib.util.module_from_spec(spec)
    try:
        spec.loader.exec_module(module)
    except Exception as error:
        where = traceback.extract_tb(error.__traceback__)[-1]
        reason = f"line {where.lineno}: {type(error).__name__}: {error}"
        raise InvalidParameter("optimizer", optimizer, "the files that run", reason) from error
    found = {value.name: value for value in vars(module).values() if isinstance(value, UpdateRule)}
    if name not in found:
        raise UnknownName(f"{path.name}: rule", name, found)
    return found[name]
