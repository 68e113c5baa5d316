"""What the gradient noise of a network is like at a point: how large, how correlated, how far from Gaussian.

The population of samples is fixed, so that moments of the noise are exact sums over it. Sampling error enters where
minibatches are drawn, and there the same number is given for Gaussian noise of the same size: the *null*.
"""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from scipy import special, stats

from adasde.errors import InvalidParameter
from adasde.nets.loss import TorchLoss
from adasde.nets.streams import BANK, MIXTURE, NOISE, Array, stream

LEVEL = 0.95
RESAMPLED = 1000
"""Bootstrap samples of the population behind the interval of the noise scale."""
LARGEST_BYTES = 2**31
LARGEST_NU = 1000.0
"""Fits of more degrees of freedom than that count as this many: the likelihood is flat there."""
NEAR_ZERO = 0.01
"""Size of a per-sample gradient, relative to its coordinate's standard deviation, that counts as near zero."""


@dataclass(frozen=True)
class Quartiles:
    """Lower quartile, median and upper quartile over coordinates."""

    low: float
    median: float
    high: float


@dataclass(frozen=True)
class NoiseScale:
    """tr Sigma / |G|^2 in samples, B_simple of McCandlish et al. 2018 (arXiv:1812.06162).

    population   of the samples themselves, which is exact
    value        estimated for the distribution that they came from: |G|^2 less its bias tr Sigma / N; infinite where
                 nothing is left of it
    low, high    confidence interval of that, from a pivotal bootstrap of |G|^2 / tr Sigma over the samples
    """

    population: float
    value: float
    low: float
    high: float
    level: float


@dataclass(frozen=True, eq=False)
class NoiseReport:
    """The noise of minibatches of ``batch`` samples at one point; Sigma is per sample.

    loss, gradient_norm_squared, trace_sigma   f, |G|^2 and tr Sigma
    noise_scale           see `NoiseScale`
    noise_dominated       share of coordinates with |G_j| < s_j, s_j^2 = Sigma_jj / B
    without_noise         share of coordinates where no sample has a gradient
    near_zero             share of per-sample gradients below `NEAR_ZERO` standard deviations
    effective_rank        exp of the entropy of the normalised eigenvalues of Sigma (Roy and Vetterli 2007)
    participation_ratio   (tr Sigma)^2 / tr Sigma^2
    skewness, excess_kurtosis   of a minibatch's noise, absolute skewness: exact, 1/sqrt B and 1/B of those of a sample
    nu, nu_null           Student-t fits to minibatches, coordinate by coordinate, and to Gaussian noise of that size
    below_null            share of coordinates whose nu is below the 5 % quantile of the null
    negative_gap, negative_gap_null   mean |P(g < 0) - Phi(-G/s)| over coordinates, and its mean for Gaussian noise
    eigenvalues           of Sigma, falling; standardised: noise of the fitted coordinates (minibatches, coordinates)
    nus, null_nus, negative, predicted   per coordinate, for figures
    """

    samples: int
    dimension: int
    batch: int
    minibatches: int
    coordinates: int
    loss: float
    gradient_norm_squared: float
    trace_sigma: float
    noise_scale: NoiseScale
    noise_dominated: float
    without_noise: float
    near_zero: float
    effective_rank: float
    participation_ratio: float
    skewness: Quartiles
    excess_kurtosis: Quartiles
    nu: Quartiles
    nu_null: Quartiles
    below_null: float
    negative_gap: float
    negative_gap_null: float
    eigenvalues: Array
    standardised: Array
    nus: Array
    null_nus: Array
    negative: Array
    predicted: Array

    def to_dict(self) -> dict[str, Any]:
        """All numbers, without the arrays; None for what is infinite."""
        facts = {name: value for name, value in asdict(self).items() if not isinstance(value, np.ndarray)}
        return {name: _finite(value) for name, value in facts.items()}


def _finite(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _finite(part) for name, part in value.items()}
    return None if isinstance(value, float) and not math.isfinite(value) else value


def diagnose(
    loss: TorchLoss, x: Array, batch: int = 32, minibatches: int = 1000, coordinates: int = 48, seed: int = 0
) -> NoiseReport:
    """The noise at x. ``minibatches`` real ones are drawn with replacement; ``coordinates`` of those with noise are
    fitted. Raises `InvalidParameter` where there is no noise at all, or per-sample gradients do not fit into memory."""
    rows = gradient_rows(loss, x)
    mean = rows.mean(axis=0)
    centred = rows - mean
    variance = (centred**2).mean(axis=0)
    noisy = np.flatnonzero(variance > 0)
    if noisy.size == 0:
        remedy = "all samples have the same gradient: there is no noise to look at"
        raise InvalidParameter(f"{loss.name}: coordinates with noise", 0, "{1, 2, 3, ...}", remedy)
    scale = np.sqrt(variance / batch)
    drawn = stream(seed, BANK, 0).integers(len(rows), size=(minibatches, batch))
    gradients = loss.minibatch_weights(drawn) @ rows
    chosen = np.sort(stream(seed, MIXTURE, 0).permutation(noisy)[:coordinates])
    standardised = (gradients[:, chosen] - mean[chosen]) / scale[chosen]
    null = stream(seed, NOISE, 0).standard_normal(standardised.shape)
    nus, null_nus = degrees_of_freedom(standardised), degrees_of_freedom(null)
    negative, predicted = (gradients[:, noisy] < 0).mean(axis=0), special.ndtr(-mean[noisy] / scale[noisy])
    null_negative = stream(seed, NOISE, 1).binomial(minibatches, predicted) / minibatches
    eigenvalues = spectrum(centred)
    shares = eigenvalues / eigenvalues.sum()
    z = centred[:, noisy] / np.sqrt(variance[noisy])
    return NoiseReport(
        samples=len(rows),
        dimension=loss.dimension,
        batch=batch,
        minibatches=minibatches,
        coordinates=len(chosen),
        loss=loss.value(x),
        gradient_norm_squared=float(mean @ mean),
        trace_sigma=float(variance.sum()),
        noise_scale=noise_scale(rows, seed),
        noise_dominated=float((np.abs(mean[noisy]) < scale[noisy]).mean()),
        without_noise=1 - len(noisy) / loss.dimension,
        near_zero=float((np.abs(rows[:, noisy]) < NEAR_ZERO * np.sqrt(variance[noisy])).mean()),
        effective_rank=float(np.exp(special.entr(shares).sum())),
        participation_ratio=float(1 / (shares**2).sum()),
        skewness=quartiles(np.abs((z**3).mean(axis=0)) / math.sqrt(batch)),
        excess_kurtosis=quartiles(((z**4).mean(axis=0) - 3) / batch),
        nu=quartiles(nus),
        nu_null=quartiles(null_nus),
        below_null=float((nus < np.quantile(null_nus, 0.05)).mean()),
        negative_gap=float(np.abs(negative - predicted).mean()),
        negative_gap_null=float(np.abs(null_negative - predicted).mean()),
        eigenvalues=eigenvalues,
        standardised=standardised,
        nus=nus,
        null_nus=null_nus,
        negative=negative,
        predicted=predicted,
    )


def gradient_rows(loss: TorchLoss, x: Array) -> Array:
    """All per-sample gradients (N, d)."""
    size = 8 * loss.samples * loss.dimension
    if size > LARGEST_BYTES:
        remedy = "declare a smaller population of samples"
        raise InvalidParameter(f"{loss.name}: bytes of gradients", size, f"[0, {LARGEST_BYTES}]", remedy)
    return np.concatenate([gradients.double().cpu().numpy() for _, gradients in loss.per_sample_gradients(x)])


def noise_scale(rows: Array, seed: int) -> NoiseScale:
    """`NoiseScale` from per-sample gradients (N, d). A resampled population with counts c has the mean gradient rows'
    c/N, so that its numbers are quadratic forms of the Gram matrix of the rows."""
    samples = len(rows)
    gram = rows @ rows.T
    counts = stream(seed, MIXTURE, 1).multinomial(samples, np.full(samples, 1 / samples), size=RESAMPLED)
    exact, (estimate,) = _ratios(gram, np.ones((1, samples)))
    # In the bootstrap world the truth is the population: the law of an estimate less the truth is carried over.
    errors = _ratios(gram, counts.astype(np.float64))[1] - exact[0]
    low, high = np.quantile(errors, ((1 - LEVEL) / 2, (1 + LEVEL) / 2))
    return NoiseScale(
        population=_inverse(exact[0]),
        value=_inverse(estimate),
        low=_inverse(estimate - low),
        high=_inverse(estimate - high),
        level=LEVEL,
    )


def _inverse(ratio: float) -> float:
    return float(1 / ratio) if ratio > 0 else math.inf


def _ratios(gram: Array, counts: Array) -> tuple[Array, Array]:
    """|G|^2 / tr Sigma of the population that each row of counts stands for, and its estimate for the distribution
    behind it, with both unbiased."""
    samples = counts.shape[1]
    norm = np.einsum("ki,ki->k", counts @ gram, counts) / samples**2
    trace = counts @ np.diag(gram) / samples - norm
    unbiased = trace * samples / (samples - 1)
    return norm / trace, (norm - unbiased / samples) / unbiased


def spectrum(centred: Array) -> Array:
    """The positive eigenvalues of Sigma, falling, from centred gradients (N, d): those of the smaller Gram matrix."""
    wide = centred.shape[1] > centred.shape[0]
    values = np.linalg.eigvalsh((centred @ centred.T if wide else centred.T @ centred) / len(centred))[::-1]
    found: Array = values[values > 1e-13 * values[0]]
    return found


def degrees_of_freedom(noise: Array) -> Array:
    """nu of a Student-t fit to each column by maximum likelihood, at most `LARGEST_NU`."""
    return np.array([min(float(stats.t.fit(column)[0]), LARGEST_NU) for column in noise.T])


def quartiles(values: Array) -> Quartiles:
    return Quartiles(*(float(q) for q in np.quantile(values, (0.25, 0.5, 0.75))))
