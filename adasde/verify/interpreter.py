"""A rule, or a model with the Hessian as an operator, evaluated in plain numpy on whole vectors.

What generated steps in stages are held against: expressions are walked node by node, with numpy's own functions, and
nothing is shared with the code that generates. Arrays are (d, L).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import cache
from typing import Any

import numpy as np
import sympy as sp

from adasde.derive import operations
from adasde.derive.model import SDE
from adasde.derive.notation import G, H, Ht, Z, g, s
from adasde.derive.operations import Batch, Own
from adasde.ensemble import Array

KINDS = ("normal", "uniform", "exponential")
MUON = (3.4445, -4.775, 2.0315)


@dataclass(frozen=True, eq=False)
class Oracle:
    """What a step asks for: states and numbers by symbol, the gradient and noise scale at a point (d, L), and draws by
    kind (m, d, L)."""

    values: Mapping[sp.Symbol, Array | float]
    gradient: Callable[[Array], Array]
    scale: Callable[[Array], Array]
    draws: Mapping[str, Array]
    adjoint: Callable[[Array], Array]


def step(update: tuple[sp.Expr, ...], states: tuple[sp.Symbol, ...], oracle: Oracle) -> list[Array]:
    """The next value of every state."""
    walk = _Walk(update, states, oracle)
    return [np.broadcast_to(walk(expression), walk.shape) for expression in update]


class _Walk:
    """One walk through the update: where each draw stands, and how far the workers' draws have been used up."""

    def __init__(self, update: tuple[sp.Expr, ...], states: tuple[sp.Symbol, ...], oracle: Oracle) -> None:
        self.oracle, self.position = oracle, np.asarray(oracle.values[states[0]])
        self.shape = np.shape(self.position)
        self.used = dict.fromkeys(("noise", *KINDS), 0)
        self.places = self._places(_outside_of_teams(update))
        self.found: dict[sp.Expr, Array] = {}

    def _places(self, expressions: list[sp.Expr]) -> dict[sp.Symbol, Array]:
        batches = {int(node.args[1]) for e in expressions for node in e.atoms(operations.sampled)}
        taken: dict[sp.Symbol, Array] = {}
        for number in range(max(batches, default=0) + 1):
            symbol = Z if number == 0 else Batch(f"Z{number}", real=True)
            taken[symbol] = self.oracle.draws["noise"][self.used["noise"]]
            self.used["noise"] += 1
        for variable in sorted({y for e in expressions for y in e.atoms(Own)}, key=str):
            taken[variable] = self.oracle.draws[variable.kind][self.used[variable.kind]]
            self.used[variable.kind] += 1
        return taken

    def __call__(self, expression: sp.Expr) -> Array:
        if expression.is_Symbol:
            return self._symbol(expression)
        if not expression.args:
            return np.asarray(float(expression))
        if isinstance(expression, operations.Operation):
            if expression not in self.found:
                self.found[expression] = getattr(self, f"_{type(expression).__name__}")(*expression.args)
            return self.found[expression]
        if isinstance(expression, sp.Piecewise):
            return np.where(
                self(expression.args[0].args[1]), self(expression.args[0].args[0]), self(expression.args[1].args[0])
            )
        function = _function(expression.func, len(expression.args))
        with np.errstate(divide="ignore", invalid="ignore"):
            return np.asarray(function(*(self(argument) for argument in expression.args)), dtype=np.float64)

    def _symbol(self, symbol: sp.Symbol) -> Array:
        if symbol == g:
            return self.oracle.gradient(self.position) + self.oracle.scale(self.position) * self.places[Z]
        if symbol in self.places:
            return self.places[symbol]
        if symbol == s:
            return self.oracle.scale(self.position)
        return np.asarray(self.oracle.values[symbol])

    def _sampled(self, at: sp.Expr, batch: sp.Integer) -> Array:
        point = np.broadcast_to(self(at), self.shape)
        noise = self.places[Z if batch == 0 else Batch(f"Z{batch}", real=True)]
        return self.oracle.gradient(point) + self.oracle.scale(point) * noise

    def _adjoint(self, u: sp.Expr) -> Array:
        return self.oracle.adjoint(np.broadcast_to(self(u), self.shape))

    def _total(self, u: sp.Expr) -> Array:
        result: Array = np.broadcast_to(self(u), self.shape).sum(axis=0)
        return result

    def _largest(self, u: sp.Expr, k: sp.Expr) -> Array:
        order = np.argsort(-self(u), axis=0, kind="stable")
        kept = np.zeros(self.shape)
        np.put_along_axis(kept, order[: int(self(k))], 1.0, axis=0)
        return kept

    def _orthogonal(self, u: sp.Expr, rows: sp.Expr) -> Array:
        x = np.moveaxis(self(u), 1, 0).reshape(self.shape[1], int(self(rows)), -1)
        x = x / np.maximum(np.linalg.norm(x, axis=(1, 2), keepdims=True), 1e-7)
        for _ in range(5):
            a = x @ np.swapaxes(x, 1, 2)
            x = MUON[0] * x + (MUON[1] * a + MUON[2] * a @ a) @ x
        return np.moveaxis(x.reshape(self.shape[1], -1), 1, 0)

    def _workers(self, u: sp.Expr, n: sp.Expr) -> Array:
        """Workers one after the other, each with the next draws of every kind."""
        outer, memory, count = self.places, self.found, int(self(n))
        total = np.zeros(self.shape)
        for _ in range(count):
            self.places, self.found = self._places(_outside_of_teams((u,))), {}
            total = total + self(u)
        self.places, self.found = outer, memory
        return total / count


@cache
def _function(kind: Callable[..., sp.Expr], arity: int) -> Any:
    """numpy's own function for one kind of node: a walk over many steps asks for few of them, over and over."""
    stand_ins = [sp.Dummy(real=True) for _ in range(arity)]
    return sp.lambdify(stand_ins, kind(*stand_ins, evaluate=False), ["scipy", "numpy"])


def _outside_of_teams(expressions: tuple[sp.Expr, ...]) -> list[sp.Expr]:
    hidden = operations.workers
    return [e.replace(lambda node: isinstance(node, hidden), lambda _: sp.S.Zero) for e in expressions]


def model_step(sde: SDE, oracle: Oracle, hessian: Array, dt: float) -> list[Array]:
    """y + b dt + B sqrt(dt) z with the matrix ``hessian`` (d, d) in place of H."""
    places = dict(oracle.values) | {G: oracle.gradient(np.asarray(oracle.values[sde.states[0]]))}
    found = []
    for i, state in enumerate(sde.states):
        change = np.zeros(np.shape(oracle.values[state]))
        for j, entry in enumerate([sde.full_drift[i], *sde.full_diffusion.row(i)]):
            motion = dt if j == 0 else np.sqrt(dt) * oracle.draws["noise"][j - 1]
            for (turned, power), coefficient in sp.Poly(sp.expand(entry), Ht, H).terms():
                walk = _Walk((sp.S.Zero,), sde.states, replace(oracle, values=places))
                vector = np.linalg.matrix_power(hessian, power) @ (walk(coefficient) * motion * np.ones(walk.shape))
                change = change + np.linalg.matrix_power(hessian.T, turned) @ vector
        found.append(np.asarray(oracle.values[state]) + change)
    return found
