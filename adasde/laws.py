"""The numbers of noise laws: checked, standardised, and laid out as kernels and the driver read them."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
from numpy.typing import ArrayLike, NDArray

from adasde.domain import checked
from adasde.errors import InvalidParameter, MissingData

Array = NDArray[np.float64]

LAWS = (
    "gaussian",
    "student-t",
    "laplace",
    "exponential",
    "rademacher",
    "two-point",
    "mixture",
    "empirical",
)
ROUNDING, LARGEST = 1e-12, 1e150


def check_numbers(law: str, numbers: tuple[float, ...]) -> None:
    """Raises `InvalidParameter` unless ``numbers`` are those of the law, see `adasde.noise.Noise.parameters`."""
    if law == "two-point":
        _counted(law, numbers, len(numbers) == 1, "{1}", "give the probability P")
        checked("two-point: P", numbers[0], "(0, 1)")
    elif law == "mixture":
        remedy = "give as many means as weights, and as many deviations"
        _counted(law, numbers, bool(numbers) and len(numbers) % 3 == 0, "{3, 6, 9, ...}", remedy)
        names = ("weight W", "(0, inf)"), ("mean M", "(-inf, inf)"), ("deviation D", "(0, inf)")
        for (name, domain), part in zip(names, np.split(np.array(numbers), 3), strict=True):
            for value in part.tolist():
                checked(f"mixture: {name}", value, domain)
    elif law == "empirical":
        _check_values(*halves(numbers))
    else:
        _counted(law, numbers, not numbers, "{0}", "this law has none; leave them out")


def _counted(law: str, numbers: tuple[float, ...], right: bool, domain: str, remedy: str) -> None:
    if not right:
        raise InvalidParameter(f"{law}: number of parameters", len(numbers), domain, remedy)


def halves(numbers: tuple[float, ...]) -> tuple[Array, Array]:
    """Values and weights of an empirical law."""
    flat = np.array(numbers, dtype=np.float64)
    return flat[: flat.size // 2], flat[flat.size // 2 :]


def _check_values(values: Array, weights: Array) -> None:
    if values.size == 0 or values.size != weights.size:
        remedy = "give at least two values, and a weight for each"
        raise InvalidParameter("empirical: number of parameters", values.size + weights.size, "{4, 6, ...}", remedy)
    for value in values[~np.isfinite(values)][:1].tolist():
        raise InvalidParameter("empirical: value", value, "(-inf, inf)", "leave out what is not finite")
    for weight in weights[~((weights >= 0) & np.isfinite(weights))][:1].tolist():
        raise InvalidParameter("empirical: weight", weight, "[0, inf)", "weights are relative frequencies")
    kept = values[weights > 0]
    if kept.size == 0:
        raise InvalidParameter("empirical: sum of weights", 0, "(0, inf)", "at least one weight must be positive")
    # Where the spread is lost in rounding, standardising would blow up rounding errors to variance 1.
    with np.errstate(over="ignore"):
        spread, least = float(np.ptp(kept)), ROUNDING * float(np.abs(kept).max())
    if not least < spread < LARGEST:
        remedy = "equal values are no noise; rescale huge ones"
        domain = f"({least:.3g}, {LARGEST:g})"
        raise InvalidParameter("empirical: largest less smallest value", f"{spread:.3g}", domain, remedy)


def mixture_data(numbers: tuple[float, ...]) -> Array:
    """(w_1 ..., m_1 ..., d_1 ...) with weights of sum 1, shifted and scaled to mean 0 and variance 1."""
    w, m, d = np.split(np.array(numbers), 3)
    w = w / w.sum()
    m = m - w @ m
    deviation = math.sqrt(w @ (d * d + m * m))
    return np.concatenate([w, m / deviation, d / deviation])


def weighted_deviation(values: Array, weights: Array) -> tuple[float, float]:
    """Mean and standard deviation sqrt(E (X - E X)^2) of values with weights of any sum."""
    w = weights / weights.sum()
    mean = float(w @ values)
    return mean, math.sqrt(float(w @ (values - mean) ** 2))


def atoms(numbers: tuple[float, ...]) -> tuple[Array, Array]:
    """Sorted distinct values z and positive weights w of sum 1, with sum w z = 0 and sum w z^2 = 1."""
    values, weights = halves(numbers)
    z, place = np.unique(values[weights > 0], return_inverse=True)
    w: Array = np.bincount(place, weights[weights > 0]).astype(np.float64)
    mean, deviation = weighted_deviation(z, w)
    z, w = (z - mean) / deviation, w / w.sum()
    # Once more, because mean and deviation were rounded on the scale of the values.
    mean, deviation = weighted_deviation(z, w)
    return (z - mean) / deviation, w


def empirical_data(numbers: tuple[float, ...]) -> Array:
    """(M_3, M_4, M_5, M_6, n, z_1 ... z_n, P_0, P_1, P_2): M_r = sum w z^r and P_r[i] = sum_{j < i} w_j z_j^r for
    i = 0 ... n, over the sorted atoms; sums in extended precision, and P_0[n], P_1[n], P_2[n] = 1, 0, 1 exactly."""
    z, w = atoms(numbers)
    terms = [w.astype(np.longdouble) * z.astype(np.longdouble) ** r for r in range(7)]
    moments = [float(term.sum()) for term in terms[3:]]
    prefixes = [np.concatenate([[0.0], np.cumsum(term)]).astype(np.float64) for term in terms[:3]]
    for prefix, total in zip(prefixes, (1.0, 0.0, 1.0), strict=True):
        prefix[-1] = total
    return np.concatenate([moments, [z.size], z, *prefixes])


def read_npy(parameter: str, path: str) -> Array:
    """The array of numbers in a .npy file; raises `MissingData` where there is no such file."""
    if not Path(path).is_file():
        raise MissingData(f"{parameter}: there is no file {path!r}; save it with numpy.save({path!r}, array)")
    try:
        return np.asarray(np.load(path, allow_pickle=False), dtype=np.float64)
    except (ValueError, TypeError, OSError, EOFError):
        remedy = "save it with numpy.save(file, array)"
        raise InvalidParameter(f"{parameter}: file", repr(path), "the .npy files of real numbers", remedy) from None


def vector(parameter: str, values: ArrayLike) -> tuple[float, ...]:
    """One number, or a sequence of numbers, as a tuple."""
    try:
        array = np.atleast_1d(np.asarray(values, dtype=np.float64))
    except (TypeError, ValueError):
        remedy = "give one number, or one per coordinate"
        raise InvalidParameter(parameter, repr(values), "the numbers and vectors", remedy) from None
    if array.ndim != 1:
        raise InvalidParameter(f"{parameter}: shape", array.shape, "{(n,)}", "give a flat sequence of numbers")
    return tuple(array.tolist())
