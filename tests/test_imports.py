"""Who may import whom: the folders depend on each other in one direction, and light imports stay light."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
HEAVY = ("sympy", "matplotlib", "torch", "numba.cuda", "distributed", "dask")


def loaded(program: str) -> set[str]:
    """Names in sys.modules after the program, in a fresh process."""
    text = f"{program}\nimport sys; print(*sorted(sys.modules), sep='\\n', file=sys.stderr)"
    result = subprocess.run([sys.executable, "-c", text], capture_output=True, text=True, check=True)
    return set(result.stderr.split())


HELP = """
import sys
sys.argv = ["adasde", "--help"]
from adasde.cli import main
try:
    main()
except SystemExit as end:
    assert end.code == 0
"""


@pytest.mark.parametrize(
    ("program", "forbidden"),
    [
        ("import adasde", (*HEAVY, "numba", "scipy")),
        (HELP, (*HEAVY, "numba", "scipy")),
        (
            "from adasde import simulate\n"
            "simulate('adam', loss='quadratic:1,2', noise='gaussian:1', lr=0.1, steps=20, paths=8)",
            HEAVY,
        ),
        ("import adasde.kernels.cpu.adam, adasde.kernels.driver", (*HEAVY, "adasde.run", "adasde.derive")),
        (
            "import adasde.derive.expansion, adasde.derive.optimizers",
            ("numba", "scipy", "matplotlib", "torch"),
        ),
    ],
)
def test_light_imports(program: str, forbidden: tuple[str, ...]) -> None:
    """`import adasde` and `adasde --help` load nothing heavy; simulating no sympy, deriving no numba."""
    modules = loaded(program)
    assert not {name for name in modules for bad in forbidden if name == bad or name.startswith(bad + ".")}


def test_lazy_names_are_what_they_say() -> None:
    """Every public name of the package loads, and is something to call."""
    loaded("import adasde\nassert all(callable(getattr(adasde, name)) for name in adasde.__all__)\n")


def test_no_module_hides_a_public_name() -> None:
    """A submodule that is imported becomes an attribute of the package: none may be called like a public name."""
    import adasde

    modules = {path.stem for path in (ROOT / "adasde").iterdir()}
    assert "simulation" in modules and not modules & set(adasde.__all__)


def imports(path: Path) -> Iterator[str]:
    """Absolute names of everything the file imports, wherever it does so."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative import"
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def under(name: str, packages: tuple[str, ...]) -> bool:
    return any(name == package or name.startswith(package + ".") for package in packages)


RULES = {
    "kernels": ("numba", "llvmlite", "numpy", "adasde.kernels"),
    "derive": ("sympy", "mpmath", "numpy", "adasde.derive"),
    "papers": ("sympy", "adasde.derive", "adasde.papers"),
}


@pytest.mark.parametrize("folder", RULES)
def test_folders_import_only_what_they_may(folder: str) -> None:
    """kernels/ knows numba and itself, derive/ sympy and itself, papers/ sympy, derive/ and itself; besides
    the standard library nothing else, however deep inside a function."""
    files = sorted((ROOT / folder).rglob("*.py"))
    assert len(files) >= 4
    for path in files:
        for name in imports(path):
            standard = name.split(".")[0] in sys.stdlib_module_names
            assert standard or under(name, RULES[folder]), f"{path.relative_to(ROOT)} imports {name}"


def test_heavy_packages_are_imported_late_in_adasde() -> None:
    """No module of adasde/ imports torch or matplotlib at its top."""
    for path in sorted((ROOT / "adasde").rglob("*.py")):
        tree = ast.parse(path.read_text(encoding="utf-8"))
        for node in tree.body:
            if isinstance(node, ast.Import | ast.ImportFrom):
                module = node.module if isinstance(node, ast.ImportFrom) else node.names[0].name
                assert not under(str(module), ("torch", "matplotlib")), path
