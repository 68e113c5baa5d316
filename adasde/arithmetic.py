"""What the draws of a run are, and how it rounds."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from adasde.errors import InvalidParameter, UnknownName

PRECISIONS = ("mix", "double")
INCREMENTS = ("gaussian", "rademacher")


@dataclass(frozen=True)
class Arithmetic:
    """How a run computes: what its draws are, and how it rounds.

    noise_precision  ``mix``: normals in float32, which end at |z| = 6.77, for a state in float64; ``double``: both in
                     float64, |z| up to 8.57, for studies of tails; the draws are other ones
    increments       Brownian increments of an SDE: ``gaussian``, or ``rademacher`` (+-1), as good for weak order one
    fast             products and sums of gradient, step and loss may contract to fused multiply-adds: the last digits
                     then depend on the CPU; the draws are the same
    """

    noise_precision: str = "mix"
    increments: str = "gaussian"
    fast: bool = False

    def __post_init__(self) -> None:
        for name, value, known in (
            ("noise_precision", self.noise_precision, PRECISIONS),
            ("increments", self.increments, INCREMENTS),
        ):
            if value not in known:
                raise UnknownName(name, value, known)
        if not isinstance(self.fast, bool):
            raise InvalidParameter("fast", repr(self.fast), "{true, false}", "say whether the last digits may differ")

    def compiled(self, function: Any) -> Any:
        """A compiled function in this arithmetic."""
        from adasde.kernels.contraction import contracted

        return contracted(function) if self.fast else function


DEFAULT_ARITHMETIC = Arithmetic()
