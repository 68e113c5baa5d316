"""Chen, Liu, Liang and Liu 2024, "Lion Secretly Solves Constrained Optimization, As Lyapunov Predicts"
(arXiv 2310.05898, ICLR 2024).

The ODE of Lion-K with its Lyapunov function; and the SDE of Lion under Gaussian noise, which is in no paper that was
found.
"""

from adasde.papers.chen2024.statements import STATEMENTS

__all__ = ["STATEMENTS"]
