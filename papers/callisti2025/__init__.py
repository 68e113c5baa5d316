"""Callisti, Romito, Triggiano 2025, "Effective continuous equations for adaptive SGD: a stochastic analysis view"
(arXiv 2509.21614).

The body of the paper was not read: every statement is about the authors' public code, for Gaussian noise in one
coordinate. Its chains take the position's step with the second moment from before the step.
"""

from adasde.papers.callisti2025.adam import STATEMENTS as ADAM
from adasde.papers.callisti2025.polynomial import STATEMENTS as POLYNOMIAL
from adasde.papers.callisti2025.rmsprop import STATEMENTS as RMSPROP

STATEMENTS = (*RMSPROP, *ADAM, *POLYNOMIAL)

__all__ = ["STATEMENTS"]
