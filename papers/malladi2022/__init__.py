"""Malladi, Lyu, Panigrahi, Arora 2022, "On the SDEs and Scaling Rules for Adaptive Gradient Algorithms"
(arXiv 2205.10287, NeurIPS 2022): on our clock t = eta k as claims, and on its own, t = eta^2 k, as statements.

Theirs is the noise-dominated regime, sigma >> |grad f|: the squared gradient is absent from dV. The SDEs are recalled
and checked numerically, none quoted; SVAG is in the authors' public code.
"""

from adasde.papers.malladi2022.claims import CITATION, CLAIMS
from adasde.papers.malladi2022.scaling import STATEMENTS

__all__ = ["CITATION", "CLAIMS", "STATEMENTS"]
