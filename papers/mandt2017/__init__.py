"""Mandt, Hoffman and Blei 2017, "Stochastic Gradient Descent as Approximate Bayesian Inference" (arXiv 1704.04289,
JMLR 18).

Constant-rate SGD as an Ornstein-Uhlenbeck process: its stationary covariance, with momentum, and averaged iterates.
"""

from adasde.papers.mandt2017.statements import STATEMENTS

__all__ = ["STATEMENTS"]
