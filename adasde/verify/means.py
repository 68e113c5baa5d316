"""Expectations without a closed form under Gaussian noise, as numerical functions of arrays of points."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import sympy as sp

from adasde.derive.functions import Expectation, outer, zeta
from adasde.derive.law import NotDerivable
from adasde.derive.noise import Gaussian
from adasde.ensemble import Array
from adasde.noise import parse_noise
from adasde.verify.nodes import kernel_nodes

NODES = 64
"""As many as the kernels have."""

Mean = Callable[..., Array]
"""(values of the arguments, numbers or arrays (M,)) -> E h (M,), or a number where it is the same everywhere."""


def mean_values(expressions: list[sp.Expr], arguments: list[sp.Symbol]) -> tuple[dict[sp.Symbol, Mean], list[sp.Expr]]:
    """({name: function}, the expressions with a name in place of every expectation over the noise).

    Functions that do not depend on a state are worked out once for every distinct value of those that they depend on:
    on a tensor grid these are few. Raises `NotDerivable` for the expectation of another law than the Gaussian.
    """
    nodes = sorted(set().union(*(e.atoms(Expectation) for e in expressions)), key=str)
    standing = [node for node in nodes if outer not in node.args[0].free_symbols or node.nested]
    for node in standing:
        density = node.args[1]
        if sp.simplify(density - Gaussian().density(node.bound)) != 0:
            raise NotDerivable(f"{node}: weak orders are measured under Gaussian noise alone")
    names: dict[Expectation, sp.Symbol] = {node: sp.Dummy(f"mean{i}") for i, node in enumerate(standing)}
    return {names[node]: _mean(node, arguments) for node in standing}, [e.xreplace(names) for e in expressions]


def _mean(node: Expectation, arguments: list[sp.Symbol]) -> Mean:
    used = [a for a in arguments if a in node.free_symbols]
    places = [arguments.index(a) for a in used]
    z, w = kernel_nodes(parse_noise("gaussian:1"), NODES)
    parts = {part: sp.Dummy() for part in node.args[0].atoms(Expectation)} if node.nested else {}
    inner = [sp.lambdify([*used, outer, zeta], part.args[0], ["scipy", "numpy"]) for part in parts]
    whole = sp.lambdify([*used, node.bound, *parts.values()], node.args[0].xreplace(parts), ["scipy", "numpy"])
    shape = (len(z), len(z))

    def mean(*values: Any) -> Array:
        given = [np.asarray(values[i], dtype=np.float64) for i in places]
        distinct, back = np.unique(
            np.array(np.broadcast_arrays(*given)).reshape(len(used), -1), axis=1, return_inverse=True
        )
        rows = distinct[:, :, None]
        with np.errstate(over="ignore"):
            found = [
                np.broadcast_to(h(*rows[..., None], z[:, None], z[None, :]), (distinct.shape[1], *shape)) @ w
                for h in inner
            ]
            total = np.broadcast_to(whole(*rows, z, *found), (distinct.shape[1], len(z))) @ w
        result: Array = total[back.ravel()]
        return result

    return mean
