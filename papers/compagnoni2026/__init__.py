"""Monzio Compagnoni et al. 2026, "Adaptive Methods Are Preferable in High Privacy Settings: An SDE Perspective"
(arXiv 2603.03226, ICLR 2026).

Of the paper the abstract was read: its statements on the powers of the privacy budget are held against SDEs of DP-SGD
and DP-SignSGD that are ours, for gradients of single examples z ~ N(grad f, s^2 I_d) that are always clipped.
"""

from adasde.papers.compagnoni2026.statements import STATEMENTS

__all__ = ["STATEMENTS"]
