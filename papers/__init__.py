"""Published continuous-time models, one folder a paper, as claims that the derivation is held against."""

from __future__ import annotations

import importlib
import pkgutil
from functools import cache

from adasde.papers.claim import Claim
from adasde.papers.experiment import Experiment


@cache
def papers() -> dict[str, dict[str, Claim]]:
    """{paper key: {optimizer: claim}} for every paper folder."""
    keys = sorted(info.name for info in pkgutil.iter_modules(__path__) if info.ispkg)
    return {key: importlib.import_module(f"{__name__}.{key}").CLAIMS for key in keys}


def claims_for(optimizer: str) -> list[Claim]:
    """All claims about one optimizer, in alphabetical order of their papers."""
    return [claims[optimizer] for claims in papers().values() if optimizer in claims]


@cache
def experiments() -> dict[str, tuple[Experiment, ...]]:
    """{paper key: its experiments}, for papers that have some."""
    modules = {key: importlib.import_module(f"{__name__}.{key}") for key in papers()}
    return {key: module.EXPERIMENTS for key, module in modules.items() if hasattr(module, "EXPERIMENTS")}
