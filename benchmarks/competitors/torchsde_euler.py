"""torchsde: Euler with a fixed step, all paths in one batch, float64, no gradients."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import torch
import torchsde
from workloads import ETA, EVERY, SAVES, X0, H, Result

from competitors.equations import MOTIONS, START, STATES, Competitor, Equations

torch.set_num_threads(1)
PACKAGES = ("torchsde", "torch")
XP = SimpleNamespace(erf=torch.erf, sqrt=torch.sqrt, expm1=torch.expm1)
HESSIAN = torch.tensor(H)


class Problem(torch.nn.Module):
    """One workload with the state (batch, 2 states)."""

    sde_type = "ito"

    def __init__(self, name: str) -> None:
        super().__init__()
        self.equations = Equations(name, XP)
        self.noise_type = "diagonal" if STATES[name] == 1 else "general"

    def f(self, t: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
        """Drift."""
        parts = y.split(2, dim=1)
        return torch.cat(self.equations.drift(t, parts[0] @ HESSIAN, *parts), dim=1)

    def g(self, t: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
        """Diffusion: (batch, 2), or (batch, 2 states, 2 motions)."""
        parts = y.split(2, dim=1)
        rows = self.equations.diffusion(t, parts[0] @ HESSIAN, *parts)
        if len(parts) == 1:
            return rows[0][0] if torch.is_tensor(rows[0][0]) else torch.full_like(y, rows[0][0])
        matrix = y.new_zeros(y.shape[0], y.shape[1], 2 * len(rows[0]))
        for i, row in enumerate(rows):
            for j, entry in enumerate(row):
                for coordinate in range(2):
                    value = entry[:, coordinate] if torch.is_tensor(entry) else entry
                    matrix[:, 2 * i + coordinate, 2 * j + coordinate] = value
        return matrix


@torch.no_grad()
def moments(name: str, paths: int, seed: int) -> Result:
    """All paths in one batch."""
    torch.manual_seed(seed)
    x = torch.tensor(X0).repeat(paths, 1)
    problem, start = Problem(name), START[name]
    y = x
    if start:
        y = torch.cat(problem.equations.first_step(x, x @ HESSIAN, torch.randn_like(x)), dim=1)
    times = torch.tensor([ETA * start, *(ETA * EVERY * np.arange(1, SAVES))], dtype=torch.float64)
    size = (paths, 2 * MOTIONS[name])
    motion = torchsde.BrownianInterval(times[0], times[-1], size=size, dtype=torch.float64, entropy=seed, dt=ETA)
    found = torchsde.sdeint(problem, y, times, bm=motion, dt=ETA, method="euler")
    out = torch.cat([x[None], found[1:, :, :2]]).numpy()
    return Result.of(np.ascontiguousarray(np.moveaxis(out, 1, 2)))


IMPLEMENTATIONS = {"torchsde": Competitor(moments, 2_000)}
