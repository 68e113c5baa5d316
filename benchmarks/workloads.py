"""The benchmark problems, and how `adasde` runs them.

All of them: f(x) = x'Hx / 2 with H = [[1, .3], [.3, .5]], x0 = (1, -.7), eta = dt = 0.01, Gaussian noise of
standard deviation 0.5 per coordinate, 1000 Euler-Maruyama steps, mean and covariance at 11 times. A
*path-step* is one step of one whole path, both coordinates.

W1       SGD, which is an Ornstein-Uhlenbeck process
W2       SignSGD: two error functions and two roots per path-step
W3       Adam (x, m, v) with the covariance of one step in full: two Brownian motions per coordinate
W3-2025  Adam as printed in Compagnoni et al. 2025: one Brownian motion per coordinate, no noise in v

Adam has rho1 = 10 and rho2 = 0.1, bias correction and v0 = sigma^2. Its bias correction is singular at t = 0,
so everybody makes one step of the optimizer itself and integrates the SDE from t = eta on.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]

H: Array = np.array([[1.0, 0.3], [0.3, 0.5]])
X0: Array = np.array([1.0, -0.7])
ETA, SIGMA, STEPS, SAVES = 0.01, 0.5, 1000, 11
EVERY = STEPS // (SAVES - 1)
BETA1, BETA2, EPS = 0.9, 0.999, 1e-8
RHO1, RHO2 = (1 - BETA1) / ETA, (1 - BETA2) / ETA
V0 = SIGMA**2
ADAM = {"beta1": BETA1, "beta2": BETA2, "eps": EPS}


@dataclass(frozen=True)
class Result:
    """Moments of n paths at the saved times: mean (T, 2), unbiased covariance (T, 2, 2)."""

    n: int
    mean: Array
    cov: Array

    @classmethod
    def of(cls, snapshots: Array) -> Result:
        """Moments of stored paths (T, 2, n)."""
        n = snapshots.shape[2]
        mean = snapshots.mean(axis=2)
        centred = snapshots - mean[:, :, None]
        return cls(n, mean, centred @ centred.transpose(0, 2, 1) / (n - 1))

    def distance(self, other: Result) -> float:
        """The largest difference between two results after time zero, in its standard errors.

        The paths are all but Gaussian, so that Var(C_ij) = (C_ii C_jj + C_ij^2) / n.
        """
        weight = 1 / self.n + 1 / other.n
        pooled = (self.n * self.cov + other.n * other.cov)[1:] / (self.n + other.n)
        var = np.diagonal(pooled, axis1=1, axis2=2)
        mean = np.abs(self.mean - other.mean)[1:] / np.sqrt(var * weight)
        cov = np.abs(self.cov - other.cov)[1:]
        cov /= np.sqrt((var[:, :, None] * var[:, None, :] + pooled**2) * weight)
        return float(max(mean.max(), cov.max()))


@dataclass(frozen=True)
class Workload:
    """One problem: the optimizer and model as `adasde.simulate` names them, and their further arguments."""

    name: str
    optimizer: str
    model: str
    hyperparameters: Mapping[str, float] = field(default_factory=dict)
    init: Mapping[str, float] = field(default_factory=dict)
    start: int = 0

    def simulate(self, paths: int, seed: int = 0, threads: int = 1, **options: Any) -> Result:
        """Runs the workload through `adasde.simulate`; ``options`` are its further arguments."""
        import adasde

        ensemble = adasde.simulate(
            self.optimizer,
            self.model,
            loss=adasde.Quadratic(H),
            noise=adasde.gaussian(SIGMA),
            steps=STEPS,
            save=SAVES,
            x0=X0,
            lr=ETA,
            paths=paths,
            seed=seed,
            threads=threads,
            init=self.init,
            start=self.start,
            **self.hyperparameters,
            **options,
        )
        if ensemble.cov is None or ensemble.diverged.any():
            raise RuntimeError(f"{self.name}: {ensemble.diverged.max()} paths diverged")
        return Result(paths, ensemble.mean, ensemble.cov)


W1 = Workload("W1", "sgd", "sde")
W2 = Workload("W2", "signsgd", "sde")
W3 = Workload("W3", "adam", "sde", ADAM, {"v": V0}, start=1)
W3_2025 = Workload("W3-2025", "adam", "compagnoni2025", ADAM, {"v": V0}, start=1)
