"""The reference in C, `reference.c`: built with gcc where there is one, and run through ctypes.

It is built for each instruction set that the processor has; the fastest of these variants is the reference that
adasde is held against.
"""

from __future__ import annotations

import ctypes
import shutil
import subprocess
import tempfile
from functools import cache
from pathlib import Path

import numpy as np
from measure import Unavailable
from workloads import BETA1, BETA2, EPS, ETA, EVERY, RHO1, RHO2, SAVES, SIGMA, STEPS, V0, X0, Array, H, Result

VARIANTS = {
    "AVX2": ("-mavx2", "-mfma", "-mtune=native", "-DWIDTH=32"),
    "AVX-512": ("-march=native", "-mprefer-vector-width=512", "-DWIDTH=64"),
}
NEEDS = {"AVX2": {"avx2", "fma"}, "AVX-512": {"avx512f", "avx512dq", "avx512vl", "avx512bw"}}
OPTIONS = ("-O3", "-ffp-contract=fast", "-fno-math-errno", "-fno-trapping-math", "-shared", "-fPIC", "-pthread")
PROBLEMS = ("W1", "W2", "W3", "W3-2025")
PRECISIONS = ("mix", "double")
STAGES = ("Philox, word of 32 bits", "normal, float32", "normal, float64")
"""What `nanoseconds` times."""


class _Problem(ctypes.Structure):
    _fields_ = [
        ("H", ctypes.c_double * 4),
        ("x0", ctypes.c_double * 2),
        *((n, ctypes.c_double) for n in ("eta", "sigma", "beta1", "beta2", "eps", "rho1", "rho2", "v0")),
        *((n, ctypes.c_int64) for n in ("steps", "every", "workload", "precision")),
        ("seed", ctypes.c_uint64),
    ]


def processor_flags() -> set[str]:
    """Instruction sets as Linux names them; empty elsewhere."""
    info = Path("/proc/cpuinfo")
    lines = info.read_text().splitlines() if info.exists() else []
    return set(next((line.split(":")[1] for line in lines if line.startswith("flags")), "").split())


def compiler() -> str:
    """The path of gcc."""
    found = shutil.which("gcc")
    if found is None:
        raise Unavailable("no gcc")
    return found


def compiler_version() -> str:
    """What gcc says of itself."""
    return subprocess.run([compiler(), "--version"], capture_output=True, text=True, check=True).stdout.split("\n")[0]


@cache
def library(variant: str) -> ctypes.CDLL:
    """Compiles and loads one of `VARIANTS`; raises `Unavailable` without gcc or the processor's support."""
    missing = NEEDS[variant] - processor_flags()
    if missing:
        raise Unavailable(f"the processor has no {', '.join(sorted(missing))}")
    source = Path(__file__).with_name("reference.c")
    with tempfile.TemporaryDirectory() as folder:
        target = Path(folder) / "reference.so"
        command = [compiler(), *OPTIONS, *VARIANTS[variant], str(source), "-o", str(target), "-lm"]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode:
            raise Unavailable(f"gcc: {done.stderr.strip().splitlines()[0]}")
        built = ctypes.CDLL(str(target))
    moments, snapshots = ctypes.c_void_p, ctypes.c_void_p
    built.reference_run.argtypes = [ctypes.POINTER(_Problem), ctypes.c_int64, ctypes.c_int, moments, snapshots]
    built.reference_draws.argtypes = [ctypes.c_int, ctypes.c_int64, ctypes.c_uint64]
    built.reference_draws.restype = ctypes.c_double
    return built


def reference_moments(
    name: str, precision: str, variant: str, paths: int, seed: int = 0, threads: int = 1, snapshots: Array | None = None
) -> Result:
    """Moments of one workload; paths is a multiple of 128. ``snapshots`` (T, 2, paths) takes the paths themselves."""
    problem = _Problem(
        (ctypes.c_double * 4)(*H.ravel()), (ctypes.c_double * 2)(*X0), ETA, SIGMA, BETA1, BETA2, EPS, RHO1, RHO2, V0,
        STEPS, EVERY, PROBLEMS.index(name), PRECISIONS.index(precision), seed,
    )  # fmt: skip
    found = np.zeros((SAVES, 6))
    target = None if snapshots is None else snapshots.ctypes.data
    broken = library(variant).reference_run(ctypes.byref(problem), paths, threads, found.ctypes.data, target)
    if broken:
        raise ValueError(f"reference_run: condition {broken} is broken, paths = {paths}, threads = {threads}")
    return Result(paths, found[:, 1:3], found[:, [3, 4, 4, 5]].reshape(SAVES, 2, 2) / (paths - 1))


def nanoseconds(stage: str, variant: str, rounds: int = 2000) -> float:
    """CPU time of one of `STAGES` per word or normal."""
    import time

    built, number = library(variant), STAGES.index(stage)
    per_round = built.reference_lanes() * (40, 20, 20)[number]
    before = time.thread_time()
    built.reference_draws(number, rounds, 0)
    return (time.thread_time() - before) / (rounds * per_round) * 1e9
