"""Cattaneo, Klusowski and Shigida 2024, "On the Implicit Bias of Adam" (arXiv 2309.00079, ICML 2024).

The modified equations of full-batch RMSprop and Adam at fixed beta1, beta2, after the transient, with eps inside the
root.
"""

from adasde.papers.cattaneo2024.statements import STATEMENTS

__all__ = ["STATEMENTS"]
