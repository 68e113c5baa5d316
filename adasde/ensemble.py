"""What a simulation returns: moments of an ensemble of paths at the saved times."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from adasde.quantiles import Sketch

Array = NDArray[np.float64]
FULL_COVARIANCE_UP_TO = 64
"""Dimension up to which the full covariance of x is kept, rather than its diagonal."""
QUANTILES = (0.05, 0.25, 0.5, 0.75, 0.95)
"""Quantiles of the loss that `Ensemble.to_dict` gives."""


@dataclass(frozen=True)
class Moments:
    """Counts, means and centred second moments over paths; one leaf, or leaves merged.

    count, diverged (T,); mean (T, d); m2 (T, d, d), or (T, d, 1) for the diagonal only; loss (T, 2): mean and centred
    second moment; sketch: its histogram; samples: pairs of a first path and x (T, d, n) of n paths from there on that
    are kept as they are, by the number of the path.
    """

    ARRAYS: ClassVar[tuple[str, ...]] = ("count", "diverged", "mean", "m2", "loss")

    count: NDArray[np.int64]
    diverged: NDArray[np.int64]
    mean: Array
    m2: Array
    loss: Array
    sketch: Sketch = field(default_factory=Sketch)
    samples: tuple[tuple[int, Array], ...] = ()

    @classmethod
    def empty(cls, times: int, dimension: int, full: bool) -> Moments:
        m2 = np.zeros((times, dimension, dimension if full else 1))
        counts = np.zeros((2, times), dtype=np.int64)
        return cls(counts[0], counts[1].copy(), np.zeros((times, dimension)), m2, np.zeros((times, 2)))

    def add(self, xs: Array, losses: Array) -> None:
        """Adds a block of paths in place: xs (T, d, L), losses (T, L). Diverged paths are counted and left out."""
        from adasde.kernels.statistics import add_block

        buckets = np.empty(losses.shape, dtype=np.int32)
        add_block(xs, losses, self.count, self.mean, self.m2, self.loss, self.diverged, buckets)
        self.sketch.add(buckets)

    def merged(self, other: Moments) -> Moments:
        """Chan's formula; merging in a fixed order gives the same bytes."""
        total = self.count + other.count
        safe = np.maximum(total, 1)
        share, weight = other.count / safe, self.count * (other.count / safe)
        delta = other.mean - self.mean
        outer = delta[:, :, None] * (delta[:, None, :] if self.m2.shape[2] == delta.shape[1] else delta[:, :, None])
        shift = other.loss[:, 0] - self.loss[:, 0]
        loss = np.stack(
            [self.loss[:, 0] + share * shift, self.loss[:, 1] + other.loss[:, 1] + weight * shift**2], axis=1
        )
        return Moments(
            total,
            self.diverged + other.diverged,
            self.mean + share[:, None] * delta,
            self.m2 + other.m2 + weight[:, None, None] * outer,
            loss,
            self.sketch.merged(other.sketch),
            self.samples + other.samples,
        )


@dataclass(frozen=True)
class Ensemble:
    """Moments of an ensemble of independent paths at times t = eta k.

    times            (T,), t = eta k with k the optimizer's step number
    n                (T,), paths that count: those that have not diverged by then
    mean             (T, d), E x
    cov              (T, d, d), unbiased; None where only the diagonal was kept
    var              (T, d), unbiased variance of each coordinate
    loss_mean, loss_std, loss_se   (T,), mean, standard deviation and standard error of f(x)
    diverged         (T,), number of paths that had diverged by then and are left out of everything above
    samples          (T, d, K), x of the paths 0 ... K - 1 one by one, K = ``kept``, diverged ones too; nan for those
                     that an interrupt kept from being run
    complete         False where an interrupt cut the run short; the moments are then those of the finished paths

    Where no path is left (n = 0) or one (for second moments), the entries are nan: there is nothing to average.
    """

    optimizer: str
    model: str
    loss: str
    noise: str
    parameters: dict[str, float]
    seed: int
    paths: int
    substeps: int
    start: int
    times: Array
    moments: Moments = field(repr=False)
    complete: bool = True
    kept: int = 0

    @property
    def n(self) -> NDArray[np.int64]:
        return self.moments.count

    @property
    def diverged(self) -> NDArray[np.int64]:
        return self.moments.diverged

    @property
    def mean(self) -> Array:
        return np.where(self.n[:, None] > 0, self.moments.mean, np.nan)

    @property
    def cov(self) -> Array | None:
        if self.moments.m2.shape[2] != self.moments.mean.shape[1]:
            return None
        return self.moments.m2 / self._freedom[:, None, None]

    @property
    def var(self) -> Array:
        full = self.moments.m2.shape[2] == self.moments.mean.shape[1]
        diagonal = np.diagonal(self.moments.m2, axis1=1, axis2=2) if full else self.moments.m2[:, :, 0]
        return diagonal / self._freedom[:, None]

    @property
    def loss_mean(self) -> Array:
        return np.where(self.n > 0, self.moments.loss[:, 0], np.nan)

    @property
    def loss_std(self) -> Array:
        return np.sqrt(self.moments.loss[:, 1] / self._freedom)

    @property
    def loss_se(self) -> Array:
        return self.loss_std / np.sqrt(np.maximum(self.n, 1))

    @property
    def _freedom(self) -> Array:
        return np.where(self.n > 1, self.n - 1.0, np.nan)

    def loss_interval(self, level: float = 0.95) -> tuple[Array, Array]:
        """Student-t confidence interval of the mean loss at each time."""
        from scipy import special  # a seventh of what a short run waits for, and few ask for the interval

        half = special.stdtrit(np.maximum(self.n - 1, 1), 0.5 + level / 2) * self.loss_se
        return self.loss_mean - half, self.loss_mean + half

    def loss_quantile(self, q: float) -> Array:
        """(T,): the smallest f(x) that a share q in [0, 1] of the paths that count does not exceed.

        Relative error at most 1/129 (`quantiles.RELATIVE_ERROR`); |f| < 2.2e-308 counts as 0; nan where n = 0.
        """
        return self.moments.sketch.quantile(q, len(self.times))

    @property
    def samples(self) -> Array:
        result = np.full((*self.moments.mean.shape, self.kept), np.nan)
        for first, x in self.moments.samples:
            result[:, :, first : first + x.shape[2]] = x
        return result

    def to_dict(self) -> dict[str, object]:
        """The contract of ``adasde simulate --json``; nan becomes None."""
        return {
            "optimizer": self.optimizer,
            "model": self.model,
            "loss": self.loss,
            "noise": self.noise,
            "parameters": self.parameters,
            "seed": self.seed,
            "paths": self.paths,
            "substeps": self.substeps,
            "start": self.start,
            "complete": self.complete,
            "times": self.times.tolist(),
            "n": self.n.tolist(),
            "mean": _plain(self.mean),
            "cov": None if self.cov is None else _plain(self.cov),
            "var": _plain(self.var),
            "loss_mean": _plain(self.loss_mean),
            "loss_std": _plain(self.loss_std),
            "loss_se": _plain(self.loss_se),
            "loss_quantiles": {str(q): _plain(self.loss_quantile(q)) for q in QUANTILES},
            "diverged": self.diverged.tolist(),
        } | ({"samples": _plain(self.samples)} if self.kept else {})


def _plain(array: Array) -> list[object]:
    plain: list[object] = np.where(np.isfinite(array), array.astype(object), np.array(None)).tolist()
    return plain
