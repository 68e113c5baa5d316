"""Busbridge et al. 2023, "How to Scale Your EMA" (arXiv 2307.13813, NeurIPS 2023).

The average of the parameters beside SGD as one more equation without noise of its own, and the rule rho -> rho^kappa
for a learning rate that is kappa times larger.
"""

from adasde.papers.busbridge2023.statements import STATEMENTS

__all__ = ["STATEMENTS"]
