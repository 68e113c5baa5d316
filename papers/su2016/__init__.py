"""Su, Boyd and Candes 2016, "A Differential Equation for Modeling Nesterov's Accelerated Gradient Method"
(arXiv 1503.01243, JMLR 17).

The limit of Nesterov's method with the momentum (k - 1)/(k + 2) on the clock t = k sqrt(s), and its energy.
"""

from adasde.papers.su2016.statements import STATEMENTS

__all__ = ["STATEMENTS"]
