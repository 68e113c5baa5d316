"""The shipped optimizers, one rule a file; the registry is whatever lies in this folder."""

from __future__ import annotations

import importlib
import pkgutil
from functools import cache

from adasde.derive.rule import UpdateRule


@cache
def registry() -> dict[str, UpdateRule]:
    """All shipped rules by name, in alphabetical order."""
    rules: dict[str, UpdateRule] = {}
    for module in sorted(info.name for info in pkgutil.iter_modules(__path__)):
        contents = vars(importlib.import_module(f"{__name__}.{module}")).values()
        rules |= {rule.name: rule for rule in contents if isinstance(rule, UpdateRule)}
    return dict(sorted(rules.items()))
