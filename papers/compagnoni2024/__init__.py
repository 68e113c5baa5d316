"""Compagnoni et al. 2024, "SDEs for Minimax Optimization" (arXiv 2402.12508, AISTATS 2024).

The SDEs of SGDA, SEG and SHGD on two-player games f(x, y), z = (x, y), with the field F = (f_x, -f_y).
"""

from adasde.papers.compagnoni2024.statements import STATEMENTS

__all__ = ["STATEMENTS"]
