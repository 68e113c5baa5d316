"""Smith et al. 2021, "On the Origin of Implicit Regularization in Stochastic Gradient Descent" (arXiv 2101.12176).

The flow that the mean of SGD with random shuffling follows over an epoch, mean over the orders of its minibatches.
"""

from adasde.papers.smith2021.statements import STATEMENTS

__all__ = ["STATEMENTS"]
