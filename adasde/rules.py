"""Update rules by what the command line spells: a shipped name, or ``./file.py:name`` for a rule of one's own."""

from __future__ import annotations

import importlib.util
import traceback
from pathlib import Path
from typing import TYPE_CHECKING

from adasde.errors import InvalidParameter, MissingData, UnknownName

if TYPE_CHECKING:
    from adasde.derive.rule import UpdateRule


def is_file(optimizer: str) -> bool:
    """Whether the spelling names a rule in a file."""
    return ":" in optimizer


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

    if not is_file(optimizer):
        if optimizer not in registry():
            raise UnknownName("optimizer", optimizer, registry())
        return registry()[optimizer]
    path, name = split(optimizer)
    return _rules_in(path, optimizer, name)


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
