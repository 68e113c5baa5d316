"""Compagnoni et al. 2025, "Unbiased and Sign Compression in Distributed Learning" (arXiv 2502.17009, AISTATS 2025).

The SDEs of distributed SGD (DSGD), with unbiased compression (DCSGD) and with signs (DSignSGD), with N agents.
"""

from adasde.papers.compagnoni2025distributed import from_rules, statements

STATEMENTS = (*statements.STATEMENTS, *from_rules.STATEMENTS)

__all__ = ["STATEMENTS"]
