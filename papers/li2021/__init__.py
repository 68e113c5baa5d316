"""Li, Malladi, Arora 2021, "On the Validity of Modeling SGD with Stochastic Differential Equations" (arXiv 2102.12470).

SVAG, x' = x - (eta/l) (r1 g1 + r2 g2) with r = (1 +- sqrt(2 l - 1))/2, is in the authors' public code.
"""

from adasde.papers.li2021.svag import STATEMENTS

__all__ = ["STATEMENTS"]
