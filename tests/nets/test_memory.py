"""Generated steps on torch's tensors: in numba's simulator against the CPU's, compiled, and refused without a GPU."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from adasde import optimizers
from adasde.errors import InvalidParameter, MissingData
from adasde.nets import TorchLoss
from adasde.nets.memory import HostMemory, memory_of
from adasde.nets.study import OPTIMIZERS, curves

torch = pytest.importorskip("torch")
RUN = ("sgd", "signsgd", "rmspropw", "adam")
ROUNDING = 1e-13
"""What three steps gather where CUDA's functions stand in for those of the CPU."""


def test_a_device_gives_the_same(tmp_path: Path) -> None:
    """Four optimizers with every model and kind of noise of the study, on tensors in place of arrays."""
    program = Path(__file__).with_name("device_simulator.py")
    environment = {**os.environ, "NUMBA_ENABLE_CUDASIM": "1"}
    done = subprocess.run([sys.executable, str(program)], env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-2000:]
    found: dict[str, Any] = json.loads(done.stdout)
    kernels = {f"{o} {c.name}" for o in RUN for c in curves(o) if c.noise != "minibatch" and c.substeps == 1}
    assert set(found["gaps"]) == kernels and found["in_place"]
    assert max(found["gaps"].values()) < ROUNDING, found["gaps"]


EVERY = [(o, model) for o in OPTIMIZERS for model in optimizers.kernels(o).MODELS if model != "order2"]
CASES = [pytest.param(*case, marks=pytest.mark.slow if case != ("signsgd", "sde") else ()) for case in EVERY]


@pytest.mark.parametrize(("optimizer", "model"), CASES)
def test_steps_compile(optimizer: str, model: str) -> None:
    """The text of the CPU's steps, compiled for compute capability 9.0 without memory of their own for a thread."""
    from numba import cuda, float64, int64

    from adasde.nets.device_steps import lane_function

    lanes, stack = float64[:, ::1], float64[:, :, ::1]
    types = (stack, lanes, lanes, stack, float64[::1], int64, float64, float64)
    step = optimizers.kernels(optimizer).MODELS[model]["gaussian"]
    if "numba_cuda" not in str(cuda.__file__):
        pytest.skip("numba-cuda does not stand in for numba.cuda")
    try:
        cuda.compile_ptx(lambda x: x, (int64,), device=True, cc=(9, 0))
    except Exception as error:  # whatever a missing or unfit compiler raises
        pytest.skip(f"NVIDIA's compiler does not run: {type(error).__name__}")
    text = cuda.compile_ptx(lane_function(step), types, cc=(9, 0))[0]
    assert ".visible .entry" in text and ".local" not in text


def test_devices_are_checked() -> None:
    module, X, y = torch.nn.Linear(2, 2), np.ones((3, 2)), np.zeros(3, dtype=int)
    assert isinstance(memory_of(TorchLoss(module, X, y)), HostMemory)
    with pytest.raises(InvalidParameter, match="device = 'gpu'"):
        TorchLoss(module, X, y, device="gpu")
    with pytest.raises(InvalidParameter, match="use one of these"):
        TorchLoss(module, X, y, device="meta")
    if not torch.cuda.is_available():
        with pytest.raises(MissingData, match="torch sees no GPU"):
            TorchLoss(module, X, y, device="cuda")


def test_a_tensor_gives_tensors() -> None:
    """On its own memory, and of the same numbers as an array."""
    rng = np.random.default_rng(0)
    loss = TorchLoss(torch.nn.Linear(3, 2), rng.standard_normal((9, 3)), rng.integers(2, size=9))
    x, weights = torch.from_numpy(loss.start.copy()), rng.standard_normal(9)
    assert loss._flat(x).data_ptr() == x.data_ptr()
    assert loss.value(x) == loss.value(loss.start)
    pairs = [(loss.gradient(x), loss.gradient(loss.start))]
    pairs.append((loss.noisy_gradient(x, weights), loss.noisy_gradient(loss.start, weights)))
    pairs += zip(loss.gradient_and_noise(x, weights), loss.gradient_and_noise(loss.start, weights), strict=True)
    assert all(isinstance(a, torch.Tensor) and np.array_equal(a.numpy(), b) for a, b in pairs)
    with pytest.raises(InvalidParameter, match="one number per trainable parameter"):
        loss.value(x[1:])
