"""Where the state of a run on a network lives, and the generated steps there: numpy's memory, or a device of torch.

On a GPU the steps (`device_steps`) take the tensors by torch's CUDA array interface: nothing is copied.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from adasde.kernels.lanes import StepKernel
from adasde.nets.loss import TorchLoss
from adasde.nets.streams import Array
from adasde.nets.torch_module import require_torch


class HostMemory:
    """numpy's memory, which torch shares on the CPU."""

    def zeros(self, *shape: int) -> Any:
        return np.zeros(shape)

    def take(self, array: Array) -> Any:
        """The array in this memory."""
        return array

    def host(self, array: Any) -> Array:
        """An array or tensor of this memory in numpy's, the same where it is."""
        return np.asarray(array)

    def stack(self, rows: list[Any]) -> Any:
        return np.stack(rows)

    def advance(
        self, step: StepKernel, state: Any, G: Any, s: Any, draws: Any, p: Array, k: int, t: float, dt: float
    ) -> None:
        """One generated step on state (n, 1, d) with G and s (d,) and draws (m, d)."""
        curvature = np.zeros((0, 1, len(s)))
        step.compiled(state, G[None], s[None], curvature, draws[:, None], p, k, t, dt)


class DeviceMemory:
    """Float64 tensors on a device of torch."""

    def __init__(self, device: Any) -> None:
        self.device = device

    def zeros(self, *shape: int) -> Any:
        torch = require_torch()
        return torch.zeros(shape, dtype=torch.float64, device=self.device)

    def take(self, array: Any) -> Any:
        torch = require_torch()
        return torch.as_tensor(array, dtype=torch.float64, device=self.device)

    def host(self, array: Any) -> Array:
        found: Array = array.detach().cpu().numpy()
        return found

    def stack(self, rows: list[Any]) -> Any:
        return require_torch().stack(rows)

    def advance(
        self, step: StepKernel, state: Any, G: Any, s: Any, draws: Any, p: Array, k: int, t: float, dt: float
    ) -> None:
        from adasde.nets.device_steps import launch

        launch(step, (state, G[None], s[None], draws[:, None], self.take(p)), k, t, dt)


def memory_of(loss: TorchLoss) -> HostMemory | DeviceMemory:
    """Memory on the device of a loss."""
    return HostMemory() if loss.device.type == "cpu" else DeviceMemory(loss.device)
