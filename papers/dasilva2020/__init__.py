"""da Silva and Gazeau 2020, "A General System of Differential Equations to Model First-Order Adaptive Algorithms"
(arXiv 1810.13108, JMLR 21).

x' = -m/(sqrt v + eps), m' = h(t) grad f - r(t) m, v' = p(t) (grad f)^2 - q(t) v, with h, r, p, q for each method.
"""

from adasde.papers.dasilva2020.statements import STATEMENTS

__all__ = ["STATEMENTS"]
