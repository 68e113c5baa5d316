"""The random numbers of a run on a network: each is a function of the seed, the step and what it is for."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
NOISE, BRIDGE, BATCHES, BANK, MIXTURE = range(5)
"""What a stream is for: noise of a step, its parts over substeps, minibatches, and the two of `noise_bank.Bank`."""


def stream(seed: int, kind: int, step: int) -> np.random.Generator:
    """The generator of one stream at one step: Philox, keyed by seed and kind, with the step in its counter."""
    return np.random.Generator(np.random.Philox(key=[seed, kind], counter=[0, 0, 0, step]))


def normals(seed: int, step: int, substeps: int, shape: tuple[int, ...]) -> Array:
    """Standard normals (substeps, *shape) whose sum over the substeps, divided by its root, does not depend on how many
    there are: the noise of one step as seen by an optimizer, and by its SDE at any time step."""
    whole = stream(seed, NOISE, step).standard_normal(shape)
    if substeps == 1:
        return whole[None]
    parts = stream(seed, BRIDGE, step).standard_normal((substeps, *shape))
    bridged: Array = parts - parts.mean(axis=0) + whole / np.sqrt(substeps)
    return bridged


def minibatch(seed: int, step: int, samples: int, batch: int) -> NDArray[np.int64]:
    """The samples of one minibatch, drawn with replacement."""
    return stream(seed, BATCHES, step).integers(samples, size=batch)
