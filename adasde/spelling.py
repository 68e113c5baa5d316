"""How the command line spells noise."""

from __future__ import annotations

import math

import numpy as np

from adasde.errors import InvalidParameter, UnknownName
from adasde.laws import LAWS, read_npy
from adasde.noise import DATA, SCALE, Noise, empirical, gaussian

FORMS = {
    "gaussian": "gaussian:S, gaussian:@SIGMA.npy or gaussian:@data",
    "student-t": "student-t:NU:S",
    "laplace": "laplace:S",
    "exponential": "exponential:S",
    "rademacher": "rademacher:S",
    "two-point": "two-point:P:S",
    "mixture": "mixture:W1,M1,D1/W2,M2,D2:S",
    "empirical": "empirical:@FILE.npy[:S]",
}

ABOUT = {
    "gaussian": "standard deviation S, or a covariance across coordinates from a file or the loss; all moments",
    "student-t": "scale S; moments of order below NU only",
    "laplace": "standard deviation S; all moments",
    "exponential": "standard deviation S, skewness 2; all moments",
    "rademacher": "S or -S with probability 1/2; all moments, no density",
    "two-point": "standard deviation S, the upper value with probability P; all moments, no density",
    "mixture": "weights, means, deviations, as a whole shifted and scaled to mean 0 and S; all moments",
    "empirical": "values, or two rows of values and weights, shifted to mean 0; all moments, no density",
}
"""What a law's numbers mean and which of its moments exist; a sign is smoothed by a density only."""


def parse(text: str, batch: int = 1) -> Noise:
    """A noise from one of `FORMS`; S is one scale, a comma list of one per coordinate, or ``data``."""
    law, _, rest = text.partition(":")
    if law not in LAWS:
        raise UnknownName("noise law", law, LAWS)
    if law == "gaussian" and rest == f"@{DATA}":
        return gaussian(batch=batch, covariance=DATA)
    if law == "gaussian" and rest.startswith("@"):
        return gaussian(batch=batch, covariance=read_npy("gaussian: covariance Sigma", rest[1:]))
    if law == "empirical":
        return _empirical(text, rest, batch)
    fields = rest.split(":")
    if len(fields) != (2 if law in ("student-t", "two-point", "mixture") else 1) or not all(fields):
        raise _malformed(text, law)
    nu = math.inf
    parameters: tuple[float, ...] = ()
    if law == "student-t":
        nu = _number("student-t: nu", fields[0])
    elif law == "two-point":
        parameters = (_number("two-point: P", fields[0]),)
    elif law == "mixture":
        parameters = _mixture(text, fields[0])
    return Noise(law, _scale(fields[-1]), nu, batch, parameters)


def _mixture(text: str, components: str) -> tuple[float, ...]:
    """W1,M1,D1/W2,M2,D2/... as weights, then means, then deviations."""
    parts = [component.split(",") for component in components.split("/")]
    if any(len(part) != 3 for part in parts):
        raise _malformed(text, "mixture")
    names = ("mixture: weight W", "mixture: mean M", "mixture: deviation D")
    return tuple(_number(name, part[i]) for i, name in enumerate(names) for part in parts)


def _empirical(text: str, rest: str, batch: int) -> Noise:
    path, colon, last = rest.rpartition(":")
    # A path may hold a colon itself: what follows the last one is a scale only if it reads as one.
    scale = _scale(last) if colon and (last == DATA or _is_number(last.split(",")[0])) else None
    path = path if scale is not None or (colon and last == DATA) else rest
    if not path.startswith("@") or path == "@":
        raise _malformed(text, "empirical")
    array = read_npy("empirical: values", path[1:])
    if array.ndim != 1 and (array.ndim != 2 or len(array) != 2):
        remedy = "save values, or values and weights as two rows"
        raise InvalidParameter("empirical: shape of the array", array.shape, "{(n,), (2, n)}", remedy)
    values, weights = (array, None) if array.ndim == 1 else (array[0], array[1])
    noise = empirical(values, weights, scale, batch)
    return Noise("empirical", None, batch=batch, parameters=noise.parameters) if last == DATA else noise


def _malformed(text: str, law: str) -> InvalidParameter:
    remedy = "S is one scale, a comma list, or `data`"
    return InvalidParameter("noise", repr(text), f"the form {FORMS[law]}", remedy)


def _scale(text: str) -> tuple[float, ...] | None:
    return None if text == DATA else tuple(_number(SCALE, part) for part in text.split(","))


def _is_number(text: str) -> bool:
    try:
        return not np.isnan(float(text))
    except ValueError:
        return False


def _number(parameter: str, text: str) -> float:
    try:
        return float(text)
    except ValueError:
        raise InvalidParameter(parameter, repr(text), "the numbers", "write it like 0.5 or 1e-3") from None
