"""Rung 1: derived against published."""

from __future__ import annotations

from adasde.papers import claims_for
from adasde.papers.claim import compare
from adasde.verify.check import Check
from adasde.verify.setting import Setting


def published_forms(setting: Setting) -> list[Check]:
    """published - derived, symbolically: zero, or the difference on record. For a published model, it must be zero."""
    checks = []
    for claim in claims_for(setting.rule.name):
        found, as_recorded = compare(claim, setting.rule, setting.sde.law)
        statement = f"{claim.title} against the derivation"
        if found.zero:
            checks.append(Check(1, statement, "holds" if as_recorded else "fails", "published - derived = 0"))
        elif not as_recorded:
            checks.append(Check(1, statement, "fails", f"differs otherwise than on record: {found}"))
        elif claim.paper == setting.sde.model:
            checks.append(Check(1, statement, "fails", claim.remark))
        else:
            checks.append(Check(1, statement, "recorded", claim.remark))
    return checks
