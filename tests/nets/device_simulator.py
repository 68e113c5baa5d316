"""Run in a process of its own by `test_memory.py`, with NUMBA_ENABLE_CUDASIM=1, which numba reads once: prints JSON."""

from __future__ import annotations

import json

import numpy as np
import torch

from adasde import optimizers
from adasde.nets import TorchLoss, memory, trajectory
from adasde.nets.study import DECAYS, curves
from adasde.nets.trajectory import Curve, Setting


def gap(loss: TorchLoss, curve: Curve, setting: Setting) -> float:
    """Between the same run on the tensors of a device and in numpy's memory; more than rounding if a tensor is copied
    on the way to the kernel, because the state is advanced in place."""
    found = []
    for of in (lambda _: memory.DeviceMemory("cpu"), memory.memory_of):
        trajectory.memory_of = of
        found.append(trajectory.trajectory(loss, curve, setting, seed=3).x)
    return float(np.abs(found[0] - found[1]).max())


def main() -> None:
    rng = np.random.default_rng(0)
    torch.manual_seed(0)
    torch.set_num_threads(1)
    trajectory.DEFAULT_START = 1  # so that models that are singular at first are among the few steps
    loss = TorchLoss(torch.nn.Linear(2, 2, bias=False), rng.standard_normal((12, 2)), rng.integers(2, size=12))
    gaps = {}
    for name in ("sgd", "signsgd", "rmspropw", "adam"):
        values = {"lr": 0.01, **DECAYS.get(name, {})}
        setting = Setting(name, values, 4, 3, (0, 3), refresh=2, bank=8)
        for curve in curves(name):
            if curve.noise != "minibatch" and curve.substeps == 1:
                gaps[f"{name} {curve.name}"] = gap(loss, curve, setting)
    step = optimizers.kernels("sgd").algorithm
    state, lanes = torch.ones(1, 1, 3, dtype=torch.float64), torch.ones(3, dtype=torch.float64)
    pointer = state.data_ptr()
    memory.DeviceMemory("cpu").advance(step, state, lanes, lanes, lanes[None] * 2, np.array([0.1]), 1, 0.0, 0.1)
    in_place = state.data_ptr() == pointer and np.allclose(state.numpy(), 1 - 0.1 * 3, rtol=0, atol=1e-15)
    print(json.dumps({"gaps": gaps, "in_place": bool(in_place)}))


if __name__ == "__main__":
    main()
