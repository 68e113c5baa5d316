"""Wang, Malladi, Wang, Lyu and Li 2024, "The Marginal Value of Momentum for Small Learning Rate SGD"
(arXiv 2307.15196, ICLR 2024).

At a fixed beta SGD with momentum is SGD at the learning rate eta/(1 - beta), in its SDE and in its stationary variance.
"""

from adasde.papers.wang2024.statements import STATEMENTS

__all__ = ["STATEMENTS"]
