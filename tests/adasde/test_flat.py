"""Flat kernels: the bytes of the general driver, for the runs that have one."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from adasde import flat, fusion
from adasde.arithmetic import Arithmetic
from adasde.losses.quadratic import Quadratic
from adasde.optimizers import kernels
from adasde.plan import plan
from adasde.run import Run

PLANE = np.array([[1.0, 0.3], [0.3, 0.5]])


def planned(optimizer: str, model: str, H: Any = PLANE, noise: str = "gaussian:0.5", **changes: Any) -> Run:
    facts: dict[str, Any] = {"steps": 40, "paths": 5000, "substeps": 1, "start": None, "lr": 0.05} | changes
    return plan(
        optimizer,
        model,
        changes.get("loss", Quadratic(H)),
        noise,
        facts["steps"],
        facts["paths"],
        7,
        facts["substeps"],
        facts["start"],
        [0, 1, 3, 16, facts["steps"]],
        facts.get("x0"),
        {},
        {"lr": facts["lr"]},
        facts.get("arithmetic", Arithmetic()),
    )


def bytes_of(run: Run, number: int) -> list[bytes]:
    moments = run.moments(number)
    arrays = [getattr(moments, name) for name in moments.ARRAYS]
    return [a.tobytes() for a in (*arrays, *moments.sketch.histogram)]


@pytest.mark.parametrize(
    ("run", "changes"),
    [
        (("sgd", "sde"), {"noise": "gaussian:0.5,0.2"}),
        (("adam", "sde"), {"start": 3, "noise": "gaussian:0.5,0.2"}),
        (("signsgd", "algorithm"), {"arithmetic": Arithmetic(noise_precision="double")}),
        (("rmspropw", "sde"), {"H": [0.5, 2.0, 1.0], "noise": "gaussian:0.5,0.2,0.1"}),
        (("sgd", "sde"), {"H": [1.0], "noise": "laplace:0.3", "arithmetic": Arithmetic(noise_precision="double")}),
    ],
)
def test_a_flat_kernel_gives_the_bytes_of_the_driver(
    run: tuple[str, str], changes: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Moments and histogram of a whole leaf and of a last one that is no multiple of a block, saves within a chunk of
    draws and before the handover."""
    general = planned(*run, **changes)
    assert general.flat is None
    monkeypatch.setattr(flat, "WORTHWHILE", 0)
    own = replace(general)
    assert own.flat is not None
    for number in range(general.leaves):
        assert bytes_of(own, number) == bytes_of(general, number)


def test_diverged_lanes(monkeypatch: pytest.MonkeyPatch) -> None:
    """A learning rate beyond 2/h: every path is counted as diverged, and none averaged."""
    monkeypatch.setattr(flat, "WORTHWHILE", 0)
    moments = planned("sgd", "sde", [3.0], lr=5.0, paths=600).moments(0)
    assert moments.diverged[-1] == 600 and moments.count[-1] == 0 and moments.count[0] == 600


def test_which_runs_have_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(flat, "flat_kernel", lambda *arguments: arguments)
    long = {"steps": 1000, "paths": 40_000}
    assert planned("sgd", "sde", **long).flat is not None
    for run in (
        planned("sgd", "sde"),
        planned("sgd", "sde", **long, substeps=4),
        planned("sgd", "sde", np.diag([1.0, 2.0, 3.0]), **long),
        planned("sgd", "sde", loss="saddle", **long),
        planned("sgd", "order2", **long),
        planned("sgd", "sde", noise="student-t:5:1", **long),
        planned("sgd", "algorithm", noise="laplace:1", **long),
        planned("sgd", "sde", arithmetic=Arithmetic(increments="rademacher"), **long),
    ):
        assert run.flat is None, run


def test_no_place_to_write_to(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the cache cannot be written, the general driver does the work."""
    blocked = tmp_path / "file"
    blocked.write_text("")
    monkeypatch.setenv("ADASDE_CACHE", str(blocked))
    fusion.flat_kernel.cache_clear()
    step = kernels("sgd").MODELS["compagnoni2025"]["gaussian"]
    assert fusion.flat_kernel(step.compiled, "plane", step.noises, True) is None
    fusion.flat_kernel.cache_clear()


def test_the_text_keeps_the_operations() -> None:
    """The update of a step, x - G*dt - c1*s*z1, stands in a flat kernel once for each coordinate."""
    step = kernels("sgd").MODELS["sde"]["gaussian"]
    text = fusion.flat_text(step.body, "plane", step.noises, False)
    before, _, loop = text.partition("for _step in")
    assert "_p0 = p[0]" in before and "p[" not in loop and "scale[" not in loop  # what LLVM is to work out once
    for i in range(2):
        assert f"state[0, {i}, j] = x_{i} - G_{i} * dt - c1 * s_{i} * z1_{i}" in text
    with pytest.raises(OSError, match="form of a generated step"):
        fusion.flat_text(fusion.flat_text, "plane", 1, False)  # type: ignore[arg-type]
