"""The text of one optimizer's CUDA module: a flat kernel for the algorithm and for each of its SDE models."""

from __future__ import annotations

import re

from adasde.derive.emit.cuda_body import Kernel, kernel_text
from adasde.derive.emit.module import COMMAND, body_digest, derivation_digest, header
from adasde.derive.emit.prose import algorithm_docstring, sde_docstring
from adasde.derive.emit.stages import is_staged
from adasde.derive.emit.steps import Steps, function_name, parameter_symbols, steps_of
from adasde.derive.law import Law
from adasde.derive.model import SDE
from adasde.derive.notation import H, Ht
from adasde.derive.operations import Own, adjoint, largest, orthogonal, sampled, total, workers
from adasde.derive.rule import UpdateRule

HELPERS = {
    "arithmetic": ("maximum", "minimum"),
    "draws": ("empirical", "exponential_in", "laplace_in", "mixture", "rademacher_in", "two_point", "word"),
    "functions": ("cos_in", "empirical_sign_in", "power_in", "sin_in", "whole_power_in"),
    "normals": ("add_bridge", "normal", "pair_cosine", "pair_sine"),
    "numbers": ("empirical_numbers", "mixture_numbers", "two_point_numbers"),
    "special": ("gamma_step", "sign_in", "student_t_in", "student_t_sign_in", "tiny_in"),
    "votes": ("vote_error_in", "vote_in", "vote_slope_in"),
}
"""Functions that generated code takes from the modules of `adasde.kernels.cuda.device`."""
IN_STAGES = {
    total: "sums over coordinates",
    largest: "the largest entries of a vector",
    orthogonal: "the orthogonal factor of a matrix",
    workers: "workers with minibatches of their own",
    sampled: "gradients at other points",
    adjoint: "the transposed Jacobian",
    Own: "draws of its own",
}
"""What a step in one pass over coordinates has not, in the words of a refusal."""


def cuda_module(rule: UpdateRule, sdes: list[SDE], laws: list[Law], helpers_digest: str, command: str = COMMAND) -> str:
    """Python source of `kernels/cuda/<rule>.py`, the same bytes in every process.

    It reads the parameter array of the CPU's module of the same rule and the same models. An optimizer or a model whose
    steps go in stages is left out, with the reason in ``HOST_ONLY``.
    """
    steps = steps_of(rule, sdes)
    found: dict[str, list[tuple[str, str]]] = {} if steps.algorithm is None else {"algorithm": []}
    parts = []
    for kernel in _kernels(rule, steps, laws):
        parts.append(kernel_text(rule, kernel))
        found.setdefault(kernel.model, []).append((kernel.law.name, kernel.name))
    parts.append(_models(found, staged_on_host(rule, sdes)))
    text = "\n\n\n".join([_head(rule, steps.nodes, "\n".join(parts)), *parts]) + "\n"
    return f"{header(rule, derivation_digest(rule, sdes), helpers_digest, body_digest(text), command)}{text}"


def staged_on_host(rule: UpdateRule, sdes: list[SDE]) -> dict[str, str]:
    """{model: why its step goes in stages}, the optimizer's own among them; see `emit.stages`."""
    steps = {sde.model: [*sde.drift, *sde.diffusion] for sde in sdes if is_staged(sde)}
    if rule.composite:
        steps = {"algorithm": list(rule.update)} | steps
    reasons = {}
    for model, step in steps.items():
        whose = "the optimizer's step" if model == "algorithm" else f"a step of {model}"
        needs = [what for kind, what in IN_STAGES.items() if any(e.atoms(kind) for e in step)]
        needs += ["Hessian-vector products"] * any(e.has(H, Ht) for e in step)
        needs += ["the noise scale"] * (model == "algorithm" and not needs)
        reasons[model] = f"{whose} needs {', '.join(needs)}: it goes in stages, on the CPU only"
    return reasons


def _kernels(rule: UpdateRule, steps: Steps, laws: list[Law]) -> list[Kernel]:
    kernels = []
    if (algorithm := steps.algorithm) is not None:
        prose = algorithm_docstring(rule, f"{algorithm.operations} operations per lane")
        names = {law: f"algorithm_{law.name.replace('-', '_')}" for law in laws}
        kernels += [Kernel(name, "algorithm", law, algorithm, None, prose) for law, name in names.items()]
    for sde, body in steps.steps:
        prose = sde_docstring(sde, f"{body.operations} operations per lane")
        kernels.append(Kernel(function_name(sde), sde.model, sde.law, body, steps.alongs.get(sde), prose))
    return kernels


def _head(rule: UpdateRule, nodes: int, text: str) -> str:
    parameters = ", ".join(f'"{symbol}"' for symbol in parameter_symbols(rule))
    lines = [f'"""{rule.title}: the optimizer and its SDE models as CUDA kernels, one thread a path."""', "", ""]
    lines += ["import math", "", "import numpy as np", "from numba import cuda", ""]
    for module, names in HELPERS.items():
        used = [name for name in names if re.search(rf"(?<!\w){name}\(", text)]
        if used:
            lines.append(f"from adasde.kernels.cuda.device.{module} import {', '.join(used)}")
    lines.append("from adasde.kernels.cuda.device.paths import path_kernel")
    count = len(parameter_symbols(rule))
    facts = [f'OPTIMIZER = "{rule.name}"', f"PARAMETERS = ({parameters},)"]
    return "\n".join([*lines, "", *facts, f"NODES, QUADRATURE, LAW = {count}, {nodes}, {count + 2 * nodes}"])


def _models(found: dict[str, list[tuple[str, str]]], reasons: dict[str, str]) -> str:
    lines = ["MODELS = {"]
    for model, members in found.items():
        entries = ", ".join(f'"{law}": {name}' for law, name in members)
        lines.append(f'    "{model}": {{{entries}}},')
    return "\n".join([*lines, "}", f"HOST_ONLY: dict[str, str] = {reasons!r}"])
