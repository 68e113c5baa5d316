"""Kernels made on demand: a user's own rule, or a noise law that has none checked in.

A module is derived and written once, into a folder of the user's cache, under a name that says what it was made from:
the rule's file, the law, and the code that derives. numba keeps the machine code beside it. A change of any of these
makes a new module; nothing is ever overwritten.
"""

from __future__ import annotations

import hashlib
import importlib
import importlib.util
import os
import sys
import tempfile
from functools import cache
from importlib.metadata import version
from pathlib import Path
from types import ModuleType

from adasde import rules

FOLDER = "ADASDE_CACHE"
"""Environment variable that names the folder; by default `adasde` in the user's cache."""


def folder() -> Path:
    """Where modules are kept."""
    if os.environ.get(FOLDER):
        return Path(os.environ[FOLDER]).expanduser()
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "adasde"


def cached_kernels(optimizer: str, law: str, device: str = "cpu") -> ModuleType:
    """The module of a rule for ``cpu`` or ``cuda`` under one law, spelled ``laplace`` or ``mixture:3``; derived where
    there is none yet."""
    name, origin = _origin(optimizer)
    digest = hashlib.sha256(f"{origin} {law} {_sources(device)}".encode()).hexdigest()[:16]
    stem = f"{name}_{law.replace(':', '_').replace('-', '_')}_{'cuda_' if device == 'cuda' else ''}{digest}"
    path = folder() / f"{stem}.py"
    loaded = f"adasde_cache.{stem}"
    if loaded in sys.modules:
        return sys.modules[loaded]
    if not path.is_file():
        _write(path, _text(optimizer, law, device))
    return _load(loaded, path)


def portable(name: str) -> tuple[str, str]:
    """(name, text) from which `restored` gets a loaded kernel module in another process, perhaps on another machine;
    the text is empty for a module that is checked in."""
    home = sys.modules[name].__file__ if name.startswith("adasde_cache.") else None
    return name, Path(home).read_text(encoding="utf-8") if home else ""


def restored(name: str, text: str) -> ModuleType:
    """The kernel module that `portable` described; written into this user's cache where it is not there yet."""
    if name in sys.modules or not text:
        return importlib.import_module(name)
    path = folder() / f"{name.partition('.')[2]}.py"
    if not path.is_file():
        _write(path, text)
    return _load(name, path)


def module_of(name: str, text: str) -> ModuleType:
    """A module of this text, kept in the cache under a name that changes with it."""
    return restored(f"adasde_cache.{name}", text)


def _origin(optimizer: str) -> tuple[str, str]:
    base = rules.base_of(optimizer)
    around = optimizer[len(base) :]
    if not rules.is_file(base):
        return base, optimizer
    file, name = rules.split(base)
    return name, f"{name}{around} {file.name} {file.read_text(encoding='utf-8')}"


@cache
def _sources(device: str) -> str:
    """Digest of the code that a module's text depends on, and of what it calls on a GPU."""
    derive, papers, kernels = map(_home, ("derive", "papers", "kernels"))
    files = [*derive.rglob("*.py"), *papers.rglob("*.py"), *kernels.glob("*.py")]
    if device == "cuda":
        files += (kernels / "cuda" / "device").glob("*.py")
    text = b"".join(path.read_bytes() for path in sorted(files))
    return hashlib.sha256(text + version("sympy").encode()).hexdigest()


def _home(package: str) -> Path:
    """The folder of a subpackage, which is not loaded for that."""
    spec = importlib.util.find_spec(f"adasde.{package}")
    assert spec is not None and spec.submodule_search_locations is not None
    return Path(spec.submodule_search_locations[0])


def _text(optimizer: str, law: str, device: str) -> str:
    from adasde.derive.laws import law_named
    from adasde.generation import cuda_text, kernel_text

    rule, laws, command = rules.rule_of(optimizer), (law_named(law),), f"adasde simulate {optimizer}"
    return cuda_text(rule, laws, f"{command} --device cuda") if device == "cuda" else kernel_text(rule, laws, command)


def _write(path: Path, text: str) -> None:
    """Writes the file whole or not at all: other processes may be looking for it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.NamedTemporaryFile("w", dir=path.parent, suffix=".part", delete=False, encoding="utf-8") as part:
        part.write(text)
    os.replace(part.name, path)


def _load(name: str, path: Path) -> ModuleType:
    spec = importlib.util.spec_from_file_location(name, path)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    spec.loader.exec_module(module)
    return module
