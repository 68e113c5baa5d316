"""What the attributes of `compilation.ATTRIBUTES` do to the machine's code, for processors that need not be here."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

LOOP = """
import numba
import numpy as np
from numba import float64, types
from adasde.kernels.compilation import compiled, has_32_registers

def loop(a, b):
    for j in range(a.size):
        b[j] = a[j] * a[j] + b[j]

signature = types.void(float64[::1], float64[::1])
for decorator in (compiled(signature, cache=False), numba.njit(signature)):
    (code,) = decorator(loop).inspect_asm().values()
    print(int("zmm" in code), int("ymm" in code), end=" ")
print(int(has_32_registers()))
"""


@pytest.mark.parametrize(
    ("name", "features", "expected"),
    [
        ("skylake-avx512", "+avx,+avx2,+fma,+avx512f,+avx512vl,+avx512dq,+avx512bw", "1 1 0 1 1"),
        ("haswell", "+avx,+avx2,+fma", "0 1 0 1 0"),
    ],
)
def test_loops_use_full_vectors(name: str, features: str, expected: str) -> None:
    """zmm and ymm in a loop by `compiled`, then by plain numba, which leaves half of a 512-bit vector unused; and
    whether there are 32 registers."""
    variables = {"NUMBA_CPU_NAME": name, "NUMBA_CPU_FEATURES": features}
    done = subprocess.run(
        [sys.executable, "-c", LOOP], capture_output=True, text=True, check=True, env=os.environ | variables
    )
    assert done.stdout.split() == expected.split()
