"""Expectations without a closed form as text: sums over the quadrature nodes of the noise law."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass

import sympy as sp

from adasde.derive.emit.lanes import LaneBody
from adasde.derive.emit.printer import code
from adasde.derive.functions import Expectation, outer, zeta

_INNER_SUM = re.compile(r"\be\d+\b")
"""Names of sums inside nested expectations."""
Integrands = list[tuple[sp.Symbol, sp.Expr]]


@dataclass(frozen=True)
class Spelling:
    """How a kernel writes what a sum consists of.

    code   an expression as text
    nodes  name of the array that has the nodes from `NODES` on, weights behind
    zero   what a sum starts from
    empty  an array with a place for each outer node
    """

    code: Callable[[sp.Expr], str] = code
    nodes: str = "p"
    zero: str = "0.0"
    empty: str = "np.empty(QUADRATURE)"


CPU = Spelling()


def nested(body: LaneBody) -> Integrands:
    """The names and integrands of expectations of functions in which others stand."""
    return [(y, value.args[0]) for y, value in body.per_lane if isinstance(value, Expectation) and value.nested]


def inner_nodes(integrands: Integrands) -> dict[Expectation, sp.Symbol]:
    """The expectations inside nested ones, with the names of the arrays that hold them at each outer node."""
    nodes = sorted({node for _, h in integrands for node in h.atoms(Expectation)}, key=sp.default_sort_key)
    return {node: sp.Symbol(f"e{n}", real=True) for n, node in enumerate(nodes, 1)}


def inner_arrays(bodies: list[LaneBody], written: Spelling = CPU) -> list[str]:
    """Lines that make those arrays, for bodies that use them one after another."""
    names = sorted({str(name) for body in bodies for name in inner_nodes(nested(body)).values()}, key=_number)
    return [f"{name} = {written.empty}" for name in names]


def _number(name: str) -> int:
    return int(name[1:])


def assignment(name: sp.Symbol, value: sp.Expr, written: Spelling = CPU) -> list[str]:
    """Lines that give ``name`` a value, which may be an expectation in one dimension."""
    if isinstance(value, Expectation):
        return sum_over_nodes(name, value.args[0], written)
    return [f"{name} = {written.code(value)}"]


def lane_assignments(body: LaneBody, written: Spelling = CPU) -> list[str]:
    """Lines that work out what a step needs per lane; nested expectations all together, where the first one stands."""
    together = nested(body)
    lines: list[str] = []
    for symbol, value in body.per_lane:
        if not (isinstance(value, Expectation) and value.nested):
            lines += assignment(symbol, value, written)
        elif symbol == together[0][0]:
            lines += sums_over_pairs_of_nodes(together, written)
    return lines


def sum_over_nodes(name: sp.Symbol, integrand: sp.Expr, written: Spelling = CPU) -> list[str]:
    """Lines that add up an expectation over the quadrature nodes."""
    p = written.nodes
    return [
        f"{name} = {written.zero}",
        "for q in range(QUADRATURE):",
        f"    {zeta} = {p}[NODES + q]",
        f"    {name} += {p}[NODES + QUADRATURE + q]*({written.code(integrand)})",
    ]


def sums_over_pairs_of_nodes(integrands: Integrands, written: Spelling = CPU) -> list[str]:
    """Lines that add up nested expectations ((name, integrand in `outer` with nodes inside), ...): first the inner sums
    at all outer nodes, what these share worked out once. The loop over outer nodes is the innermost there, because
    that one a compiler may vectorise: in it each sum is another one, and keeps its order."""
    inner, p = inner_nodes(integrands), written.nodes
    shared, values = sp.cse([node.args[0] for node in inner], symbols=sp.numbered_symbols("b"), order="none")
    whole = [(name, written.code(value.xreplace(inner))) for name, value in integrands]
    return [
        "for r in range(QUADRATURE):",
        *(f"    {name}[r] = {written.zero}" for name in inner.values()),
        "for q in range(QUADRATURE):",
        f"    {zeta} = {p}[NODES + q]",
        "    for r in range(QUADRATURE):",
        f"        {outer} = {p}[NODES + r]",
        *(f"        {name} = {written.code(value)}" for name, value in shared),
        *(
            f"        {name}[r] += {p}[NODES + QUADRATURE + q]*({written.code(value)})"
            for name, value in zip(inner.values(), values, strict=True)
        ),
        *(f"{name} = {written.zero}" for name, _ in integrands),
        "for r in range(QUADRATURE):",
        f"    {outer} = {p}[NODES + r]",
        *(
            f"    {name} += {p}[NODES + QUADRATURE + r]*({_INNER_SUM.sub(lambda e: f'{e[0]}[r]', text)})"
            for name, text in whole
        ),
    ]
