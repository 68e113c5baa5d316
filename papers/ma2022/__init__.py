"""Ma, Wu and E 2022, "A Qualitative Study of the Dynamic Behavior for Adaptive Gradient Algorithms" (arXiv 2009.06125).

The continuous limits of full-batch Adam: with beta1, beta2 fixed, and with 1 - beta1, 1 - beta2 of the order of eta.
"""

from adasde.papers.ma2022.statements import STATEMENTS

__all__ = ["STATEMENTS"]
