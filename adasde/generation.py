"""From rules and papers to the checked-in kernel modules. Loads sympy."""

from __future__ import annotations

from pathlib import Path

from adasde.derive.emit.module import kernel_module
from adasde.derive.expansion import derive
from adasde.derive.freshness import helpers_digest
from adasde.derive.model import SDE
from adasde.derive.noise import LAWS
from adasde.derive.optimizers import registry
from adasde.derive.rule import UpdateRule
from adasde.papers import claims_for

HELPER_FILES = ("elementary.py", "empirical.py", "lanes.py", "philox.py", "special.py")
DRIVER_FILES = (*HELPER_FILES, "correlated.py", "draws.py", "laws.py", "normals.py", "orthant.py")


def kernel_folder() -> Path:
    """The folder of the generated CPU modules."""
    import adasde.kernels.cpu as folder

    return Path(next(iter(folder.__path__)))


def driver_stamp() -> tuple[Path, str]:
    """The driver's file and the digest of the helpers that it inlines."""
    folder = kernel_folder().parent
    return folder / "driver.py", helpers_digest(folder / name for name in DRIVER_FILES)


def models_of(rule: UpdateRule) -> list[SDE]:
    """Every SDE of one rule: the derived one under each noise law, then the published ones."""
    laws = [law() for law in LAWS.values()]
    derived = [derive(rule, law).sde for law in laws]
    return derived + [claim.equations(law) for claim in claims_for(rule.name) for law in laws]


def kernel_texts() -> dict[str, str]:
    """{file name: text} of every generated module, as the derivations give it today."""
    helpers = helpers_digest(kernel_folder().parent / name for name in HELPER_FILES)
    return {f"{name}.py": kernel_module(rule, models_of(rule), helpers) for name, rule in registry().items()}
