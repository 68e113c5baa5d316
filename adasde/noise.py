"""The noise of the stochastic gradient: a law and a per-sample scale, which is divided by sqrt(batch)."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from adasde.domain import checked, counted, spelled
from adasde.errors import InvalidParameter, NoModel, UnknownName

LAWS = ("gaussian", "student-t")
DATA = "data"


@dataclass(frozen=True)
class Noise:
    """g = G + s Z with Z of the given law and s = scale / sqrt(batch), per coordinate.

    law    ``gaussian`` (scale is the per-sample standard deviation) or ``student-t`` (scale parameter, nu
           degrees of freedom; the standard deviation is scale sqrt(nu/(nu - 2)) and exists for nu > 2 only)
    scale  per-sample scale: one number for all coordinates, one per coordinate, or None for the standard
           deviation of the loss's own per-sample gradients at the current point
    batch  batch size B >= 1
    """

    law: str
    scale: tuple[float, ...] | None
    nu: float = math.inf
    batch: int = 1

    def __post_init__(self) -> None:
        if self.law not in LAWS:
            raise UnknownName("noise law", self.law, LAWS)
        for value in self.scale or ():
            checked("noise scale sigma", value, "[0, inf)")
        if self.law == "student-t":
            checked("student-t: nu", self.nu, "(0, inf)")
        counted("batch", self.batch, "give the number of samples per step")

    def scales(self, dimension: int) -> NDArray[np.float64]:
        """s per coordinate, shape (d,); zeros where the loss supplies them at run time."""
        if self.scale is None:
            return np.zeros(dimension)
        if len(self.scale) not in (1, dimension):
            domain = f"{{1, {dimension}}}"
            raise InvalidParameter("number of noise scales", len(self.scale), domain, "give one, or one per coordinate")
        return np.broadcast_to(np.array(self.scale, dtype=np.float64), dimension) / math.sqrt(self.batch)

    @property
    def law_data(self) -> NDArray[np.float64]:
        """The law's own numbers, as kernels and the driver read them: nu for Student-t, nothing for a Gaussian."""
        return np.array([self.nu] if self.law == "student-t" else [])

    def require_moment(self, order: int, who: str, advice: str = "") -> None:
        """Raises `NoModel` where a model needs a moment of an order that the law does not have."""
        if self.law == "student-t" and self.nu <= order:
            remedy = f"the SDE needs a noise moment of order {order}, which does not exist{advice}"
            raise NoModel(f"{who}: student-t nu", f"{self.nu:g}", f"({order}, inf)", remedy)

    @property
    def name(self) -> str:
        """How the command line spells it."""
        scale = DATA if self.scale is None else ",".join(spelled(value) for value in self.scale)
        return f"{self.law}:{spelled(self.nu)}:{scale}" if self.law == "student-t" else f"{self.law}:{scale}"


def gaussian(scale: ArrayLike | None, batch: int = 1) -> Noise:
    """Gaussian noise with per-sample standard deviation ``scale`` (None: taken from the loss's data)."""
    return Noise("gaussian", _tuple(scale), batch=batch)


def student_t(nu: float, scale: ArrayLike, batch: int = 1) -> Noise:
    """Student-t noise with nu degrees of freedom and scale parameter ``scale``."""
    return Noise("student-t", _tuple(scale), nu=checked("student-t: nu", nu, "(0, inf)"), batch=batch)


def parse_noise(text: str, batch: int = 1) -> Noise:
    """``gaussian:S``, ``gaussian:S1,S2``, ``gaussian:data`` or ``student-t:NU:S`` as a `Noise`."""
    law, *fields = text.split(":")
    if law not in LAWS:
        raise UnknownName("noise law", law, LAWS)
    wanted = 2 if law == "student-t" else 1
    form = "student-t:NU:S" if law == "student-t" else "gaussian:S"
    if len(fields) != wanted or not all(fields):
        raise InvalidParameter("noise", repr(text), f"the form {form}", "S is one scale, a comma list, or `data`")
    nu = _number("student-t: nu", fields[0]) if law == "student-t" else math.inf
    numbers = (_number("noise scale sigma", part) for part in fields[-1].split(","))
    return Noise(law, None if fields[-1] == DATA else tuple(numbers), nu, batch)


def _number(parameter: str, text: str) -> float:
    try:
        return float(text)
    except ValueError:
        raise InvalidParameter(parameter, repr(text), "the numbers", "write it like 0.5 or 1e-3") from None


def _tuple(scale: ArrayLike | None) -> tuple[float, ...] | None:
    """One scale, or a vector of scales, as a tuple."""
    if scale is None:
        return None
    try:
        return tuple(float(value) for value in np.atleast_1d(np.asarray(scale, dtype=np.float64)))
    except (TypeError, ValueError):
        remedy = "give one number, or one per coordinate"
        raise InvalidParameter("noise scale sigma", repr(scale), "the numbers and vectors", remedy) from None
