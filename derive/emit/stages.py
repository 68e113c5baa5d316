"""The text of a step in stages: loops over lanes, and between them what a rule needs of whole vectors.

Operations (`derive.operations`) are worked out innermost first, each once. Gradients elsewhere, Hessian-vector
products, largest entries and orthogonal factors are arrays (d, L); sums over coordinates are one number per lane;
workers are a loop over stages of their own. What is left is a formula in one coordinate.
"""

from __future__ import annotations

import re

import sympy as sp

from adasde.derive.emit.lanes import draw, dt, protected
from adasde.derive.emit.printer import code
from adasde.derive.emit.sums import assignment
from adasde.derive.functions import Expectation
from adasde.derive.law import NotDerivable
from adasde.derive.model import SDE
from adasde.derive.notation import G, H, Ht, g, s
from adasde.derive.operations import (
    Operation,
    Own,
    adjoint,
    batch_noise,
    largest,
    orthogonal,
    sampled,
    total,
    workers,
)
from adasde.derive.rule import UpdateRule
from adasde.derive.stability import stabilise

KINDS = ("normal", "uniform", "exponential")
ARGUMENTS = (
    "state, gradient, scale, field, spread, hessian, transposed, factor, data, "
    "noise, normal, uniform, exponential, p, k, t, dt"
)
GRADIENT = "gradient_at(field, spread, factor, data, {y}, scale, {slope}, {width})"
_LOOP = re.compile(r"w\d+")
CALLS = {largest: "keep_largest", orthogonal: "newton_schulz"}


class curved(Operation):
    """Hessian of the loss times a vector, at the position."""

    nargs = 1


class Stages:
    """Collects the lines of a step, and the draws that it takes: noise, normal, uniform and exponential layers."""

    def __init__(self, states: tuple[sp.Symbol, ...], named: tuple[tuple[sp.Symbol, sp.Expr], ...] = ()) -> None:
        self.lines: list[str] = []
        self.layers: dict[str, sp.Expr] = dict.fromkeys(("noise", *KINDS), sp.S.Zero)
        self._named = dict(named)
        self._places: dict[sp.Basic, str] = {y: f"state[{n}, i, j]" for n, y in enumerate(states)}
        self._places |= {G: "gradient[i, j]", s: "scale[i, j]"}
        self._found: dict[sp.Expr, sp.Symbol] = {}
        self._count = 0

    def draw(self, variable: sp.Symbol, kind: str, layer: str) -> None:
        """Where a draw is read from."""
        self._places[variable] = f"{kind}[{layer}, i, j]"

    def lowered(self, expression: sp.Expr, indent: str = "    ") -> sp.Expr:
        """The expression with a symbol for every operation, whose stage is written down before."""
        if not expression.atoms(Operation):
            return expression
        if isinstance(expression, Operation):
            if expression not in self._found:
                self._found[expression] = self._stage(expression, indent)
            return self._found[expression]
        return expression.func(*(self.lowered(argument, indent) for argument in expression.args))

    def loop(self, targets: list[str], values: list[sp.Expr], indent: str = "    ") -> None:
        """One loop over coordinates and lanes that works out all values before it stores any."""
        needed = _with_definitions(values, self._named)
        shared, reduced = sp.cse(values, symbols=sp.numbered_symbols("a", start=1), order="none")
        inner = f"{indent}        "
        self.lines += [f"{indent}for i in range(d):", f"{indent}    for j in range(lanes):"]
        free = {y for e in (*values, *needed.values()) for y in e.free_symbols}
        self.lines += [f"{inner}{y} = {place}" for y, place in self._places.items() if y in free]
        for name, value in needed.items():
            self.lines += [f"{inner}{line}" for line in assignment(name, value)]
        self.lines += [f"{inner}{name} = {code(value)}" for name, value in shared]
        self.lines += [f"{inner}{target} {code(value)}" for target, value in zip(targets, reduced, strict=True)]

    def _stage(self, node: Operation, indent: str) -> sp.Symbol:
        self._count += 1
        n = self._count
        if isinstance(node, workers):
            return self._team(node, n, indent)
        value = self.lowered(node.args[0], indent)
        if isinstance(node, total):
            name = sp.Symbol(f"total{n}", real=True)
            self.lines.append(f"{indent}sums{n} = np.zeros(lanes)")
            self.loop([f"sums{n}[j] +="], [value], indent)
            self._places[name] = f"sums{n}[j]"
            return name
        name = sp.Symbol(f"vector{n}", real=True)
        arrays = f"at{n}, out{n}, width{n}" if isinstance(node, sampled) else f"at{n}, out{n}"
        self.lines.append(f"{indent}{arrays} = {', '.join(['np.empty((d, lanes))'] * (arrays.count(',') + 1))}")
        self.loop([f"at{n}[i, j] ="], [value], indent)
        self._places[name] = f"out{n}[i, j]"
        if isinstance(node, sampled):
            self.lines.append(indent + GRADIENT.format(y=f"at{n}", slope=f"out{n}", width=f"width{n}"))
            layer = self._places[batch_noise(int(node.args[1]))]
            self._places[name] += f" + width{n}[i, j]*{layer}"
        elif isinstance(node, curved | adjoint):
            self.lines.append(
                f"{indent}{'hessian' if isinstance(node, curved) else 'transposed'}(state[0], at{n}, out{n}, data)"
            )
        else:
            self.lines.append(f"{indent}{CALLS[type(node)]}(at{n}, {code(node.args[1])}, out{n})")
        return name

    def _team(self, node: workers, n: int, indent: str) -> sp.Symbol:
        """A loop over workers, each with noise and draws of its own."""
        if node.args[0].has(workers):
            raise NotDerivable(f"{node}: workers of workers are not supported")
        own = _Draws(node.args[0])
        outer, memo = dict(self._places), dict(self._found)
        self.lines += [
            f"{indent}mean{n} = np.zeros((d, lanes))",
            f"{indent}for w{n} in range(int({code(node.args[1])})):",
        ]
        for kind, variables in own.by_kind.items():
            for i, variable in enumerate(variables):
                layer = sp.expand(self.layers[kind] + i) + sp.Symbol(f"w{n}", integer=True) * len(variables)
                self.draw(variable, kind, _whole(layer))
            self.layers[kind] += len(variables) * node.args[1]
        self._found = {}
        value = self.lowered(_gradient_written_out(node.args[0]), f"{indent}    ")
        self.loop([f"mean{n}[i, j] +="], [value / node.args[1]], f"{indent}    ")
        self._places, self._found = outer, memo
        name = sp.Symbol(f"average{n}", real=True)
        self._places[name] = f"mean{n}[i, j]"
        return name


class _Draws:
    """The draws of an expression by kind, those inside of workers left out; noise starts with the minibatch of g."""

    def __init__(self, *expressions: sp.Expr) -> None:
        outside = [e.replace(lambda node: isinstance(node, workers), lambda _: sp.S.Zero) for e in expressions]
        batches = {int(node.args[1]) for e in outside for node in e.atoms(sampled)}
        own = sorted({y for e in outside for y in e.atoms(Own)}, key=str)
        highest = max(batches, default=0)
        self.by_kind: dict[str, list[sp.Symbol]] = {"noise": [batch_noise(b) for b in range(highest + 1)]}
        self.by_kind |= {kind: [y for y in own if y.kind == kind] for kind in KINDS}


def _gradient_written_out(expression: sp.Expr) -> sp.Expr:
    return expression.subs(g, G + s * batch_noise(0))


def _with_definitions(values: list[sp.Expr], named: dict[sp.Symbol, sp.Expr]) -> dict[sp.Symbol, sp.Expr]:
    """The named sub-expressions that the values go back to, in the order of their definition."""
    needed = {y for value in values for y in value.free_symbols}
    for name, value in reversed(named.items()):
        needed |= value.free_symbols if name in needed else set()
    return {name: value for name, value in named.items() if name in needed}


def algorithm_stages(rule: UpdateRule) -> Stages:
    """One step of a composite rule."""
    stages, own = Stages(rule.states), _Draws(*rule.update)
    for kind, variables in own.by_kind.items():
        for i, variable in enumerate(variables):
            stages.draw(variable, kind, str(i))
        stages.layers[kind] = sp.Integer(len(variables))
    values = [stages.lowered(_gradient_written_out(update)) for update in rule.update]
    stages.loop([f"state[{n}, i, j] =" for n in range(len(values))], values)
    return stages


def model_stages(sde: SDE) -> Stages:
    """One Euler-Maruyama step of a model with the Hessian as an operator, or with sums over coordinates."""
    if sde.nonnegative:
        raise NotDerivable(
            f"{sde.optimizer}: models with a Hessian as an operator and nonnegative states have no kernel"
        )
    named = tuple((name, _guarded(value)) for name, value in sde.named)
    stages = Stages(sde.states, named)
    draws = sp.Matrix([draw(j + 1) for j in range(sde.diffusion.cols)])
    for j, variable in enumerate(draws):
        stages.draw(variable, "noise", str(j))
    stages.layers["noise"] = sp.Integer(len(draws))
    increments = sde.drift * dt + sp.sqrt(dt) * sde.diffusion * draws
    values = [stages.lowered(y + _operated(change)) for y, change in zip(sde.states, increments, strict=True)]
    stages.loop([f"state[{n}, i, j] =" for n in range(len(values))], values)
    return stages


def _operated(increment: sp.Expr) -> sp.Expr:
    """c0 + H c1 + H^2 c2 + ... as c0 + H(c1 + H(c2 + ...)), the Hessian acting on vectors, and Ht on what it
    multiplies."""
    if increment.has(Ht):
        first, rest = sp.Poly(sp.expand(increment), Ht).all_coeffs()
        return _operated(rest) + adjoint(_operated(first))
    coefficients = sp.Poly(sp.expand(increment), H).all_coeffs() if increment.has(H) else [increment]
    result = sp.S.Zero
    for coefficient in coefficients:
        result = _guarded(sp.factor_terms(coefficient)) + (curved(result) if result != 0 else 0)
    return result


def _guarded(value: sp.Expr) -> sp.Expr:
    if isinstance(value, Expectation):
        return Expectation(protected(stabilise(value.args[0]), {}), sp.S.Zero)
    return protected(stabilise(value), {})


def is_staged(sde: SDE) -> bool:
    """Whether a step of the model needs whole vectors."""
    entries = [*sde.drift, *sde.diffusion]
    return any(entry.has(H, Ht) or entry.atoms(Operation) for entry in entries)


def _whole(expression: sp.Expr) -> str:
    """A whole number as text: counts are read as floats."""
    counts = {y: sp.Symbol(f"int({y})", integer=True) for y in expression.free_symbols if not _LOOP.fullmatch(str(y))}
    return str(expression.subs(counts))


def sizes_text(rule: UpdateRule, places: dict[sp.Symbol, str]) -> str:
    """``lambda p: (("orthogonal", "rows", int(p[1])), )``: what `largest` and `orthogonal` ask of the dimension; empty
    where the rule has neither."""
    at = {y: sp.Symbol(f"int({place})") for y, place in places.items()}
    nodes = sorted({(type(e).__name__, e.args[1]) for u in rule.update for e in u.atoms(*CALLS)}, key=str)
    asked = "".join(f'("{operation}", "{n}", {n.subs(at)}), ' for operation, n in nodes)
    return f"lambda p: ({asked})" if asked else ""


def draws_text(stages: Stages, places: dict[sp.Symbol, str]) -> str:
    """``lambda p: (1, 0, 0, 0)``: layers of every kind, in the parameter array."""
    at = {y: sp.Symbol(f"int({place})", integer=True) for y, place in places.items()}
    return f"lambda p: ({', '.join(str(sp.sympify(n).subs(at)) for n in stages.layers.values())})"
