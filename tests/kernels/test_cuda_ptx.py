"""CUDA kernels compiled for an H100 or H200 (compute capability 9.0), which takes no GPU.

Skipped where numba-cuda with NVIDIA's compiler is not installed (the extra `test` brings both on Linux).
"""

from __future__ import annotations

import importlib
import importlib.util
import re
import shutil
import subprocess
import sys
import sysconfig
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numba import cuda, float32, float64, int64

from adasde.kernels.cuda.device import losses
from adasde.kernels.cuda.device.moments import moments_kernel
from adasde.kernels.cuda.device.normals import normal
from adasde.kernels.cuda.device.paths import compile_ptx, signature
from adasde.optimizers import cuda_kernels, names

sys.path.insert(0, str(Path(__file__).parent))
import cuda_laws

sys.path.remove(str(Path(__file__).parent))

PRECISIONS = (np.float32, np.float64)
FAMILIES = {
    "diagonal": losses.DIAGONAL,
    "dense": losses.DENSE,
    "saddle": losses.SADDLE,
    "rosenbrock": losses.ROSENBROCK,
    "logistic": losses.LOGISTIC,
}
REPRESENTATIVE = [
    (("sgd", "sde", "gaussian", "dense"), np.float64),
    (("signsgd", "sde", "student-t", "diagonal"), np.float32),
    (("adam", "sde", "gaussian", "saddle"), np.float32),
    (("sgd", "order2", "gaussian", "rosenbrock"), np.float32),
    (("sgd", "order2", "gaussian", "logistic"), np.float32),
]
ON_DEMAND = [
    ("lion", "gaussian"),
    ("adan", "student-t"),
    ("nadam", "gaussian"),
    ("adamax", "gaussian"),
    ("radam", "gaussian"),
    ("schedule_free_adamw", "gaussian"),
    ("sgd+ou:10:0.5", "student-t"),
    ("sto_sign", "gaussian"),
]
EVERY = [
    (optimizer, model, law, family)
    for optimizer in names()
    for model, laws in importlib.import_module(f"adasde.kernels.cuda.{optimizer}").MODELS.items()
    for law in laws
    for family in FAMILIES
]


def compiler() -> str | None:
    """Why there is no compiler, or None."""
    if importlib.util.find_spec("numba_cuda") is None:
        return "numba-cuda is not installed"
    try:
        cuda.compile_ptx(lambda x: x, (int64,), device=True, cc=(9, 0))
    except Exception as error:  # whatever a missing or unfit compiler raises
        return f"NVIDIA's compiler does not run: {type(error).__name__}: {str(error)[:80]}"
    return None


def assembler() -> str | None:
    """NVIDIA's ptxas: pip's, which goes with the compiler, or the toolkit's."""
    for folder in Path(sysconfig.get_path("purelib"), "nvidia").glob("*/bin/ptxas"):
        return str(folder)
    return shutil.which("ptxas")


WHY_NOT = compiler()
pytestmark = pytest.mark.skipif(WHY_NOT is not None, reason=str(WHY_NOT))


def ptx_of(optimizer: str, model: str, law: str, family: str, T: Any, d: int = 2) -> str:
    kernel, loss = cuda_kernels(optimizer, law).MODELS[model][law], FAMILIES[family]
    return compile_ptx(kernel.build(T, d, 1, loss.gradient, loss.hessian_vector), signature(T))


def resources(ptx: str, folder: Path) -> dict[str, int]:
    """Registers, stack frame and spills by ptxas."""
    program = assembler()
    if program is None:
        pytest.skip("no ptxas: neither nvidia-cuda-nvcc nor a toolkit is installed")
    source = folder / "kernel.ptx"
    source.write_text(ptx)
    command = [program, "-v", "-arch=sm_90", str(source), "-o", str(folder / "kernel.cubin")]
    done = subprocess.run(command, capture_output=True, text=True)
    if "Unsupported .version" in done.stderr:
        pytest.skip(f"{program} is older than the compiler")
    assert done.returncode == 0, done.stderr
    text = done.stderr
    frame, stores, loads = re.findall(r"(\d+) bytes (?:stack frame|spill stores|spill loads)", text)
    (registers,) = re.findall(r"Used (\d+) registers", text)
    return {"registers": int(registers), "stack": int(frame), "stores": int(stores), "loads": int(loads)}


def has_float64(ptx: str) -> bool:
    """Whether any instruction works on float64, conversions included (%f64 is a register of float32)."""
    return re.search(r"\.f64\b", ptx) is not None


def check(case: tuple[str, str, str, str], T: Any, folder: Path) -> None:
    """`check_ptx` of a checked-in kernel."""
    check_ptx(ptx_of(*case, T), T, folder, 168)


def check_ptx(ptx: str, T: Any, folder: Path, registers: int) -> None:
    """The kernel compiles and is flat; a float32 kernel has no float64 in it; ptxas spills nothing."""
    assert ".target sm_90" in ptx and len(re.findall(r"\.entry", ptx)) == 1 and "call.uni" not in ptx
    assert has_float64(ptx) == (T is np.float64)
    found = resources(ptx, folder)
    assert found["stores"] == found["loads"] == 0 and found["registers"] <= registers, found


@pytest.mark.parametrize(("case", "T"), REPRESENTATIVE, ids=[case[0] for case, _ in REPRESENTATIVE])
def test_representative_kernels(case: tuple[str, str, str, str], T: Any, tmp_path: Path) -> None:
    check(case, T, tmp_path)


def test_a_module_on_demand(own_cache: None, tmp_path: Path) -> None:
    """Votes of signs, from a module that is not checked in."""
    check(("signsgd_majority", "sde", "gaussian", "diagonal"), np.float32, tmp_path)


@pytest.mark.slow
@pytest.mark.parametrize("T", PRECISIONS, ids=lambda T: T.__name__)
@pytest.mark.parametrize(("optimizer", "law"), ON_DEMAND, ids=" ".join)
def test_modules_on_demand(optimizer: str, law: str, T: Any, own_cache: None, tmp_path: Path) -> None:
    """All models of some of them, on a dense quadratic."""
    found = [model for model, laws in cuda_kernels(optimizer, law).MODELS.items() if law in laws]
    assert found
    for model in found:
        check((optimizer, model, law, "dense"), T, tmp_path)


@pytest.mark.slow
@pytest.mark.parametrize("T", PRECISIONS, ids=lambda T: T.__name__)
@pytest.mark.parametrize("case", EVERY, ids=" ".join)
def test_every_kernel(case: tuple[str, str, str, str], T: Any, tmp_path: Path) -> None:
    check(case, T, tmp_path)


def other_ptx(case: cuda_laws.Case, T: Any, substeps: int = 1) -> str:
    """The PTX of a kernel that is made from text."""
    _, rule, sdes, noise, model = case
    kernel = cuda_laws.modules(rule, sdes, noise)[1].MODELS[model][noise.law]
    loss = losses.DIAGONAL
    return compile_ptx(kernel.build(T, 2, substeps, loss.gradient, loss.hessian_vector), signature(T))


def test_every_function_compiles(tmp_path: Path) -> None:
    """All that can be printed, and a draw from a mixture, in one float32 kernel."""
    case = ("mixed", cuda_laws.mixed, [], cuda_laws.NOISES["mixture"], "algorithm")
    check_ptx(other_ptx(case, np.float32), np.float32, tmp_path, 168)


@pytest.mark.slow
@pytest.mark.parametrize("T", PRECISIONS, ids=lambda T: T.__name__)
def test_other_rules_and_laws_compile(T: Any, tmp_path: Path) -> None:
    """Kernels made from text: draws of every law, closed forms, data, sums over nodes and over pairs of nodes, whose
    unrolled loops take all registers."""
    cases = [*cuda_laws.rules_by_text(), ("mixed", cuda_laws.mixed, [], cuda_laws.NOISES["mixture"], "algorithm")]
    for case in cases:
        check_ptx(other_ptx(case, T), T, tmp_path, 255 if case[0].startswith("agreeing") else 168)
        if case[0] == "soft sde laplace":
            check_ptx(other_ptx(case, T, substeps=4), T, tmp_path, 168)


@pytest.mark.slow
def test_substeps_compile(tmp_path: Path) -> None:
    """With several substeps the bridge is part of the kernel."""
    kernel = importlib.import_module("adasde.kernels.cuda.sgd").MODELS["sde"]["gaussian"]
    loss = losses.DIAGONAL
    ptx = compile_ptx(kernel.build(np.float32, 3, 4, loss.gradient, loss.hessian_vector), signature(np.float32))
    assert not has_float64(ptx) and resources(ptx, tmp_path)["stores"] == 0


def test_the_moments_compile(tmp_path: Path) -> None:
    """The reduction, in float64 whatever the precision of the paths."""
    for real in (float32, float64):
        counts, flat = int64[:, ::1], float64[::1]
        inputs, stack = (real[:, :, ::1], int64, flat), float64[:, :, ::1]
        outputs = (float64[:, ::1], counts, counts, stack, float64[:, :, :, ::1], stack)
        ptx = compile_ptx(moments_kernel(losses.DIAGONAL, 2), (*inputs, *outputs))
        assert "bar.sync" in ptx and "atom" not in ptx
        assert resources(ptx, tmp_path)["stores"] == 0


def test_normals_are_fused_where_the_cpu_fuses_them() -> None:
    """Thirteen fused operations to a root, as on the CPU, and no other: one more or less would change their bits."""

    def kernel(out, seed):  # type: ignore[no-untyped-def]
        block = cuda.local.array(4, np.float32)
        for q in range(out.size):
            out[q] = normal(block, q, 0, cuda.grid(1), 0, seed)

    ptx = cuda.compile_ptx(kernel, (float32[::1], int64), cc=(9, 0))[0]
    found = re.findall(r"\b(?:fma|mul|add|sub|div|sqrt)(?:\.\w+)*\.f32\b", ptx)
    assert {"fma.rn.f32", "mul.rn.f32", "add.rn.f32", "div.rn.f32", "sqrt.rn.f32"} == set(found)
    assert found.count("fma.rn.f32") == 13 * found.count("sqrt.rn.f32") > 0
    assert not has_float64(ptx)


def test_a_bare_number_is_noticed() -> None:
    """The check for float64 fails for a kernel in which one number lost its type."""
    module = importlib.import_module("adasde.kernels.cuda.signsgd")
    text = Path(str(module.__file__)).read_text(encoding="utf-8")
    start = text.index("def sde_gaussian_coefficients")
    part = text[start : text.index("    return kernel\n", start)] + "    return kernel\n"
    assert part.count("T(1) - (mu*mu)") == 1
    scope = dict(vars(module))
    exec(part.replace("T(1) - (mu*mu)", "1.0 - (mu*mu)"), scope)
    loss = losses.DIAGONAL
    built = scope["sde_gaussian"].build(np.float32, 2, 1, loss.gradient, loss.hessian_vector)
    assert has_float64(compile_ptx(built, signature(np.float32)))
