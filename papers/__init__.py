"""Published continuous-time models, one folder a paper, as statements that the derivation is held against.

A folder has CLAIMS (SDEs that can be simulated), STATEMENTS (anything that can be checked), or both.
"""

from __future__ import annotations

import importlib
import pkgutil
from functools import cache
from types import ModuleType

from adasde.papers.claim import Claim
from adasde.papers.experiment import Experiment
from adasde.papers.statement import Statement


@cache
def keys() -> tuple[str, ...]:
    """The papers, in alphabetical order."""
    return tuple(sorted(info.name for info in pkgutil.iter_modules(__path__) if info.ispkg))


@cache
def package(key: str) -> ModuleType:
    """The folder of one paper."""
    if key not in keys():
        raise KeyError(key)
    return importlib.import_module(f"{__name__}.{key}")


@cache
def papers() -> dict[str, dict[str, Claim]]:
    """{paper key: {optimizer: claim}} for every paper with an SDE that can be simulated."""
    return {key: package(key).CLAIMS for key in keys() if hasattr(package(key), "CLAIMS")}


def claims_for(optimizer: str) -> list[Claim]:
    """All claims about one optimizer, in alphabetical order of their papers. They are about registered rules only, so
    that for another rule none of the papers, which take seconds, is loaded."""
    from adasde.derive.optimizers import registry

    if optimizer not in registry():
        return []
    return [claims[optimizer] for claims in papers().values() if optimizer in claims]


@cache
def experiments() -> dict[str, tuple[Experiment, ...]]:
    """{paper key: its experiments}, for papers that have some."""
    return {key: package(key).EXPERIMENTS for key in keys() if hasattr(package(key), "EXPERIMENTS")}


@cache
def statements(paper: str | None = None) -> tuple[Statement, ...]:
    """The statements of one paper, or of all: its claims under Gaussian noise, then its STATEMENTS."""
    if paper is None:
        return tuple(statement for key in keys() for statement in statements(key))
    claims = getattr(package(paper), "CLAIMS", {}).values()
    return (*map(_from_claim, claims), *getattr(package(paper), "STATEMENTS", ()))


def _from_claim(claim: Claim) -> Statement:
    """An SDE claim under Gaussian noise as a statement; it agrees exactly where nothing is on record as found."""
    from adasde.derive.expansion import derive
    from adasde.derive.noise import Gaussian
    from adasde.derive.optimizers import registry
    from adasde.papers.parts import of_sde

    recorded = claim.found(Gaussian())
    return Statement(
        paper=claim.paper,
        name=f"{registry()[claim.optimizer].name}, SDE",
        number=claim.statement,
        provenance=claim.provenance,
        printed=of_sde(claim.equations(Gaussian())),
        derived=lambda: of_sde(derive(registry()[claim.optimizer], Gaussian()).sde),
        expected="agrees" if all(part.is_zero_matrix for part in recorded) else "differs",
        remark=claim.remark,
    )
