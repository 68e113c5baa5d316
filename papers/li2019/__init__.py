"""Li, Tai, E 2017, "Stochastic Modified Equations and Adaptive Stochastic Gradient Algorithms" (arXiv 1511.06251, ICML
2017), and 2019, "Stochastic Modified Equations and Dynamics of Stochastic Gradient Algorithms I" (arXiv 1811.01558,
JMLR 20:40).

The formulas are recalled and checked, none quoted.
"""

from adasde.papers.li2019.control import STATEMENTS as CONTROL
from adasde.papers.li2019.momentum import STATEMENTS as MOMENTUM
from adasde.papers.li2019.quadratic import STATEMENTS as QUADRATIC
from adasde.papers.li2019.sgd import STATEMENTS as SGD

STATEMENTS = (*SGD, *MOMENTUM, *QUADRATIC, *CONTROL)

__all__ = ["STATEMENTS"]
