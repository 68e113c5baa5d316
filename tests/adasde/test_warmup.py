"""Kernels compiled ahead of time are found by the next process, for whatever processor they are compiled."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner

from adasde import UnknownName, warmup
from adasde.cli import main

WARM = """
from adasde.warmup import warm
if __name__ == "__main__":
    warm(["sgd"], shared=("kernels.draws", "kernels.driver", "kernels.statistics", "losses.quadratic"), processes=2)
"""
SIMULATE = """
from numba.core import event
compiled = event.RecordingListener()
event.register("numba:compile", compiled)
from adasde import simulate
moments = simulate("sgd", loss="quadratic:1,2", noise="gaussian:0.5", lr=0.1, steps=40, paths=9000, save=5).moments
print(len(compiled.buffer), *(getattr(moments, name).tobytes().hex() for name in ("count", "mean", "m2", "loss")))
"""
EVERYTHING = """
import hashlib, numpy as np
from adasde import gaussian
from adasde.losses.mlp import MLP
from adasde.losses.logistic import Logistic
data = np.random.default_rng(1).normal(size=(70, 3))
logistic = Logistic(data, data[:, 0] > 0.3, 0.01)
network = MLP(np.random.default_rng(0).normal(size=(80, 5)), np.arange(80) % 3, (6,))
correlated = gaussian(covariance=[[0.3, 0.15], [0.15, 0.2]])
for optimizer, model, loss, noise, options in (
    ("adam", "order2", "quadratic:1,2", "student-t:5:0.5", {"substeps": 3}),
    ("signsgd", "order2", "quadratic:1,2", "student-t:400:0.5", {}),
    ("signsgd", "sde", "quadratic:1,2", correlated, {}),
    ("sgd", "algorithm", "saddle", "laplace:0.5", {}),
    ("adam", "order2", "rosenbrock:3,1,5", "gaussian:0.5", {}),
    ("adam", "order2", logistic, gaussian(None), {}),
    ("sgd", "sde", logistic, gaussian(covariance="data"), {}),
    ("sgd", "sde", "quadratic:1,2", "gaussian:0.5", {"noise_precision": "double"}),
    ("rmsprop", "sde", network, gaussian(None), {}),
):
    options |= {"lr": 0.05, "steps": 40, "paths": 700, "save": 3, "start": None if model == "algorithm" else 4}
    moments = simulate(optimizer, model, loss=loss, noise=noise, **options).moments
    assert moments.count[-1] == 700, (optimizer, model)
    print(hashlib.sha256(moments.mean.tobytes() + moments.m2.tobytes() + moments.loss.tobytes()).hexdigest())
"""


def in_a_process(program: str, folder: Path, **variables: str) -> list[str]:
    """What a program prints, run as a file of its own with these variables set."""
    (folder / "program.py").write_text(program)
    command = [sys.executable, str(folder / "program.py")]
    return subprocess.run(
        command, capture_output=True, text=True, check=True, env=os.environ | variables
    ).stdout.split()


def test_a_process_after_a_warm_up_compiles_nothing(tmp_path: Path) -> None:
    """`numba:compile` is what numba announces where it finds nothing in its cache; it is announced for a function that
    was never compiled, so that the count says something."""
    in_a_process(WARM, tmp_path)
    fresh = "import numba\nnumba.njit('f8(f8)')(lambda x: x + 1)\nprint(len(compiled.buffer))\n"
    compiled, *_, afterwards = in_a_process(SIMULATE + fresh, tmp_path)
    assert compiled == "0" and int(afterwards) > 0


@pytest.mark.slow
def test_the_same_bytes_for_another_processor(tmp_path: Path) -> None:
    """Compiled from nothing for a generic x86-64 (SSE2), and then with AVX2, a run gives the bytes that it gives when
    compiled for this processor; and in each new cache a warm-up leaves nothing to compile. So do order two, a network,
    correlated signs, draws in double precision, substeps, and other laws."""
    here = in_a_process(SIMULATE + EVERYTHING, tmp_path)[1:]
    for features in ("", "+avx,+avx2,+fma"):
        cache = str(tmp_path / f"cache{features}")
        variables = {"NUMBA_CPU_NAME": "generic", "NUMBA_CPU_FEATURES": features, "NUMBA_CACHE_DIR": cache}
        in_a_process(WARM, tmp_path, **variables)
        compiled, *there = in_a_process(SIMULATE + EVERYTHING, tmp_path, **variables)
        assert compiled == "0" and there == here


def test_the_command() -> None:
    """`adasde kernels --warm` compiles what it is told to; a name that it does not know is an error, and so are names
    without --warm."""
    result = CliRunner().invoke(main, ["kernels", "--warm", "sgdd"])
    assert result.exit_code == 2 and "did you mean 'sgd'" in result.output
    result = CliRunner().invoke(main, ["kernels", "--check", "sgd"])
    assert result.exit_code == 2 and "go with --warm only" in result.output


def test_every_step_of_an_optimizer_is_compiled(monkeypatch: pytest.MonkeyPatch) -> None:
    """All models under all laws that are checked in, and what order two looks along; progress ends at the count."""
    from adasde.optimizers import CHECKED_IN, kernels

    warmup.steps("sgd")
    module = kernels("sgd")
    found = [step for laws in module.MODELS.values() for step in laws.values()]
    assert len(found) >= 2 * len(CHECKED_IN) and all(
        {"compiled", "compiled_along"} <= vars(step).keys() for step in found
    )
    with pytest.raises(UnknownName):
        warmup.warm(["sgdd"])
    seen: list[tuple[int, int]] = []
    assert warmup.warm(["sgd"], shared=(), progress=lambda done, total: seen.append((done, total))) == 1
    assert seen == [(1, 1)]
