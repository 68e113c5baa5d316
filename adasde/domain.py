"""Values held against their domains."""

from __future__ import annotations

import math
from typing import Any

from adasde.errors import InvalidParameter


def checked(parameter: str, value: Any, domain: str) -> float:
    """``value`` as a float if it lies in an interval such as ``[0, 1)``, or among whole numbers such as
    ``{1, 3, 5, ...}``; else `InvalidParameter`."""
    if domain.startswith("{"):
        first, second = (int(text) for text in domain[1:-1].split(", ")[:2])
        count = whole(parameter, value, domain, "choose one of these", first)
        if (count - first) % (second - first):
            raise InvalidParameter(parameter, value, domain, "choose one of these")
        return float(count)
    low, high = (float(end) for end in domain[1:-1].split(", "))
    try:
        number = float(value)
    except (TypeError, ValueError):
        raise InvalidParameter(parameter, value, domain, "give a number") from None
    above = number > low or (domain[0] == "[" and number == low)
    below = number < high or (domain[-1] == "]" and number == high)
    if not (above and below and math.isfinite(number)):
        raise InvalidParameter(parameter, value, domain, "choose a finite number inside")
    return number


def whole(parameter: str, value: Any, domain: str, remedy: str, low: int, end: float = math.inf) -> int:
    """``value`` as an int if it is a whole number in [low, end), else `InvalidParameter` with the given texts."""
    try:
        inside = not isinstance(value, bool | str) and int(value) == value and low <= value < end
    except (TypeError, ValueError, OverflowError):
        inside = False
    if not inside:
        raise InvalidParameter(parameter, value, domain, remedy)
    return int(value)


def counted(parameter: str, value: Any, remedy: str = "give a whole number of at least one") -> int:
    """``value`` as an int if it is a whole number of at least one, else `InvalidParameter`."""
    return whole(parameter, value, "{1, 2, 3, ...}", remedy, 1)


def spelled(value: float) -> str:
    """The shortest decimal that reads back as ``value``: 1, 0.5, 1e-08."""
    short = f"{value:g}"
    return short if float(short) == value else repr(float(value))
