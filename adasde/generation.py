"""From rules and papers to kernel modules: those checked in, and those made on demand. Loads sympy."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path

import adasde.losses
from adasde.derive.emit.cuda import cuda_module
from adasde.derive.emit.module import COMMAND, kernel_module
from adasde.derive.expansion import MODELS, derive
from adasde.derive.freshness import helpers_digest, helpers_of
from adasde.derive.law import Law, NotDerivable
from adasde.derive.laws import CHECKED_IN, LAWS
from adasde.derive.model import SDE
from adasde.derive.optimizers import checked_in
from adasde.derive.rule import UpdateRule
from adasde.papers import claims_for

HELPER_FILES = ("lanes.py", "special.py")
"""What a generated module imports."""
KEPT = 16
"""Rules whose models are kept between the making of their CPU and of their CUDA module."""


def kernel_folder() -> Path:
    """The folder of the generated CPU modules."""
    import adasde.kernels.cpu as folder

    return Path(next(iter(folder.__path__)))


def cuda_folder() -> Path:
    """The folder of the generated CUDA modules."""
    return kernel_folder().parent / "cuda"


def helper_stamps(package: Path | None = None) -> list[tuple[Path, str]]:
    """Every hand-written file with kernels (of another installed package) that inlines others, the losses' among them,
    and the digest of those."""
    folder = package / "kernels" if package else kernel_folder().parent
    losses = package / "losses" if package else Path(next(iter(adasde.losses.__path__)))
    paths = [*sorted(folder.glob("*.py")), *sorted(losses.glob("*.py"))]
    inlining = {path: helpers_of(folder, str(path)) for path in paths}
    return [(path, helpers_digest(helpers)) for path, helpers in inlining.items() if helpers]


def models_of(rule: UpdateRule, laws: Sequence[Law] | None = None) -> tuple[list[SDE], dict[str, str]]:
    """Every SDE of one rule, first derived and then published ones, and the reasons why others do not exist."""
    return _models_of(rule, _laws() if laws is None else tuple(laws))


def _laws() -> tuple[Law, ...]:
    """The laws whose kernels are checked in."""
    return tuple(LAWS[name]() for name in CHECKED_IN)


@lru_cache(KEPT)
def _models_of(rule: UpdateRule, laws: tuple[Law, ...]) -> tuple[list[SDE], dict[str, str]]:
    """`models_of`, derived once for the CPU and the CUDA module."""
    derived: list[SDE] = []
    refused: dict[str, str] = {}
    for order, model in MODELS.items():
        for law in laws:
            try:
                derived.append(derive(rule, law, order).sde)
            except NotDerivable as reason:
                refused[model] = str(reason)
    known = [law for law in laws if law.name in CHECKED_IN]
    return derived + [claim.equations(law) for claim in claims_for(rule.name) for law in known], refused


def kernel_texts() -> dict[str, str]:
    """{file name: text} of every checked-in CPU module, as the derivations give it today."""
    return {f"{name}.py": kernel_text(rule) for name, rule in checked_in().items()}


def cuda_texts() -> dict[str, str]:
    """{file name: text} of every checked-in CUDA module."""
    return {f"{name}.py": cuda_text(rule) for name, rule in checked_in().items()}


def cuda_text(rule: UpdateRule, laws: Sequence[Law] | None = None, command: str = COMMAND) -> str:
    """The CUDA module of one rule, with its models under ``laws`` (by default those that are checked in)."""
    helpers = helpers_digest((cuda_folder() / "device").glob("*.py"))
    return cuda_module(rule, models_of(rule, laws)[0], list(laws or _laws()), helpers, command)


def kernel_text(rule: UpdateRule, laws: Sequence[Law] | None = None, command: str = COMMAND) -> str:
    """The CPU module of one rule, with its models under ``laws`` (by default those that are checked in)."""
    folder = kernel_folder().parent
    direct = [folder / name for name in HELPER_FILES]
    helpers = helpers_digest({*direct, *helpers_of(folder, *HELPER_FILES)})
    return kernel_module(rule, *models_of(rule, laws), helpers, command)
