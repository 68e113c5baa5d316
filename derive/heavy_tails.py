"""What heavy-tailed noise does to a rule near f = lambda x^2/2: a linear step keeps its tail, a sign removes it.

A linear step has the stationary law of x = sum_j b A^j s Z_j. Under noise with P(|Z| > r) ~ c r^-nu one draw decides
where |x| is large, so that P(|x| > r)/P(s |Z| > r) -> sum_j |b A^j|^nu as r grows: x has moments below nu only, and for
nu <= 2 the mean of f does not exist. A sign has all moments, and its drift needs the density of Z at 0 alone.
"""

from __future__ import annotations

import sympy as sp

from adasde.derive.law import NotDerivable
from adasde.derive.noise import Gaussian, StudentT
from adasde.derive.notation import eta, s
from adasde.derive.phases import Phases
from adasde.derive.rule import UpdateRule
from adasde.derive.stationary import lamda, linear_step


def tail_factor(rule: UpdateRule, law: StudentT) -> sp.Expr:
    """lim P(|x| > r)/P(s |Z| > r) as r grows, for a rule without further states and 0 < A < 1: b^nu/(1 - A^nu)."""
    # Without a second moment the coefficients are those under any law, which may have no mean itself.
    own, through = linear_step(rule, Gaussian())
    if own.shape != (1, 1):
        raise NotDerivable(f"{rule.name}: the tail is that of a rule whose only state is the position")
    step = -through[0]
    if not step.is_positive:
        raise NotDerivable(f"{rule.name}: its step, {through[0]} g, does not go down the gradient")
    kept = own[0] + through[0] * lamda
    return step**law.nu / (1 - kept**law.nu)


def mean_loss_exists(law: StudentT) -> bool:
    """Whether a linear step leaves E x^2 finite: whether E Z^2 is."""
    return bool(law.exists(2) == True)  # noqa: E712 - sympy relational


def sign_variance(found: Phases) -> sp.Expr:
    """The stationary variance of the optimizer with the mean sign ``found``, to leading order: eta s/(2 lambda mu'(0)),
    finite for every law with a density at 0."""

    return eta * s / (2 * lamda * found.slope)
