"""Malladi, Lyu, Panigrahi, Arora 2022, "On the SDEs and Scaling Rules for Adaptive Gradient Algorithms"
(arXiv 2205.10287, NeurIPS 2022), on our clock t = eta k.

Theirs is the noise-dominated regime, sigma >> |grad f|: the squared gradient is absent from dV. All statements are
recalled and checked numerically, none quoted.
"""

from adasde.papers.malladi2022.claims import CITATION, CLAIMS

__all__ = ["CITATION", "CLAIMS"]
