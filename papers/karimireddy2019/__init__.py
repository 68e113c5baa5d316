"""Karimireddy et al. 2019, "Error Feedback Fixes SignSGD and other Gradient Compression Schemes" (arXiv 1901.09847).

The iterate less what compression left out, x - e, moves as SGD does: exactly, whatever the compressor.
"""

from adasde.papers.karimireddy2019.statements import STATEMENTS

__all__ = ["STATEMENTS"]
