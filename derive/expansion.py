"""Generator matching: the one procedure behind every model.

One step of a rule moves the state by Delta = eta (h0 + eta h1 + ...). With E u(y + Delta) = u + eta D1 u + eta^2 D2 u
+ ..., the generator of the order-1 model is L0 = D1, whose first-order part is the drift b = E h0; the model keeps
the full covariance of one step, eta Cov h0, because the stationary law, itself O(eta), depends on it. The order-2
model has the generator L0 + eta (D2 - D1 D1 / 2): see `order_two`, and `generator` for scalings in which that is no
generator of a diffusion.
"""

from __future__ import annotations

import dataclasses
from functools import cache

import sympy as sp

from adasde.derive import notation
from adasde.derive.covariance import StepNoise, step_noise
from adasde.derive.expectation import expectation
from adasde.derive.fast_states import (
    Fast,
    assumed,
    averaged_increments,
    described,
    fast_states,
    fast_steps,
    left_out,
    long_run,
    remedy,
)
from adasde.derive.functions import Expectation, empirical_sign, laplace_sign, outer, student_t_sign, zeta
from adasde.derive.law import Law, MomentDoesNotExist, NotDerivable
from adasde.derive.model import SDE, Derivation
from adasde.derive.names import Named
from adasde.derive.noise import Gaussian, StudentT
from adasde.derive.notation import G, H, Hb, Ht, eta, s, sb
from adasde.derive.order_two import order_two_drift
from adasde.derive.rule import UpdateRule
from adasde.derive.scaling_limit import Increment, NoDrift, increment
from adasde.derive.steps import BATCHES, assumptions, derivation_steps, dropped, moments_needed

MODELS = {1: "sde", 2: "order2"}
"""The derived models by their weak order."""


@cache
def derive(rule: UpdateRule, law: Law | None = None, order: int = 1, average_out: tuple[str, ...] = ()) -> Derivation:
    """The SDE of ``rule`` under a noise law, of weak order 1 or 2 in the ballistic scaling, with every step kept.

    A state that is new in every step is averaged out; so are the buffers ``average_out`` (by default those that the
    rule names), whose decays then stay fixed as eta -> 0 instead of following 1 - eta rho. See `fast_states`.

    Raises `NotDerivable` where the law lacks a moment that the derivation needs, where an expectation does not exist
    or is not determined by the law, and for order two where nothing smooths a kink of the rule.
    """
    law = law or Gaussian()
    if order not in MODELS:
        raise NotDerivable(f"{rule.name}: order = {order} is outside {{1, 2}}: higher weak orders are not derived")
    if isinstance(law, StudentT) and law.nu.is_number:
        return _with_number(derive(rule, StudentT(), order, average_out), law)
    fast = fast_states(rule, average_out)
    if fast is not None:
        return _averaged_out(rule, law, order, fast)
    try:
        one_step = increment(rule, order)
    except NoDrift as reason:
        raise NoDrift(f"{reason}{remedy(rule)}") from reason
    noise = step_noise(one_step.leading, law)
    sde = _matched(rule, law, order, one_step, noise)
    return Derivation(rule, law, derivation_steps(rule, law, one_step, noise, sde), one_step.leading, sde)


def _averaged_out(rule: UpdateRule, law: Law, order: int, fast: Fast) -> Derivation:
    """The SDE of the states that stay, with the long-run covariance of one step."""
    if order != 1:
        raise NotDerivable(
            f"{rule.name}: {described(fast)}: averaged out, it leaves a model of order one; what it adds to the drift "
            "at the next order is not derived"
        )
    one_step = averaged_increments(fast, increment(fast.slow))
    try:
        noise = step_noise(one_step.leading, law, long_run if fast.memories else None)
        sde = _matched(fast.slow, law, order, one_step, noise)
    except NotDerivable as reason:
        raise NotDerivable(f"{rule.name}: {described(fast)}: it cannot be averaged out: {reason}") from reason
    notes = (*(note for note in sde.assumptions if note != BATCHES), *assumed(fast))
    sde = dataclasses.replace(sde, assumptions=notes, dropped=(*sde.dropped, *left_out(fast)))
    steps = derivation_steps(fast.slow, law, one_step, noise, sde)
    return Derivation(rule, law, fast_steps(rule, fast, steps), one_step.leading, sde)


def _matched(rule: UpdateRule, law: Law, order: int, one_step: Increment, noise: StepNoise) -> SDE:
    """The SDE with the mean and the noise of one step."""
    if not any(one_step.leading):
        raise NotDerivable(f"{rule.name}: the increments vanish to first order in eta at a fixed time t = eta (k - 1)")
    if not noise.functions:
        raise NotDerivable(f"{rule.name}: no noise enters the rule; there is no SDE, only an ODE")
    curved = any(h.has(H, Ht) for h in one_step.leading)
    mean = sp.Matrix([collect_mean(h, law) for h in one_step.leading])
    drift, along = (mean, None) if order == 1 else order_two_drift(rule, law, one_step, mean)
    named, (drift, diffusion, position) = _name_mean_sign(
        one_step.named, drift, noise.diffusion, sp.Matrix([along or 0])
    )
    return SDE(
        optimizer=rule.name,
        model=MODELS[order],
        law=law,
        states=rule.states,
        nonnegative=rule.nonnegative,
        drift=sp.ImmutableDenseMatrix(drift),
        diffusion=sp.ImmutableDenseMatrix(diffusion),
        named=named,
        inputs=(G, s, *(y for y in (H, Ht) if any(h.has(y) for h in one_step.leading)))
        if order == 1
        else (G, s, Hb, sb),
        weak_order=order,
        assumptions=assumptions(rule, law, one_step, noise, order),
        dropped=dropped(rule, law, one_step, order),
        provenance="derived",
        singular=bool((one_step.schedules and order == 1) or rule.nonnegative or one_step.singular),
        moments=moments_needed(one_step, noise),
        along=position[0] if order == 2 else None,
        degrees=None if curved else noise.degrees,
    )


def _with_number(general: Derivation, law: StudentT) -> Derivation:
    """A Student-t derivation with nu as a number; refused where the law lacks a moment that the derivation needs."""
    try:
        law.moment(general.sde.moments)
    except MomentDoesNotExist as reason:
        needed = f"the covariance of one step needs a noise moment of order {general.sde.moments}"
        raise MomentDoesNotExist(f"{general.rule.name}: {needed}; {reason}") from reason
    at = {notation.nu: law.nu}
    sde = dataclasses.replace(
        general.sde,
        law=law,
        drift=general.sde.drift.subs(at),
        diffusion=general.sde.diffusion.subs(at),
        named=tuple((name, value.subs(at)) for name, value in general.sde.named),
        assumptions=tuple(note for note in general.sde.assumptions if not note.startswith(f"{notation.nu} > ")),
        along=None if general.sde.along is None else general.sde.along.subs(at),
    )
    steps = tuple(
        dataclasses.replace(step, equations=tuple((left, right.subs(at)) for left, right in step.equations))
        for step in general.steps
    )
    return Derivation(general.rule, law, steps, tuple(h.subs(at) for h in general.increment), sde)


def collect_mean(h: sp.Expr, law: Law) -> sp.Expr:
    """E h with the common factors pulled out and products eta rho collected."""
    mean = sp.expand(expectation(h, law))
    return sp.factor_terms(sp.collect(mean, [eta * notation.rho1, notation.rho1, notation.rho2]))


def _name_mean_sign(named: Named, *matrices: sp.Matrix) -> tuple[Named, tuple[sp.Matrix, ...]]:
    """Mean signs and `Expectation` nodes get the name mu, or mu1, mu2, ..."""
    kinds = (sp.erf, student_t_sign, laplace_sign, empirical_sign, Expectation)
    found = {f for matrix in matrices for f in matrix.atoms(*kinds)}
    inner = {f for node in found if isinstance(node, Expectation) for f in node.args[0].atoms(*kinds)}
    means = sorted(found - {f for f in inner if f.free_symbols & {zeta, outer} or f.has(zeta)}, key=str)
    names = [sp.Symbol("mu" if len(means) == 1 else f"mu{i + 1}", real=True) for i in range(len(means))]
    replaced = tuple(matrix.subs(dict(zip(means, names, strict=True))) for matrix in matrices)
    return named + tuple(zip(names, means, strict=True)), replaced
