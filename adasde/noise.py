"""The noise of the stochastic gradient: a law and a per-sample scale, which is divided by sqrt(batch)."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from adasde.covariance import checked_covariance, correlation, deviations
from adasde.domain import checked, counted, spelled
from adasde.errors import InvalidParameter, NoModel, UnknownName
from adasde.laws import LAWS as LAWS
from adasde.laws import check_numbers, empirical_data, halves, mixture_data, vector, weighted_deviation

DATA: Literal["data"] = "data"
SCALE = "noise scale sigma"


@dataclass(frozen=True)
class Noise:
    """g = G + s Z with Z of the given law and s = scale / sqrt(batch), per coordinate.

    law         one of `adasde.laws.LAWS`. Z has mean 0 and variance 1, except for ``student-t``, where it has nu
                degrees of freedom and the standard deviation sqrt(nu/(nu - 2)), which exists for nu > 2 only
    scale       per-sample scale: one number for all coordinates, one per coordinate, or None for the standard
                deviation of the loss's own per-sample gradients at the current point
    batch       batch size B >= 1
    parameters  ``two-point``: (P,); ``mixture``: weights, then means, then standard deviations; ``empirical``:
                values, then weights; nothing for other laws. They need not be standardised
    covariance  per-sample covariance (d, d) across coordinates, Gaussian only; ``scale`` is then sqrt of its diagonal.
                "data": the loss's own at the current point, its `noise_covariance`
    """

    law: str
    scale: tuple[float, ...] | None
    nu: float = math.inf
    batch: int = 1
    parameters: tuple[float, ...] = ()
    covariance: tuple[tuple[float, ...], ...] | Literal["data"] | None = None

    def __post_init__(self) -> None:
        if self.law not in LAWS:
            raise UnknownName("noise law", self.law, LAWS)
        if self.covariance is not None:
            self._take_covariance(self.covariance)
        for value in self.scale or ():
            checked(SCALE, value, "[0, inf)")
        if self.law == "student-t":
            checked("student-t: nu", self.nu, "(0, inf)")
        check_numbers(self.law, self.parameters)
        counted("batch", self.batch, "give the number of samples per step")

    def _take_covariance(self, covariance: ArrayLike) -> None:
        if self.law != "gaussian":
            raise InvalidParameter("noise law with a covariance", self.law, "{gaussian}", "give scales instead")
        if isinstance(covariance, str) and covariance == DATA:
            object.__setattr__(self, "scale", None)
            return
        sigma = checked_covariance(covariance)
        object.__setattr__(self, "covariance", tuple(tuple(row) for row in sigma.tolist()))
        object.__setattr__(self, "scale", tuple(deviations(sigma).tolist()))

    def scales(self, dimension: int) -> NDArray[np.float64]:
        """s per coordinate, shape (d,); zeros where the loss supplies them at run time."""
        if self.scale is None:
            return np.zeros(dimension)
        if self.covariance is not None and len(self.scale) != dimension:
            domain = f"{{{dimension}}}"
            raise InvalidParameter("covariance Sigma: rows", len(self.scale), domain, "the loss has that dimension")
        if len(self.scale) not in (1, dimension):
            domain = f"{{1, {dimension}}}"
            raise InvalidParameter("number of noise scales", len(self.scale), domain, "give one, or one per coordinate")
        return np.broadcast_to(np.array(self.scale, dtype=np.float64), dimension) / math.sqrt(self.batch)

    @cached_property
    def law_data(self) -> NDArray[np.float64]:
        """The law's own numbers, as kernels and the driver read them: nu and its table for Student-t
        (`adasde.kernels.student_t.student_t_data`), P for two points, and what `adasde.laws.mixture_data` and
        `empirical_data` say; nothing for the other laws."""
        if self.law == "student-t":
            from adasde.kernels.student_t import student_t_data

            table: NDArray[np.float64] = student_t_data(self.nu)
            return table
        if self.law == "mixture":
            return mixture_data(self.parameters)
        if self.law == "empirical":
            return empirical_data(self.parameters)
        return np.array(self.parameters, dtype=np.float64)

    @property
    def law_key(self) -> str:
        """The law as kernels are made for it: its name, with the number of components for a mixture."""
        return f"mixture:{len(self.law_data) // 3}" if self.law == "mixture" else self.law

    @cached_property
    def correlation(self) -> NDArray[np.float64] | None:
        """Correlation matrix (d, d) of Z across coordinates, or None where they are independent or it depends on x."""
        return None if self.covariance in (None, DATA) else correlation(np.array(self.covariance))

    @property
    def covariance_at_x(self) -> bool:
        """Whether the loss supplies the covariance, at every point of its own."""
        return self.covariance == DATA

    def require_moment(self, order: int, who: str, advice: str = "") -> None:
        """Raises `NoModel` where a model needs a moment of an order that the law does not have."""
        if self.law == "student-t" and self.nu <= order:
            remedy = f"the SDE needs a noise moment of order {order}, which does not exist{advice}"
            raise NoModel(f"{who}: student-t nu", f"{self.nu:g}", f"({order}, inf)", remedy)

    @property
    def name(self) -> str:
        """How the command line spells it; data from a file by their number."""
        if self.covariance_at_x:
            return f"gaussian:@{DATA}"
        if self.covariance is not None:
            return f"gaussian:{len(self.covariance)} x {len(self.covariance)} covariance"
        scale = DATA if self.scale is None else ",".join(spelled(value) for value in self.scale)
        middle = self._spelled_parameters()
        return ":".join([self.law, *([middle] if middle else []), scale])

    def _spelled_parameters(self) -> str:
        if self.law == "student-t":
            return spelled(self.nu)
        if self.law == "mixture":
            return "/".join(",".join(spelled(v) for v in part) for part in np.reshape(self.parameters, (3, -1)).T)
        if self.law == "empirical":
            return f"{len(self.parameters) // 2} values"
        return ",".join(spelled(value) for value in self.parameters)


def gaussian(
    scale: ArrayLike | None = None, batch: int = 1, covariance: ArrayLike | Literal["data"] | None = None
) -> Noise:
    """Gaussian noise with per-sample standard deviation ``scale`` (None: taken from the loss's data), or with a
    per-sample covariance matrix (d, d) across coordinates ("data": the loss's own, at each point)."""
    if covariance is None:
        return Noise("gaussian", _scale(scale), batch=batch)
    if scale is not None:
        raise InvalidParameter("gaussian: scale", scale, "{None} with a covariance", "its diagonal holds the scales")
    if isinstance(covariance, str) and covariance == DATA:
        return Noise("gaussian", None, batch=batch, covariance=DATA)
    rows = tuple(tuple(row) for row in checked_covariance(covariance).tolist())
    return Noise("gaussian", None, batch=batch, covariance=rows)


def student_t(nu: float, scale: ArrayLike, batch: int = 1) -> Noise:
    """Student-t noise with nu degrees of freedom and scale parameter ``scale``."""
    return Noise("student-t", _scale(scale), nu=checked("student-t: nu", nu, "(0, inf)"), batch=batch)


def laplace(scale: ArrayLike | None, batch: int = 1) -> Noise:
    """Laplace noise, density exp(-sqrt 2 |z|)/sqrt 2 of Z, with standard deviation ``scale``."""
    return Noise("laplace", _scale(scale), batch=batch)


def exponential(scale: ArrayLike | None, batch: int = 1) -> Noise:
    """Z = E - 1 with E exponential, of skewness 2; standard deviation ``scale``."""
    return Noise("exponential", _scale(scale), batch=batch)


def rademacher(scale: ArrayLike | None, batch: int = 1) -> Noise:
    """Z = 1 or -1 with probability 1/2 each; standard deviation ``scale``."""
    return Noise("rademacher", _scale(scale), batch=batch)


def two_point(p: float, scale: ArrayLike | None, batch: int = 1) -> Noise:
    """Z = sqrt((1 - p)/p) with probability p, else -sqrt(p/(1 - p)); standard deviation ``scale``."""
    return Noise("two-point", _scale(scale), batch=batch, parameters=(checked("two-point: P", p, "(0, 1)"),))


def mixture(
    weights: ArrayLike, means: ArrayLike, deviations: ArrayLike, scale: ArrayLike | None, batch: int = 1
) -> Noise:
    """A mixture of Gaussians, shifted and scaled to mean 0 and standard deviation ``scale``."""
    parts = [
        vector(f"mixture: {name}", v) for name, v in zip(("W", "M", "D"), (weights, means, deviations), strict=True)
    ]
    if len({len(part) for part in parts}) != 1:
        sizes = tuple(len(part) for part in parts)
        remedy = "give as many means as weights, and as many deviations"
        raise InvalidParameter("mixture: numbers of W, M, D", sizes, "{(K, K, K), K > 0}", remedy)
    return Noise("mixture", _scale(scale), batch=batch, parameters=parts[0] + parts[1] + parts[2])


def empirical(
    values: ArrayLike, weights: ArrayLike | None = None, scale: ArrayLike | None = None, batch: int = 1
) -> Noise:
    """Noise drawn from values with weights (None: equal), shifted to mean 0; ``scale`` is its standard deviation
    (None: that of the values)."""
    given = vector("empirical: values", values)
    shares = (1.0,) * len(given) if weights is None else vector("empirical: weights", weights)
    if len(given) != len(shares):
        remedy = "give a weight for each value, or none at all"
        raise InvalidParameter("empirical: number of weights", len(shares), f"{{{len(given)}}}", remedy)
    numbers = given + shares
    check_numbers("empirical", numbers)
    deviation = weighted_deviation(*halves(numbers))[1] if scale is None else scale
    return Noise("empirical", _scale(deviation), batch=batch, parameters=numbers)


def parse_noise(text: str, batch: int = 1) -> Noise:
    """A noise from its spelling, e.g. ``gaussian:0.5``; see `adasde.spelling.parse`."""
    from adasde.spelling import parse

    return parse(text, batch)


def _scale(scale: ArrayLike | None) -> tuple[float, ...] | None:
    return None if scale is None else vector(SCALE, scale)
