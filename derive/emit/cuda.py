"""The text of one optimizer's CUDA module: a flat kernel for the algorithm and for each of its SDE models."""

from __future__ import annotations

import re

from adasde.derive.emit.cuda_body import Kernel, kernel_text
from adasde.derive.emit.cuda_printer import HostOnly
from adasde.derive.emit.lanes import algorithm_body, along_body, sde_body
from adasde.derive.emit.module import COMMAND, body_digest, derivation_digest, function_name, header, parameter_symbols
from adasde.derive.emit.prose import algorithm_docstring, sde_docstring
from adasde.derive.law import Law
from adasde.derive.model import SDE
from adasde.derive.rule import UpdateRule

HELPERS = {
    "arithmetic": ("maximum",),
    "normals": ("add_bridge", "normal", "pair_cosine", "pair_sine"),
    "special": ("gamma_step", "sign_in", "student_t_in", "student_t_sign_in", "tiny_in"),
}
"""Functions that generated code takes from the modules of `adasde.kernels.cuda.device`."""


def cuda_module(rule: UpdateRule, sdes: list[SDE], laws: list[Law], helpers_digest: str, command: str = COMMAND) -> str:
    """Python source of `kernels/cuda/<rule>.py`, the same bytes in every process.

    A model whose expressions the GPU does not evaluate is left out, with the reason in ``HOST_ONLY``.
    """
    found: dict[str, list[tuple[str, str]]] = {"algorithm": []}
    parts, reasons = [], {}
    for kernel in _kernels(rule, sdes, laws):
        try:
            parts.append(kernel_text(rule, kernel))
        except HostOnly as reason:
            reasons[kernel.model] = f"{reason} is evaluated on the CPU only"
            continue
        found.setdefault(kernel.model, []).append((kernel.law.name, kernel.name))
    parts.append(_models(found, reasons))
    text = "\n\n\n".join([_head(rule, "\n".join(parts)), *parts]) + "\n"
    return f"{header(rule, derivation_digest(rule, sdes), helpers_digest, body_digest(text), command)}{text}"


def _kernels(rule: UpdateRule, sdes: list[SDE], laws: list[Law]) -> list[Kernel]:
    algorithm = algorithm_body(rule)
    prose = algorithm_docstring(rule, f"{algorithm.operations} operations per lane")
    kernels = [
        Kernel(f"algorithm_{law.name.replace('-', '_')}", "algorithm", law, algorithm, None, prose) for law in laws
    ]
    for sde in sdes:
        body, along = sde_body(sde), None if sde.along is None else along_body(sde)
        kernels.append(
            Kernel(
                function_name(sde),
                sde.model,
                sde.law,
                body,
                along,
                sde_docstring(sde, f"{body.operations} operations per lane"),
            )
        )
    return kernels


def _head(rule: UpdateRule, text: str) -> str:
    parameters = ", ".join(f'"{symbol}"' for symbol in parameter_symbols(rule))
    lines = [f'"""{rule.title}: the optimizer and its SDE models as CUDA kernels, one thread a path."""', "", ""]
    lines += ["import math", "", "import numpy as np", "from numba import cuda", ""]
    for module, names in HELPERS.items():
        used = [name for name in names if re.search(rf"(?<!\w){name}\(", text)]
        if used:
            lines.append(f"from adasde.kernels.cuda.device.{module} import {', '.join(used)}")
    lines.append("from adasde.kernels.cuda.device.paths import path_kernel")
    count = len(parameter_symbols(rule))
    return "\n".join([*lines, "", f'OPTIMIZER = "{rule.name}"', f"PARAMETERS = ({parameters},)", f"LAW = {count}"])


def _models(found: dict[str, list[tuple[str, str]]], reasons: dict[str, str]) -> str:
    lines = ["MODELS = {"]
    for model, members in found.items():
        entries = ", ".join(f'"{law}": {name}' for law, name in members)
        lines.append(f'    "{model}": {{{entries}}},')
    return "\n".join([*lines, "}", f"HOST_ONLY: dict[str, str] = {reasons!r}"])
