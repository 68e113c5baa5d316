"""The shipped optimizers; the registry is whatever rules lie in this folder, dialects of one optimizer in one file."""

from __future__ import annotations

import importlib
import pkgutil
from functools import cache

from adasde.derive.rule import UpdateRule

CHECKED_IN = ("adam", "adamw", "rmsprop", "rmspropw", "sgd", "signsgd")
"""Rules whose kernels are checked in, for CPU and CUDA. Those of all others are generated when they are first asked
for, and kept in the user's cache, as for a rule of one's own."""


@cache
def registry() -> dict[str, UpdateRule]:
    """All shipped rules by name, in alphabetical order."""
    rules: dict[str, UpdateRule] = {}
    for module in sorted(info.name for info in pkgutil.iter_modules(__path__)):
        contents = vars(importlib.import_module(f"{__name__}.{module}")).values()
        rules |= {rule.name: rule for rule in contents if isinstance(rule, UpdateRule)}
    return dict(sorted(rules.items()))


def checked_in() -> dict[str, UpdateRule]:
    """The rules whose kernels are checked in."""
    return {name: registry()[name] for name in CHECKED_IN}
