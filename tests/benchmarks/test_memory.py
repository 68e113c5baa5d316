"""Peak memory of W1 in a process of its own: within the limit, and the same for ten times the paths."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

FOLDER = Path(__file__).parents[2] / "benchmarks"


@pytest.fixture(scope="module")
def memory() -> Any:
    """benchmarks/memory.py as a module."""
    sys.path.insert(0, str(FOLDER))
    try:
        import memory

        yield memory
    finally:
        sys.path.remove(str(FOLDER))


def test_memory_does_not_grow_with_paths(tmp_path: Path) -> None:
    """The benchmark on a small run, and on ten times the paths."""
    out = tmp_path / "memory.json"
    command = [sys.executable, str(FOLDER / "memory.py"), "--quick", "--out", str(out)]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0 and "all within the limits" in done.stdout, done.stdout + done.stderr
    figures = json.loads(out.read_text())["figures"]
    assert [(figure["paths"], figure["steps"]) for figure in figures] == [(100_000, 300), (1_000_000, 300)]
    assert all(400 > figure["peak"] > figure["loaded"] > 50 for figure in figures)


def test_what_is_too_large_is_named(memory: Any) -> None:
    """A peak above the limit, and one that grows."""
    base = {"paths": 1e5, "steps": 20, "threads": 2, "loaded": 180.0, "peak": 190.0, "compiling": False}
    grown, large = base | {"peak": 190.1 + memory.GROWTH}, base | {"peak": 401.0, "compiling": True}
    assert not memory.failures([base, base])
    assert [text.partition(": more than ")[2] for text in memory.failures([base, grown, large])] == [
        "400 MB",
        "8 MB above the first",
    ]
