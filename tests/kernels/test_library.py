"""No compiled code calls the C library, whose last bits differ from one machine to the next."""

from __future__ import annotations

import ast
import math
from collections.abc import Iterator
from pathlib import Path

import pytest

import adasde.kernels
import adasde.losses

EXACT = {"ceil", "copysign", "fabs", "floor", "gcd", "isfinite", "isinf", "isnan", "sqrt", "trunc"}
"""Functions of `math` that have one right result, which every machine gives, and their numbers below."""
ROUNDED = {name for name in dir(math) if name.islower() and callable(getattr(math, name))} - EXACT
ROUNDED |= {"arccos", "arccosh", "arcsin", "arcsinh", "arctan", "arctan2", "arctanh", "float_power", "power"}
COMPILERS = {"compiled", "device", "inlined", "njit"}
FOLDERS = [Path(next(iter(package.__path__))) for package in (adasde.kernels, adasde.losses)]
FILES = sorted(path for folder in (*FOLDERS, FOLDERS[0] / "cpu") for path in folder.glob("*.py"))


def is_compiled(function: ast.FunctionDef) -> bool:
    """Whether a decorator compiles it, or the step that it belongs to does."""
    found = [node.func if isinstance(node, ast.Call) else node for node in function.decorator_list]
    names = {node.id for node in found if isinstance(node, ast.Name)}
    return bool(names & COMPILERS) or any(name.endswith("_kernel") for name in names) or function.name[:6] == "along_"


def library_calls(text: str) -> Iterator[str]:
    """Functions of the C library in the bodies of compiled functions, and powers that are no product of factors."""
    for function in ast.walk(ast.parse(text)):
        if isinstance(function, ast.FunctionDef) and is_compiled(function):
            for node in (part for statement in function.body for part in ast.walk(statement)):
                if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
                    if node.value.id in ("math", "np") and node.attr in ROUNDED:
                        yield f"{function.name}: {ast.unparse(node)}"
                elif isinstance(node, ast.BinOp) and isinstance(node.op, ast.Pow):
                    literal = isinstance(node.left, ast.Constant)
                    whole = isinstance(node.right, ast.Constant) and isinstance(node.right.value, int)
                    if not literal and not whole:
                        yield f"{function.name}: {ast.unparse(node)}"


@pytest.mark.parametrize("path", FILES, ids=lambda path: f"{path.parent.name}/{path.name}")
def test_no_call_of_the_library(path: Path) -> None:
    """What rounds by itself is + - * / sqrt, and functions made of these."""
    assert list(library_calls(path.read_text(encoding="utf-8"))) == []


def test_calls_are_seen() -> None:
    """In every kind of compiled function, and only there; and there is something to look at."""
    text = (
        "@compiled()\ndef a(x):\n    return math.tanh(x) + math.sqrt(x) + x**3\n"
        "@field_kernel\ndef b(x):\n    return np.power(x, 2.5)\n"
        "def along_sde(x, k):\n    return x**k + x**2\n"
        "@device\ndef c(x):\n    return x**0.5\n"
        "def host(x):\n    return math.exp(x)\n"
    )
    assert list(library_calls(text)) == ["a: math.tanh", "b: np.power", "along_sde: x ** k", "c: x ** 0.5"]
    assert len(FILES) > 30
