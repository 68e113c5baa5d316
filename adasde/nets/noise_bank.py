"""What a model reads of the gradient noise at a point of a network: scales, and correlated draws for its motions.

With a full Sigma the noise itself comes from a weighted loss. Motions that belong to another function of the noise, a
sign or a square, are correlated as that function is: each is a random combination sum_b c_b h(zeta_b)/sqrt(M) of the
function at a *bank* of M draws zeta_b of the noise, c normal, which has mean 0 and, over bank and c, the right
covariance. The bank is drawn again whenever Sigma is.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray
from scipy import special

from adasde.nets.loss import TorchLoss
from adasde.nets.streams import BANK, MIXTURE, Array, stream

NOISES = {
    "minibatch": "minibatches of real samples, drawn with replacement",
    "full": "Gaussian with the full Sigma of the samples at x",
    "diagonal": "Gaussian with the diagonal of Sigma: coordinates are independent",
    "empirical": "signs: P(g < 0) and the covariance of sign(g) from minibatches of real samples",
}
LARGEST_MEAN = 1 - 1e-15
"""Mean sign from which on a sign counts as certain: the inverse error function of 1 is infinite."""


@dataclass(eq=False)
class Bank:
    """Scales and bank at the point where they were drawn last.

    scale  noise scale s of a minibatch (d,), s^2 = Sigma_jj / B
    draws  M draws of the minibatch noise (M, d) in float32, whose sums of signs are exact; empty where no motion needs
           them
    """

    scale: Array
    draws: NDArray[np.float32]

    @cached_property
    def squares(self) -> NDArray[np.float32]:
        """(n/s)^2 over the draws, centred and of length one in each coordinate, or 0 where it is constant."""
        values = (self.draws / np.where(self.scale > 0, self.scale, 1.0)) ** 2
        values -= values.mean(axis=0)
        size = np.sqrt((values**2).sum(axis=0))
        found: NDArray[np.float32] = (values / np.where(size > 0, size, 1.0)).astype(np.float32)
        return found

    def signs(self, gradient: Array) -> tuple[NDArray[np.float32], Array, Array]:
        """sign(G + n) over the draws (M, d), its mean and its variance over the bank, (d,) each."""
        signs = np.sign(gradient.astype(np.float32) + self.draws)
        mean = signs.sum(axis=0, dtype=np.float64) / len(signs)
        square = np.einsum("kj,kj->j", signs, signs).astype(np.float64) / len(signs)
        return signs, mean, np.maximum(square - mean**2, 0.0)


def draw_bank(loss: TorchLoss, x: Array, noise: str, batch: int, size: int, seed: int, step: int) -> Bank:
    """The bank of a kind of noise (`NOISES`) at x, with ``size`` draws; it is drawn from the stream of this step."""
    if noise == "empirical":
        batches = stream(seed, BANK, step).integers(loss.samples, size=(size, batch))
        weights = loss.minibatch_weights(batches) - 1 / loss.samples
    else:
        z = stream(seed, BANK, step).standard_normal((size, loss.samples))
        weights = loss.noise_weights(z, batch) / loss.samples
    variance, draws = loss.variance_and_weighted(x, weights)
    return Bank(np.sqrt(variance / batch), draws.astype(np.float32))


def motion(bank: Bank, gradient: Array, degree: int, mixture: Array) -> Array:
    """A standard normal motion per coordinate (d,) from mixture (M,) normal, correlated between coordinates like
    sign(G + n) (degree 0) or like He_2(n/s) (degree 2), n the noise; 0 where that function is constant."""
    c = mixture.astype(np.float32)
    if degree == 2:
        found: Array = (c @ bank.squares).astype(np.float64)
        return found
    signs, mean, variance = bank.signs(gradient)
    size = np.sqrt(np.where(variance > 0, variance, 1.0) * len(signs))
    centred: Array = (c @ signs - c.sum() * mean) / size * (variance > 0)
    return centred


def empirical_signs(bank: Bank, gradient: Array, mixture: Array) -> tuple[Array, Array, Array]:
    """(G, s, z) at which a model of SignSGD under Gaussian noise has the signs of real minibatches.

    With mu the mean of sign(g) over the bank, P(g > 0) - P(g < 0), it is G = sqrt 2 erfinv(mu) and s = 1, so that the
    model's erf(G/(s sqrt 2)) is mu; and z so that its sqrt(1 - mu^2) z has the covariance of sign(g), which is less on
    the diagonal where g = 0 with positive probability.
    """
    signs, mean, variance = bank.signs(gradient)
    mu, c = np.clip(mean, -LARGEST_MEAN, LARGEST_MEAN), mixture.astype(np.float32)
    noise = (c @ signs - c.sum() * mean) / math.sqrt(len(signs) - 1) * (variance > 0)
    return math.sqrt(2) * special.erfinv(mu), np.ones_like(mu), noise / np.sqrt(1 - mu**2)


def mixtures(seed: int, step: int, substeps: int, motions: int, size: int) -> Array:
    """The coefficients c (substeps, motions, M) of the random combinations of one step."""
    return stream(seed, MIXTURE, step).standard_normal((substeps, motions, size))
