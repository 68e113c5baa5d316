"""Kovachki and Stuart 2021, "Continuous Time Analysis of Momentum Methods" (arXiv 1906.04285, JMLR 22); the modified
equation also in Ghosh et al. 2023 (arXiv 2302.00849, ICLR 2023).

Momentum with a fixed beta follows the gradient flow at the rate h/(1 - beta); the gradient is penalised at order h.
"""

from adasde.papers.kovachki2021.statements import STATEMENTS

__all__ = ["STATEMENTS"]
