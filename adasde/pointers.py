"""Compiled functions as plain addresses: numba takes 0.1 ms to turn a dispatcher into one, at every call."""

from __future__ import annotations

from functools import cache
from typing import Any

from numba import types


class Pointer(types.WrapperAddressProtocol):  # type: ignore[misc]
    """The address of a compiled function with one explicit signature.

    Only for functions that raise nothing: a call through an address cannot pass an exception on.
    """

    def __init__(self, function: Any) -> None:
        self.function = function
        (compiled,) = function.overloads.values()
        self._signature = compiled.signature
        self._address = compiled.library.get_pointer_to_function(compiled.fndesc.llvm_cfunc_wrapper_name)
        self._numba_type_ = types.FunctionType(compiled.signature)

    def __wrapper_address__(self) -> Any:
        return self._address

    def signature(self) -> Any:
        return self._signature


pointer = cache(Pointer)
