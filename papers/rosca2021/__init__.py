"""Rosca et al. 2021, "Discretization Drift in Two-Player Games" (arXiv 2105.13922, ICML 2021).

The modified flows of two players that descend their own losses, in turns or at the same time: the order-2 model of
`sgd` on a game, without noise.
"""

from adasde.papers.rosca2021.statements import STATEMENTS

__all__ = ["STATEMENTS"]
