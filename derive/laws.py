"""The noise laws by the names that the command line spells."""

from __future__ import annotations

from collections.abc import Callable

from adasde.derive.atomic import Empirical, Rademacher, TwoPoint
from adasde.derive.law import AnyLaw, Law
from adasde.derive.noise import Gaussian, Laplace, Mixture, ShiftedExponential, StudentT

LAWS: dict[str, Callable[..., Law]] = {
    "gaussian": Gaussian,
    "student-t": StudentT,
    "laplace": Laplace,
    "exponential": ShiftedExponential,
    "mixture": Mixture,
    "rademacher": Rademacher,
    "two-point": TwoPoint,
    "empirical": Empirical,
}
ANY = AnyLaw()


def law_named(text: str) -> Law:
    """A law by its name, with its parameters as symbols; ``mixture:3`` has three components."""
    name, _, number = text.partition(":")
    return LAWS[name](int(number)) if number else LAWS[name]()


CHECKED_IN = ("gaussian", "student-t")
"""Laws whose kernels are checked in; those of the others are generated when they are first asked for."""
