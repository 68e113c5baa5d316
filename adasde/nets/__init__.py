"""Networks in torch: their losses on a fixed population of samples, and the optimizers and SDEs that run on them."""

from __future__ import annotations

from typing import Any

_HOMES = {"TorchLoss": "loss", "NETS": "catalog", "network": "catalog"}
__all__ = ["NETS", "TorchLoss", "network"]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    import importlib

    return getattr(importlib.import_module(f"{__name__}.{_HOMES[name]}"), name)
