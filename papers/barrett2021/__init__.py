"""Barrett and Dherin 2021, "Implicit Gradient Regularization" (arXiv 2009.11162, ICLR 2021).

The modified equation of gradient descent, d theta/dt = -grad(E + (h/4) |grad E|^2): the order-2 model without noise.
"""

from adasde.papers.barrett2021.statements import STATEMENTS

__all__ = ["STATEMENTS"]
