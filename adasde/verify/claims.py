"""Rung 1: derived against published."""

from __future__ import annotations

from adasde.derive.laws import CHECKED_IN
from adasde.derive.noise import Gaussian
from adasde.papers import claims_for
from adasde.papers.claim import compare
from adasde.verify.check import Check
from adasde.verify.setting import Setting


def published_forms(setting: Setting) -> list[Check]:
    """published - derived, symbolically: zero, or the difference on record. For a published model, it must be zero.

    What a paper prints is a model under the laws of `CHECKED_IN` only; a run under another law compares under Gaussian
    noise, and says so.
    """
    stated = setting.sde.law.name in CHECKED_IN
    law = setting.sde.law if stated else Gaussian()
    checks = []
    for claim in claims_for(setting.rule.name):
        found, as_recorded = compare(claim, setting.rule, law)
        statement = f"{claim.title} against the derivation"
        if not stated:
            statement += f", under gaussian noise: nothing is printed for {setting.sde.law.name} noise"
        if found.zero:
            checks.append(Check(1, statement, "holds" if as_recorded else "fails", "published - derived = 0"))
        elif not as_recorded:
            checks.append(Check(1, statement, "fails", f"differs otherwise than on record: {found}"))
        elif claim.paper == setting.sde.model:
            checks.append(Check(1, statement, "fails", claim.remark))
        else:
            checks.append(Check(1, statement, "recorded", claim.remark))
    return checks
