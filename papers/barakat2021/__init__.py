"""Barakat and Bianchi 2021, "Convergence and Dynamical Behavior of the ADAM Algorithm for Nonconvex Stochastic
Optimization" (arXiv 1810.02263, SIAM J. Optim. 31).

The ODE of Adam with stochastic gradients: the second moment follows S(x) = E g^2 and not the squared mean.
"""

from adasde.papers.barakat2021.statements import STATEMENTS

__all__ = ["STATEMENTS"]
