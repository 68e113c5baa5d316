"""Compagnoni et al. 2023, "An SDE for Modeling SAM: Theory and Insights" (arXiv 2301.08203, ICML 2023).

The SDEs of USAM, DNSAM and SAM, which keep the perturbation radius rho = O(sqrt(eta)) to first order.
"""

from adasde.papers.compagnoni2023 import from_rules, statements

STATEMENTS = (*statements.STATEMENTS, *from_rules.STATEMENTS)

__all__ = ["STATEMENTS"]
