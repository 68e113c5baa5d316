"""Defazio et al. 2024, "The Road Less Scheduled" (arXiv 2405.15682, NeurIPS 2024), and its continuous limit.

The paper prints an algorithm and no continuous limit, and none was found printed elsewhere: the limit, the decrease of
its energy and the threshold on quadratics are held against the rule `schedule_free_sgd` as consequences stated by us.
"""

from adasde.papers.defazio2024.statements import STATEMENTS

__all__ = ["STATEMENTS"]
