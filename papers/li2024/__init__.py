"""Li, Shen, Zhang and He 2024, "A Hessian-Aware Stochastic Differential Equation for Modelling SGD"
(arXiv 2405.18373).

HA-SME: drift (1/eta) log(1 - eta H) H^-1 grad f and a covariance that makes one step on a quadratic exact.
"""

from adasde.papers.li2024.statements import STATEMENTS

__all__ = ["STATEMENTS"]
