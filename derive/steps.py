"""What a derivation says about itself: its numbered steps, what it assumes, and what it drops."""

from __future__ import annotations

import sympy as sp

from adasde.derive.covariance import StepNoise, noise_power
from adasde.derive.expectation import expectation, unsmoothed_kinks
from adasde.derive.functions import Expectation
from adasde.derive.law import Law, NotDerivable
from adasde.derive.model import SDE, Step
from adasde.derive.notation import G, Hb, Z, eta, g, k, s, sb, t
from adasde.derive.rule import UpdateRule
from adasde.derive.scaling_limit import Increment


def moments_needed(one_step: Increment, noise: StepNoise) -> int:
    """The order of the noise moment that must exist: twice the highest power of Z in a step."""
    return 2 * max(map(noise_power, noise.functions), default=0)


def assumptions(rule: UpdateRule, law: Law, one_step: Increment, noise: StepNoise, order: int) -> tuple[str, ...]:
    """What must hold for the model to be right."""
    notes = [f"g = G + s Z with {law.name} Z, independent between steps and coordinates (diagonal Sigma)"]
    highest = moments_needed(one_step, noise)
    if highest and law.exists(highest) != True:  # noqa: E712 - sympy relational
        notes.append(f"{law.exists(highest)}: the covariance of one step needs a moment of order {highest}")
    for h in rule.hyperparameters:
        if h.rate is not None:
            growth = (
                f"may grow like eta^-zeta, zeta < 1; eta {h.rate} is kept whole" if h.large else "fixed as eta -> 0"
            )
            notes.append(f"{h.symbol} = 1 - eta {h.rate}, {h.rate} {growth}")
    if any(f.has(sp.sign) for f in noise.functions):
        notes.append("s > 0 smooths the sign; expansions need eta |f''| well below s")
    for state, h in zip(rule.states, one_step.leading, strict=True):
        notes += [
            f"{kink} in {state} is smoothed by no noise of order one" for kink in unsmoothed_kinks(h.subs(eta, 0))
        ]
    if rule.nonnegative:
        notes.append(f"{', '.join(map(str, rule.nonnegative))} > 0; started after some real steps")
    if order == 2:
        notes.append("f has four derivatives; Hb = Hess f b and sb = grad s . b with b the leading position drift")
    return tuple(notes)


def dropped(rule: UpdateRule, law: Law, one_step: Increment, order: int) -> tuple[str, ...]:
    """The terms of the next order that the model leaves out."""
    if order == 2:
        return ("drift: O(eta^2)", "covariance of one step: O(eta^2)")
    notes = []
    for state, h1 in zip(rule.states, one_step.correction, strict=True):
        if sp.expand(h1) != 0:
            notes.append(f"drift of {state}: eta * ({_mean_or_reason(h1, law)})")
    for power, limit in one_step.schedules:
        notes.append(f"{power} = {limit} up to a relative error O(eta)")
    notes.append("drift: -(eta/2) (grad b) b, the order-two correction of the time step")
    return tuple(notes)


def _mean_or_reason(h1: sp.Expr, law: Law) -> str:
    try:
        return str(sp.factor_terms(expectation(h1, law)))
    except NotDerivable as reason:
        return f"not derivable: {reason}"


def derivation_steps(rule: UpdateRule, law: Law, one_step: Increment, noise: StepNoise, sde: SDE) -> tuple[Step, ...]:
    """The steps from the rule to the SDE, each with the reason for it."""
    steps = [*_setting(rule, law), *_expansion(rule, one_step, sde)]
    covariance = sp.Function("Cov")(*noise.functions)
    b = [sp.Symbol(f"b_{y}") for y in rule.states]
    if sde.weak_order == 1:
        steps.append(Step("Mean", "b = E h, exact over Z", tuple(zip(b, sde.drift, strict=True))))
    else:
        steps += _order_two(rule, law, one_step, sde)
    steps += [
        Step("Noise functions", "their covariance under the law", ((covariance, sp.Matrix(noise.gram)),)),
        Step("Covariance", "eta Cov h, in full", (("Cov", sde.covariance),)),
        Step(
            "Match",
            "generator L0 = D1: drift b, diffusion B with B B^T = eta Cov h"
            if sde.weak_order == 1
            else "generator L0 + eta (D2 - D1 D1/2): drift b, diffusion B with B B^T = eta Cov h",
            (("drift", sde.drift), ("diffusion", sde.diffusion)),
        ),
    ]
    return tuple(steps)


def _setting(rule: UpdateRule, law: Law) -> list[Step]:
    scaling = [(h.symbol, h.scaled) for h in rule.hyperparameters if h.rate is not None]
    nexts = [sp.Symbol(f"{state}_next") for state in rule.states]
    return [
        Step(
            "Rule", f"{rule.title}; dialect {rule.dialect}; step k, from 1", tuple(zip(nexts, rule.update, strict=True))
        ),
        Step("Noise", f"{law.name} law, s its scale", ((g, G + s * Z),)),
        Step("Scaling", "time before step k is t = eta (k - 1)", ((k, t / eta + 1), *scaling)),
    ]


def _expansion(rule: UpdateRule, one_step: Increment, sde: SDE) -> list[Step]:
    steps = []
    if one_step.schedules:
        reason = "limit of (t/eta + 1) log(1 - eta rho) as eta -> 0" if sde.weak_order == 1 else "exact at t + eta"
        steps.append(Step("Schedule", reason, one_step.schedules))
    if sde.named:
        reason = "recurring expressions"
        if any(value.has(Expectation) for _, value in sde.named):
            reason += "; E[...] has no closed form and is evaluated by Gauss quadrature"
        steps.append(Step("Names", reason, sde.named))
    h = [sp.Symbol(f"h_{state}") for state in rule.states]
    leading = tuple(zip(h, one_step.leading, strict=True))
    return [*steps, Step("One-step increment", "leading term of (next - state)/eta", leading)]


def _order_two(rule: UpdateRule, law: Law, one_step: Increment, sde: SDE) -> list[Step]:
    h1 = [sp.Symbol(f"h1_{state}") for state in rule.states]
    b0 = [sp.Symbol(f"b0_{state}") for state in rule.states]
    b = [sp.Symbol(f"b_{state}") for state in rule.states]
    means = [sp.factor_terms(sp.expand(expectation(h, law))) for h in one_step.leading]
    inputs = ((Hb, sp.Symbol("Hess f") * b0[0]), (sb, sp.Symbol("grad s") * b0[0]))
    h1_limit = [h.subs(eta, 0) for h in one_step.correction]
    return [
        Step("Next term", "h1 in Delta = eta (h0 + eta h1 + ...)", tuple(zip(h1, h1_limit, strict=True))),
        Step("Mean", "b0 = E h0, exact over Z", tuple(zip(b0, means, strict=True))),
        Step("Second derivatives", "the chain rule along the leading position drift", inputs),
        Step(
            "Order two",
            "b = b0 + eta (E h1 - (1/2) (grad b0) b0), time included",
            tuple(zip(b, sde.drift, strict=True)),
        ),
    ]
