"""Rounded arithmetic, bit casts and choices that the device functions share.

On a GPU a product and a sum that follow each other become one fused operation, which rounds once instead of twice.
`mul` and `add` are never fused and `fma` always is, so that what is built from them has the same bits as on the CPU. numba's simulator
runs all of this as plain Python.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import cuda
from numba.core import config

device = cuda.jit(device=True, inline="always")
"""Decorator of device functions. All are inlined: kernels stay flat, and compile where there is no GPU."""

if config.ENABLE_CUDASIM:

    def mul(a: Any, b: Any) -> Any:
        """The product a b in float32, rounded to nearest."""
        return np.float32(a * b)

    def add(a: Any, b: Any) -> Any:
        """The sum a + b in float32, rounded to nearest."""
        return np.float32(a + b)

    def fma(a: Any, b: Any, c: Any) -> Any:
        """a b + c in float32, rounded once: the product is exact in float64, and of its sum with c the last bit is set
        where that is not exact, which keeps the second rounding from going to the wrong side."""
        product, c = np.float64(a) * np.float64(b), np.float64(c)
        total = product + c
        part = total - product
        error = (product - (total - part)) + (c - part)
        if error != 0 and int(total.view(np.int64)) & 1 == 0:
            total = np.nextafter(total, np.inf if error > 0 else -np.inf)
        return np.float32(total)

    def bits_of(x: Any) -> Any:
        """The bits of a float32 as int32."""
        return np.float32(x).view(np.int32)

    def float_of(i: Any) -> Any:
        """The float32 with these bits, an int32."""
        return np.int32(i).view(np.float32)

    def high_word(a: Any, b: Any) -> Any:
        """The upper half of the 64-bit product of two uint32, as an integer of 32 bits."""
        return np.uint32((int(a) * int(b)) >> 32)

    def low_word(a: Any, b: Any) -> Any:
        """The lower half of the product, a uint32."""
        return np.uint32((int(a) * int(b)) & 0xFFFFFFFF)

    def plus(a: Any, b: Any) -> Any:
        """a + b modulo 2^32 for two uint32."""
        return np.uint32((int(a) + int(b)) & 0xFFFFFFFF)

else:
    from numba.cuda import libdevice

    mul, add, fma = libdevice.fmul_rn, libdevice.fadd_rn, libdevice.fmaf_rn
    bits_of, float_of, high_word = libdevice.float_as_int, libdevice.int_as_float, libdevice.umulhi

    @device
    def low_word(a, b):
        return np.uint32(a * b)

    @device
    def plus(a, b):
        return np.uint32(a + b)


@device
def maximum(a, b):
    """The larger of a and b; NaN if a is, where CUDA's own fmax would give b."""
    return b if b > a else a


@device
def minimum(a, b):
    """The smaller of a and b; NaN if a is."""
    return b if b < a else a
