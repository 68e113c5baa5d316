"""Flat kernels: the loops of a generated step and of a quadratic's gradient, made into one.

The text is that of the step, read back from its module, with ``gradient[i, j]`` in terms of the lane's own x, a scale
that is the same for all lanes, and the loop over steps outside. Nothing is derived again, and nothing is rounded
otherwise, so that a flat kernel gives the bytes of the step that it was made from.
"""

from __future__ import annotations

import ast
import copy
import functools
import hashlib
import inspect
import types
from pathlib import Path
from typing import Any

from adasde import cache

_HEAD = """
_d = state.shape[1]
NUMBERS
for _step in range(first, last):
    k, t, dt, _row = _step + 1, p[0] * _step, p[0], (_step - origin) * NOISES * _d
    SHARED
"""
_PLANE = """
_h00, _h01, _h10, _h11 = data[0], data[1], data[2], data[3]
_s_0, _s_1 = scale[0], scale[1]
"""
LOOPS = {
    "diagonal": f"""{_HEAD}
    for i in range(_d):
        _h, _s = data[i], scale[i]
        for j in range(state.shape[2]):
            _g = _h * state[0, i, j]
            LANE
""",
    "plane": f"""{_PLANE}{_HEAD}
    for j in range(state.shape[2]):
        _x0, _x1 = state[0, 0, j], state[0, 1, j]
        _g_0, _g_1 = _h00 * _x0 + _h01 * _x1, _h10 * _x0 + _h11 * _x1
        BOTH
""",
}
"""The loops of a flat kernel by `Loss.family`; SHARED stands for what a step computes once, LANE for its loop body,
BOTH for that with i = 0 and 1, so that LLVM sees that a row is loaded and stored at one address. NUMBERS stands for the
parameters that these use, read before anything is stored: whatever is made of them alone LLVM then makes once, and not
at every step."""

_RESERVED = {"state", "rows", "scale", "p", "data", "first", "last", "origin", "i", "j", "k", "t", "dt"}


@functools.cache
def flat_kernel(step: Any, family: str, noises: int, double: bool) -> Any:
    """The flat kernel, with signature `kernels.flat.FLAT`, of a compiled step and a family of losses; None where the
    step cannot be read back, or the folder of the cache cannot be written."""
    body = step.py_func
    try:
        text = flat_text(body, family, noises, double)
        precision = "64" if double else ""
        name = f"flat_{body.__name__}_{family}{precision}_{hashlib.sha256(text.encode()).hexdigest()[:16]}"
        return cache.module_of(name, text).flat
    except OSError:
        return None


def flat_text(step: types.FunctionType, family: str, noises: int, double: bool) -> str:
    """The module of a flat kernel; ``step`` is the Python function of a generated step."""
    path = Path(inspect.getfile(step))
    home = path.read_text(encoding="utf-8")
    module = ast.parse(home)
    function = next(node for node in module.body if isinstance(node, ast.FunctionDef) and node.name == step.__name__)
    function.decorator_list = []
    stamps = [line for line in home.splitlines() if line.startswith("# derivation")]
    lines = ast.unparse(_loops(function, family, noises)).splitlines()
    return "\n".join(
        [
            f"# The step `{step.__name__}` of {path.name} and the gradient of a quadratic as one kernel.",
            *stamps,
            *_globals_of(module, function),
            "import numpy as np",
            "from adasde.kernels.compilation import compiled",
            "from adasde.kernels.flat import FLAT",
            f"@compiled(FLAT[{double}])",
            "def flat(state, rows, scale, p, data, first, last, origin):",
            *(f"    {line}" for line in lines),
            "",
        ]
    )


def _globals_of(module: ast.Module, function: ast.FunctionDef) -> list[str]:
    """The imports and constants of a kernel module that one of its steps uses."""
    used = {node.id for node in ast.walk(function) if isinstance(node, ast.Name)}
    kept: list[ast.stmt] = []
    for node in module.body:
        if isinstance(node, (ast.Import, ast.ImportFrom)):
            names = [alias for alias in node.names if (alias.asname or alias.name) in used]
            if names:
                imported = ast.Import(names) if isinstance(node, ast.Import) else None
                kept.append(imported or ast.ImportFrom(getattr(node, "module", None), names, 0))
        elif isinstance(node, ast.Assign) and used & {n.id for n in ast.walk(node) if isinstance(n, ast.Name)}:
            kept.append(node)
    return [ast.unparse(node) for node in kept]


def _loops(function: ast.FunctionDef, family: str, noises: int) -> ast.Module:
    """The loops of `LOOPS` around the statements of a step."""
    *shared, outer = function.body[1:]
    inner = outer.body[0] if isinstance(outer, ast.For) else None
    assigned = {n.id for n in ast.walk(function) if isinstance(n, ast.Name) and isinstance(n.ctx, ast.Store)}
    if not isinstance(inner, ast.For) or assigned & (_RESERVED - {"i", "j"}):
        raise OSError(f"{function.name} has not the form of a generated step")
    lane = [_LaneInputs().visit(node) for node in inner.body]
    parts = {"SHARED": shared, "LANE": lane, "BOTH": _both(lane)}
    loops = ast.parse(LOOPS[family].replace("NOISES", str(noises)))
    numbers = _Numbers()
    filled: ast.Module = numbers.visit(_Parts(parts).visit(loops))
    read = [ast.parse(f"_p{n} = p[{n}]").body[0] for n in sorted(numbers.found)]
    whole: ast.Module = _Parts({"NUMBERS": read}).visit(filled)
    return ast.fix_missing_locations(whole)


def _both(lane: list[ast.stmt]) -> list[ast.stmt]:
    """Each statement for coordinate 0 and then for coordinate 1: a CPU does not look ahead far enough to start on the
    second coordinate while the first one waits for its division."""
    own = {n.id for s in lane for n in ast.walk(s) if isinstance(n, ast.Name) and isinstance(n.ctx, ast.Store)}
    return [_Coordinate(own | {"_g", "_s"}, n).visit(copy.deepcopy(each)) for each in lane for n in (0, 1)]


class _Coordinate(ast.NodeTransformer):
    """A number in the place of i, and behind the names that each coordinate has for itself."""

    def __init__(self, own: set[str], number: int) -> None:
        self.own, self.number = own, number

    def visit_Name(self, node: ast.Name) -> Any:
        if node.id == "i":
            return ast.Constant(self.number)
        return ast.Name(f"{node.id}_{self.number}", node.ctx) if node.id in self.own else node


class _Numbers(ast.NodeTransformer):
    """Names in the place of single parameters: ``_p2`` for ``p[2]``."""

    def __init__(self) -> None:
        self.found: set[int] = set()

    def visit_Subscript(self, node: ast.Subscript) -> Any:
        self.generic_visit(node)
        place = node.slice.value if isinstance(node.slice, ast.Constant) else None
        if not isinstance(place, int) or not (isinstance(node.value, ast.Name) and node.value.id == "p"):
            return node
        self.found.add(place)
        return ast.Name(f"_p{place}", node.ctx)


class _Parts(ast.NodeTransformer):
    """Puts statements in the place of their names."""

    def __init__(self, parts: dict[str, list[ast.stmt]]) -> None:
        self.parts = parts

    def visit_Expr(self, node: ast.Expr) -> Any:
        return self.parts.get(node.value.id, node) if isinstance(node.value, ast.Name) else node


class _LaneInputs(ast.NodeTransformer):
    """A lane's gradient and scale by their names, its draws from the rows of the chunk."""

    def visit_Subscript(self, node: ast.Subscript) -> Any:
        name = node.value.id if isinstance(node.value, ast.Name) else ""
        if name in ("gradient", "scale"):
            return ast.Name("_g" if name == "gradient" else "_s", node.ctx)
        if name == "noise" and isinstance(node.slice, ast.Tuple):
            return ast.parse(
                f"np.float64(rows[_row + {ast.unparse(node.slice.elts[0])} * _d + i, j])", mode="eval"
            ).body
        return node
