"""Compiled functions with products and sums contracted to fused multiply-adds, for `fast=True`.

Contraction (LLVM's flag `contract`) rounds a b + c once instead of twice. What comes out is as accurate, but depends
on whether the CPU has such an instruction: its bytes are no longer the same everywhere. No other freedom is given.
"""

# helpers 59df08b01e18: numba's cache watches this file only, so `adasde kernels --write` stamps what it inlines here.
from __future__ import annotations

import types
from functools import cache
from typing import Any

from numba.core.registry import CPUDispatcher

from adasde.kernels.compilation import compiled


@cache
def contracted(function: Any) -> Any:
    """The compiled function ``function`` with contraction, in itself and in every compiled function that it calls.

    It is compiled from a copy of the Python function under the name ``<name>_contracted``, by which numba's disk
    cache tells the two apart.
    """
    # A function without explicit signatures lists those that it happened to be called with so far.
    signatures = [] if function._can_compile else function.nopython_signatures
    return _compiled(function.py_func, function.targetoptions, signatures, _is_cached(function))


def _compiled(body: Any, options: dict[str, Any], signatures: list[Any], cached: bool) -> Any:
    names = {name: body.__globals__[name] for name in _global_names(body.__code__) if name in body.__globals__}
    replaced = {name: contracted(value) for name, value in names.items() if isinstance(value, CPUDispatcher)}
    copy = types.FunctionType(body.__code__, body.__globals__ | replaced, body.__name__, body.__defaults__)
    copy.__qualname__, copy.__module__ = f"{body.__qualname__}_contracted", body.__module__
    chosen = {name: options[name] for name in ("nogil", "error_model", "forceinline") if name in options}
    return compiled(signatures or None, cache=cached, fastmath={"contract"}, **chosen)(copy)


def _global_names(code: types.CodeType) -> set[str]:
    inner = (constant for constant in code.co_consts if isinstance(constant, types.CodeType))
    return set(code.co_names).union(*map(_global_names, inner))


def _is_cached(function: Any) -> bool:
    return type(function._cache).__name__ != "NullCache"
