"""Whether the checked-in kernels are what the derivations give today."""

from __future__ import annotations

import difflib
import hashlib
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from adasde.derive.emit.module import COMMAND, body_digest

HEADER_LINES = 2
STAMP = "# helpers {}: numba's cache watches this file only, so `adasde kernels --write` stamps what it inlines here."
_STAMP = re.compile(r"(?<=^# helpers )\w+", re.MULTILINE)
_STAMP_LINE = re.compile(r"^# helpers \w+.*\n", re.MULTILINE)
_IMPORT = re.compile(r"^from adasde\.kernels\.(\w+) import", re.MULTILINE)
_SYMPY = re.compile(r"(?<=  sympy )\S+(?=\n)")


@dataclass(frozen=True)
class Finding:
    """One kernel file that is not what it should be: stale, hand-edited, missing or orphaned."""

    path: Path
    kind: str
    remedy: str
    diff: str


def helpers_of(folder: Path, *names: str) -> list[Path]:
    """The hand-written kernel files that those with these names import, and what they import in turn, by name."""
    found: set[str] = set()
    waiting = list(names)
    while waiting:
        imported = _IMPORT.findall((folder / waiting.pop()).read_text(encoding="utf-8"))
        fresh = {f"{name}.py" for name in imported} - found
        found |= fresh
        waiting += sorted(fresh)
    return [folder / name for name in sorted(found)]


def label(path: Path) -> str:
    """How a kernel file is named in messages: cpu/adam.py, cuda/adam.py, driver.py."""
    return f"{path.parent.name}/{path.name}" if path.parent.name in ("cpu", "cuda") else path.name


def helpers_digest(files: Iterable[Path]) -> str:
    """Digest of the hand-written files that compiled kernels inline, whatever stamps they carry themselves; numba's
    cache does not watch them."""
    in_order = sorted(files, key=lambda path: path.name)
    text = "".join(_STAMP_LINE.sub("", path.read_text(encoding="utf-8")) for path in in_order)
    return hashlib.sha256(text.encode()).hexdigest()[:12]


def check(folder: Path, expected: Mapping[str, str]) -> list[Finding]:
    """Compares the files in ``folder`` with the expected texts ({file name: text})."""
    findings = [f for name, text in expected.items() if (f := _compare(folder / name, text)) is not None]
    for path in sorted(folder.glob("*.py")):
        if path.name not in expected and path.name != "__init__.py":
            remedy = f"no rule generates it: delete it, or run `{COMMAND}`, which does"
            findings.append(Finding(path, "orphaned", remedy, ""))
    return findings


def check_stamp(path: Path, digest: str) -> list[Finding]:
    """Whether a hand-written file carries the digest of the helpers that its compiled code inlines."""
    found = path.read_text(encoding="utf-8")
    recorded = _STAMP.search(found)
    if recorded is not None and recorded.group() == digest:
        return []
    old = recorded.group() if recorded else "none"
    return [Finding(path, "stale", f"run `{COMMAND}`", f"-# helpers {old}\n+# helpers {digest}")]


def write_stamp(path: Path, digest: str) -> list[Path]:
    """Writes the digest of the helpers into a hand-written file, so that its compiled code is made anew."""
    if not check_stamp(path, digest):
        return []
    text = _STAMP_LINE.sub("", path.read_text(encoding="utf-8"))
    first = "from __future__"
    path.write_text(text.replace(first, f"{STAMP.format(digest)}\n{first}", 1), encoding="utf-8")
    return [path]


def write(folder: Path, expected: Mapping[str, str]) -> list[Path]:
    """Writes every file that differs, deletes orphans, and returns the paths touched."""
    touched = [finding.path for finding in check(folder, expected)]
    for path in touched:
        if path.name in expected:
            path.write_text(expected[path.name], encoding="utf-8")
        else:
            path.unlink()
    return touched


def _compare(path: Path, text: str) -> Finding | None:
    if not path.exists():
        return Finding(path, "missing", f"run `{COMMAND}`", "")
    found = path.read_text(encoding="utf-8")
    if _SYMPY.sub("", found, count=1) == _SYMPY.sub("", text, count=1):
        return None
    lines = difflib.unified_diff(
        found.splitlines(), text.splitlines(), f"{label(path)} (file)", f"{label(path)} (derived)", lineterm=""
    )
    diff = "\n".join(lines)
    if _edited(found):
        remedy = f"its body does not match its own digest: edit the rule instead, then run `{COMMAND}`"
        return Finding(path, "hand-edited", remedy, diff)
    return Finding(path, "stale", f"run `{COMMAND}`", diff)


def _edited(text: str) -> bool:
    head = "".join(text.splitlines(keepends=True)[:HEADER_LINES])
    recorded = re.search(r"body (\w+)", head)
    return recorded is None or recorded.group(1) != body_digest(text[len(head) :])
