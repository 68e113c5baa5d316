"""The drift of weak order two in the ballistic scaling.

b = E h0 + eta (E h1 - (1/2) (grad b0) b0), where grad includes time and b0 is the limit of E h0 as eta -> 0. The chain
rule through the gradient needs Hb, the Hessian times the position drift; through the noise scale it needs sb, the
derivative of s along the position drift. The diffusion is that of order one, the full covariance of one step.
"""

from __future__ import annotations

import sympy as sp

from adasde.derive.expectation import expectation, unsmoothed_kinks
from adasde.derive.law import Law, NotDerivable
from adasde.derive.names import Named, derivative
from adasde.derive.notation import G, H, Hb, Ht, eta, s, sb, t
from adasde.derive.rule import UpdateRule
from adasde.derive.scaling_limit import Increment


def order_two_drift(rule: UpdateRule, law: Law, one_step: Increment, drift: sp.Matrix) -> tuple[sp.Matrix, sp.Expr]:
    """(drift, along): the corrected drift and the leading position drift that Hb and sb are taken along.

    ``drift`` is E h0. Raises `NotDerivable` where a kink of the rule is not smoothed by noise of order one.
    """
    require_smooth(rule, law, one_step)
    leading = drift.applyfunc(lambda b: b.subs(eta, 0))
    transported = transport(leading, rule, one_step.named)
    means = [expectation(h1.subs(eta, 0), law) for h1 in one_step.correction]
    corrections = [mean - b / 2 for mean, b in zip(means, transported, strict=True)]
    corrected = [b + eta * _tidy(c) for b, c in zip(drift, corrections, strict=True)]
    return sp.Matrix(corrected), leading[0]


def transport(drift: sp.Matrix, rule: UpdateRule, named: Named) -> list[sp.Expr]:
    """(grad b) b with time as a state: d_t b + sum_y (d_y b) b_y, the position through G and s."""
    velocities = {**dict(zip(rule.states, drift, strict=True)), G: Hb, s: sb, t: sp.S.One}
    return [
        sp.Add(*(velocity * derivative(b, symbol, named) for symbol, velocity in velocities.items())) for b in drift
    ]


def require_smooth(rule: UpdateRule, law: Law, one_step: Increment) -> None:
    """Refuses a kink that the noise does not smooth as eta -> 0, or that it smooths by a law without a density; and
    what takes derivatives of the loss that kernels are not given."""
    if any(h.has(H, Ht) for h in (*one_step.leading, *one_step.correction)):
        raise NotDerivable(
            f"{rule.name}: no model of weak order two: a gradient elsewhere is expanded to first order in the "
            "distance, and its next term takes third derivatives of f"
        )
    if any(e.base == eta and e.exp == -sp.S.Half for h in one_step.leading for e in h.atoms(sp.Pow)):
        raise NotDerivable(
            f"{rule.name}: no model of weak order two: noise of size sqrt(eta) makes the covariance of order one, and "
            "its correction takes third derivatives of f"
        )
    for state, h in zip(rule.states, one_step.leading, strict=True):
        limit = h.subs(eta, 0)
        kinks = unsmoothed_kinks(limit)
        if kinks:
            raise NotDerivable(
                f"{rule.name}: no model of weak order two: as eta -> 0 the increment of {state} contains {kinks[0]}, "
                "and no noise of order one smooths it"
            )
        if not law.smooth and limit.has(sp.sign, sp.Abs, sp.Min, sp.Max, sp.Heaviside):
            raise NotDerivable(
                f"{rule.name}: no model of weak order two: under {law.name} noise, which has no continuous density, "
                f"the mean increment of {state} is not smooth"
            )


def _tidy(correction: sp.Expr) -> sp.Expr:
    """Common factors out, and terms with the same exponential (a density) together: whichever is shorter."""
    expanded = sp.expand(correction)
    exponentials = sorted(expanded.atoms(sp.exp), key=str)
    collected = sp.collect(expanded, exponentials, sp.factor) if exponentials else expanded
    return min(sp.factor_terms(expanded), collected, key=sp.count_ops)
