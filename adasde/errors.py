"""Errors that name the parameter, its value, its domain and the remedy."""

from __future__ import annotations

import difflib
from collections.abc import Iterable


class InvalidParameter(ValueError):
    """A parameter outside its domain; nothing was computed.

    >>> str(InvalidParameter("adamw: beta2", 1.2, "[0, 1)", "choose a decay below one"))
    'adamw: beta2 = 1.2 is outside [0, 1): choose a decay below one'
    """

    def __init__(self, parameter: str, value: object, domain: str, remedy: str = ""):
        self.parameter, self.value, self.domain, self.remedy = parameter, value, domain, remedy
        message = f"{parameter} = {value} is outside {domain}"
        super().__init__(f"{message}: {remedy}" if remedy else message)

    def __reduce__(self) -> tuple[object, ...]:
        return type(self), (self.parameter, self.value, self.domain, self.remedy)


class UnknownName(InvalidParameter):
    """A name that is not registered; the message gives all choices, and the nearest or a better remedy."""

    def __init__(self, kind: str, name: str, choices: Iterable[str], better: str = ""):
        known = sorted(choices)
        near = difflib.get_close_matches(str(name).lower(), known, n=1, cutoff=0.5)
        otherwise = "choose one of these" if known else "leave it out, there is none"
        remedy = f"did you mean {near[0]!r}?" if near else otherwise
        super().__init__(kind, repr(name), "{" + ", ".join(known) + "}", better or remedy)
        self.kind, self.name, self.choices, self.better = kind, name, known, better

    def __reduce__(self) -> tuple[object, ...]:
        return type(self), (self.kind, self.name, self.choices, self.better)


class NoModel(InvalidParameter):
    """The model does not exist for this optimizer and noise law; the remedy says why."""


class MissingData(RuntimeError):
    """Data or an optional package that the run needs is absent (exit code 3)."""
