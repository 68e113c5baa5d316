"""One CUDA kernel: what all paths share, worked out on the host, and the loop over steps of one path."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace

import sympy as sp

from adasde.derive import notation
from adasde.derive.emit.cuda_draws import Draw, motion, own
from adasde.derive.emit.cuda_printer import CUDA, HOST, IN_PRECISION, cuda_code
from adasde.derive.emit.lanes import Assignments, LaneBody, dt, renamed
from adasde.derive.emit.printer import next_value
from adasde.derive.emit.steps import parameter_symbols
from adasde.derive.emit.sums import assignment, inner_arrays, lane_assignments
from adasde.derive.functions import student_t_sign
from adasde.derive.law import Law
from adasde.derive.rule import UpdateRule
from adasde.derive.stability import gamma_step

BRIDGE_STREAM = 8
"""First of the streams that split a step's motions over its substeps, as in `adasde.kernels.draws`."""
RATIO = sp.Symbol("ratio", positive=True)
STEP = {notation.k: sp.Symbol("step", integer=True, positive=True), notation.t: sp.Symbol("time", nonnegative=True)}
"""Number and time of a step, and what kernels call them where they are needed lane by lane."""
ARGUMENTS = "state, scale, data, table, numbers, first, last, saves, xs, first_path, seed"
TAKEN = re.compile(
    r"T|y|xs|grad|gradient|hessian_vector|number|numbers|path|first_path|saved?s?|first|last|seed|table|substeps|parts?"
    r"|rows?|root|step|time|(block|fine|shift|words)\d+|total|drift|curved|ratio|kernel|cuda|maximum|minimum|add_bridge"
    rf"|pair_(co)?sine|student_t|\w+_in|laplace|exponential|rademacher|two_point|mixture|empirical|{'|'.join(IN_PRECISION)}"
)
"""What kernels give to other things than the states and hyperparameters of a rule, which it may call so."""


def named(symbol: sp.Symbol) -> sp.Symbol:
    """The symbol of a rule as a kernel calls it: y_ for y, which is the state of a path there."""
    return type(symbol)(f"{symbol.name}_", **symbol.assumptions0) if TAKEN.fullmatch(symbol.name) else symbol


@dataclass(frozen=True)
class Kernel:
    """A kernel before it is text: its function's name, its model, law and docstring, and its steps."""

    name: str
    model: str
    law: Law
    body: LaneBody
    along: LaneBody | None
    docstring: str

    @property
    def draws(self) -> list[Draw]:
        """The draws of a coordinate."""
        if self.model == "algorithm":
            return [own(self.law)]
        return [motion(self.law, c) for c in range(1, self.body.noises + 1)]


def kernel_text(rule: UpdateRule, kernel: Kernel) -> str:
    """The host's function of the coefficients, and the function that builds the kernel."""
    names = {y: named(y) for y in (*rule.states, *parameter_symbols(rule)) if named(y) != y}
    along_body = kernel.along and _named_step(renamed(kernel.along, names))
    kernel = replace(kernel, body=_named_step(renamed(kernel.body, names)), along=along_body)
    shared = _Shared(rule, kernel.law, kernel.body, kernel.draws)
    parts = [shared.function(f"{kernel.name}_coefficients")]
    facts, varying, along = f"coefficients={kernel.name}_coefficients", shared.varying, None
    if kernel.along is not None:
        along = _Shared(rule, kernel.law, kernel.along)
        parts.append(along.function(f"along_{kernel.name}_coefficients"))
        facts += f", along=along_{kernel.name}_coefficients"
        varying = [*varying, *along.varying]
    facts += f", varying={bool(varying)}"
    for draw in kernel.draws:
        facts += f", numbers=lambda p: {draw.numbers}(p[LAW:])" if draw.numbers else ""
    inner = [f"        {line}".rstrip() for line in _kernel_lines(rule, kernel, shared, along)]
    lines = [f"@path_kernel({facts})"]
    lines += [f"def {kernel.name}(T, d, substeps, gradient, hessian_vector):", kernel.docstring]
    lines += [f"    {line}" for line in _constants(kernel, "\n".join(inner))]
    lines += ["", "    @cuda.jit", f"    def kernel({ARGUMENTS}):", *inner]
    return "\n\n\n".join([*parts, "\n".join([*lines, "", "    return kernel"])])


def _named_step(body: LaneBody) -> LaneBody:
    """The body with number and time of the step by names that are nothing else in a kernel."""
    if not body.loads & set(STEP):
        return body
    lanes, updates = (tuple((y, value.xreplace(STEP)) for y, value in part) for part in (body.per_lane, body.updates))
    moving = tuple((name, value) for value, name in STEP.items())
    return replace(body, per_step=(*body.per_step, *moving), per_lane=lanes, updates=updates)


class _Shared:
    """What all paths share in a step: the columns of the coefficient table, those that stay the same first."""

    def __init__(self, rule: UpdateRule, law: Law, body: LaneBody, draws: Sequence[Draw] = ()):
        places = {named(symbol): f"p[{i}]" for i, symbol in enumerate(parameter_symbols(rule))}
        self.places = places | {symbol: f"p[LAW + {i}]" for i, symbol in enumerate(law.parameters)}
        self.per_step: Assignments = body.per_step
        lanes = [value for _, value in (*body.per_lane, *body.updates)]
        needed = set(body.loads)
        if any(value.has(student_t_sign) for value in lanes):
            (nu,) = law.parameters
            self.per_step = (*self.per_step, (RATIO, gamma_step(nu / 2) / sp.sqrt(sp.pi)))
            needed.add(RATIO)
        needed |= {y for y in law.parameters for draw in draws if str(y) in draw.columns}
        moving = set(STEP)
        for name, value in self.per_step:
            if value.free_symbols & moving:
                moving.add(name)
        columns = [y for y in (*self.places, dt, *(name for name, _ in self.per_step)) if y in needed]
        self.fixed = [symbol for symbol in columns if symbol not in moving]
        self.varying = [symbol for symbol in columns if symbol in moving]

    @property
    def columns(self) -> list[sp.Symbol]:
        return [*self.fixed, *self.varying]

    def function(self, name: str) -> str:
        """The host's function of the coefficients."""
        wanted = {*self.columns}.union(*(value.free_symbols for _, value in self.per_step))
        used = [symbol for symbol in self.places if symbol in wanted]
        lines = [f"def {name}(p, k, t, dt):", '    """What all paths share in step k, in float64."""']
        if used:
            lines.append(f"    {', '.join(map(str, used))} = {', '.join(self.places[symbol] for symbol in used)}")
        for symbol, value in self.per_step:
            lines += [f"    {line}" for line in assignment(symbol, value, HOST)]
        return "\n".join([*lines, f"    return ({''.join(f'{symbol}, ' for symbol in self.columns).rstrip()})"])

    def load(self, symbols: list[sp.Symbol], row: str, first: int = 0) -> list[str]:
        """The line that reads ``symbols`` from a row of the table, this body's columns being from ``first`` on."""
        if not symbols:
            return []
        places = [f"table[{row}, {first + self.columns.index(symbol)}]" for symbol in symbols]
        return [f"{', '.join(map(str, symbols))} = {', '.join(places)}"]


def _constants(kernel: Kernel, text: str) -> list[str]:
    """Lines of the builder before the kernel: functions in the precision T, and numbers of the bridge."""
    lines = ["TINY = tiny_in(T)"] if re.search(r"\bTINY\b", text) else []
    lines += [f"{name} = {name}_in(T)" for name in IN_PRECISION if re.search(rf"(?<![\w.]){name}\(", text)]
    lines += [draw.constant for draw in kernel.draws if draw.constant]
    if kernel.model != "algorithm":
        lines.append("root, rows = T(math.sqrt(substeps)), (substeps*d + 3)//4*4")
    return lines


def _kernel_lines(rule: UpdateRule, kernel: Kernel, shared: _Shared, along: _Shared | None) -> list[str]:
    """The body of the kernel."""
    states, optimizer = len(rule.states), kernel.model == "algorithm"
    motions = range(1, kernel.body.noises + 1)
    lines = ["number = cuda.grid(1)", "if number >= state.shape[2]:", "    return"]
    lines += ["path, saved = first_path + number, 0"]
    lines += [f"y, grad = cuda.local.array(({states}, d), T), cuda.local.array(d, T)"]
    lines += [line for draw in kernel.draws for line in draw.arrays]
    if not optimizer:
        lines += [f"fine{c}, shift{c} = cuda.local.array(4, np.float32), cuda.local.array(d, T)" for c in motions]
        lines += ["total = cuda.local.array(d, T)"] * bool(motions)
    if along is not None:
        lines.append("drift, curved = cuda.local.array(d, T), cuda.local.array(d, T)")
    lines += inner_arrays([body for body in (kernel.body, kernel.along) if body is not None], CUDA)
    lines += ["for i in range(d):", *(f"    y[{n}, i] = state[{n}, i, number]" for n in range(states))]
    lines += shared.load(shared.fixed, "0") if along is None else []
    lines += ["for k in range(first, last):", *_indented(_save("saves[saved] == k"))]
    step = _step(rule, kernel, shared, along)
    if optimizer:
        lines += _indented([*shared.load(shared.varying, "k - first"), *step])
    else:
        lines += _indented(_bridge(kernel))
        loads = ["row = (k - first)*substeps + part"] if shared.varying or (along is not None and along.varying) else []
        lines += _indented(["for part in range(substeps):", *_indented([*loads, *step])])
    lines += _save("")
    return [*lines, "for i in range(d):", *(f"    state[{n}, i, number] = y[{n}, i]" for n in range(states))]


def _save(condition: str) -> list[str]:
    when = f" and {condition}" if condition else ""
    return [
        f"if saved < saves.size{when}:",
        "    for i in range(d):",
        "        xs[saved, i, number] = y[0, i]",
        "    saved += 1",
    ]


def _step(rule: UpdateRule, kernel: Kernel, shared: _Shared, along: _Shared | None) -> list[str]:
    """One step: gradient, what a model of weak order two needs of the curvature, and the update of each coordinate."""
    lines, optimizer = ["gradient(y, grad, data, d)"], kernel.model == "algorithm"
    if along is not None:
        assert kernel.along is not None
        row = "row" if shared.varying or along.varying else "0"
        lines += along.load(along.columns, row, len(shared.columns))
        lines += [
            "for i in range(d):",
            *_indented(_loads(rule, kernel.along)),
            *_indented(lane_assignments(kernel.along, CUDA)),
        ]
        lines += [f"    drift[i] = {cuda_code(kernel.along.updates[0][1])}"]
        lines += ["hessian_vector(y, drift, curved, data, d)", *shared.load(shared.columns, row)]
    elif not optimizer:
        lines = [*shared.load(shared.varying, "row"), *lines]
    lines += ["for i in range(d):", *_indented(_loads(rule, kernel.body))]
    coarse = [f"z{c} = T({draw.text})" for c, draw in enumerate(kernel.draws, 1)]
    lines += _indented(coarse if optimizer else _either(kernel, coarse))
    lines += _indented(lane_assignments(kernel.body, CUDA))
    place = {named(state): n for n, state in enumerate(rule.states)}
    updates = [(place[state], next_value(state, value, cuda_code)) for state, value in kernel.body.updates]
    return lines + [f"    y[{n}, i] = {text}" for n, text in updates]


def _either(kernel: Kernel, coarse: list[str]) -> list[str]:
    """The draws of a substep, or those of the whole step where there is one only."""
    fine = [
        f"z{c} = T(normal(fine{c}, k*rows + part*d + i, k*rows, path, {BRIDGE_STREAM + c - 1}, seed)) + shift{c}[i]"
        for c in range(1, len(coarse) + 1)
    ]
    return ["if substeps > 1:", *_indented(fine), "else:", *_indented(coarse)] if coarse else []


def _bridge(kernel: Kernel) -> list[str]:
    """Splits the step's draws over its substeps: z_j = w_j - mean(w) + z/sqrt(r) with fresh normals w."""
    if not kernel.draws:
        return []
    lines = ["if substeps > 1:", "    for i in range(d):"]
    lines += [f"        shift{c}[i] = T({draw.text})" for c, draw in enumerate(kernel.draws, 1)]
    for c in range(1, len(kernel.draws) + 1):
        lines.append(f"    add_bridge(total, d, substeps, fine{c}, k, path, {BRIDGE_STREAM + c - 1}, seed)")
        lines += ["    for i in range(d):", f"        shift{c}[i] = shift{c}[i]/root - total[i]/T(substeps)"]
    return lines


def _loads(rule: UpdateRule, body: LaneBody) -> list[str]:
    places = {named(state): f"y[{n}, i]" for n, state in enumerate(rule.states)}
    places |= {notation.G: "grad[i]", notation.s: "scale[i]", notation.Hb: "curved[i]", notation.sb: "T(0)"}
    return [f"{symbol} = {place}" for symbol, place in places.items() if symbol in body.loads]


def _indented(lines: list[str]) -> list[str]:
    return [f"    {line}" for line in lines]
