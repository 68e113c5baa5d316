"""Welling and Teh 2011, "Bayesian Learning via Stochastic Gradient Langevin Dynamics" (ICML 2011).

SGLD follows the overdamped Langevin diffusion, with the noise of its gradients on top.
"""

from adasde.papers.welling2011.statements import STATEMENTS

__all__ = ["STATEMENTS"]
