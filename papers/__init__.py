"""Published continuous-time models, one folder a paper, as claims that the derivation is held against."""

from __future__ import annotations

import importlib
import pkgutil
from functools import cache

from adasde.papers.claim import Claim


@cache
def papers() -> dict[str, dict[str, Claim]]:
    """{paper key: {optimizer: claim}} for every paper folder."""
    keys = sorted(info.name for info in pkgutil.iter_modules(__path__) if info.ispkg)
    return {key: importlib.import_module(f"{__name__}.{key}").CLAIMS for key in keys}


def claims_for(optimizer: str) -> list[Claim]:
    """All claims about one optimizer, in alphabetical order of their papers."""
    return [claims[optimizer] for claims in papers().values() if optimizer in claims]
