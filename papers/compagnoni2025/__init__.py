"""Compagnoni et al. 2025, "Adaptive Methods through the Lens of SDEs" (arXiv 2411.15958, ICLR 2025).

The SDE statements, restated in our own symbols. Rows tagged "reconstructed" were not read in print.
"""

from adasde.papers.compagnoni2025.bounds import STATEMENTS as BOUNDS
from adasde.papers.compagnoni2025.claims import CITATION, CLAIMS
from adasde.papers.compagnoni2025.experiments import EXPERIMENTS, PICTURES
from adasde.papers.compagnoni2025.phases import STATEMENTS as PHASES
from adasde.papers.compagnoni2025.signsgd import STATEMENTS as SIGNSGD
from adasde.papers.compagnoni2025.stationary import STATEMENTS as STATIONARY

STATEMENTS = (*SIGNSGD, *PHASES, *STATIONARY, *BOUNDS)

__all__ = ["CITATION", "CLAIMS", "EXPERIMENTS", "PICTURES", "STATEMENTS"]
