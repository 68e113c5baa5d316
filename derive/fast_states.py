"""States that relax while the others hardly move, averaged out with the long-run covariance.

A step of the slow states y is eta h_k + O(eta^2), where h_k = h(y, p_k, Z_k) also depends on a fast state p. At fixed y
the h_k are a stationary sequence, and over many steps y has the drift E h and the diffusion

    eta sum_j Cov(h_k, h_(k+j)),  j = ..., -1, 0, 1, ...          (the long-run covariance, not Cov h_k alone)

E over the law of p at fixed y. What is averaged out here:

memory   p_next = phi(y, g): p is phi of the gradient of the step before, G + s Z1, its noise Z1 independent of Z. The
         sequence is 1-dependent: the sum is Cov h_k + Cov(h_k, h_(k+1)) + its transpose. Such a state has no other
         scaling, so it is always averaged out
buffer   p_next = A p + c + b g with a fixed A whose eigenvalues are below one, and h linear in p: a filter of
         gradients, for which the long-run covariance sees the gain at frequency zero. So p is written as
         (1 - A)^-1 (c + b g), the sum of what one gradient adds to all later steps. Only on demand: with
         1 - beta = eta rho a buffer is a slow state

Both hold as eta -> 0 at fixed y, so for learning rates at which y hardly moves within the memory of p.
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass

import sympy as sp

from adasde.derive.branches import late
from adasde.derive.expectation import KINKS, expectation, mean_of_one, noise_terms_of_one
from adasde.derive.law import Law, NotDerivable
from adasde.derive.model import Equation, Step
from adasde.derive.notation import G, Z, eta, g, k, s, sign_of
from adasde.derive.operations import batch_noise, gradient, variables
from adasde.derive.rule import Hyperparameter, UpdateRule
from adasde.derive.scaling_limit import Increment, increment
from adasde.derive.stability import departure

BEFORE = batch_noise(1)
"""The noise of the step before."""


@dataclass(frozen=True)
class Fast:
    """What is averaged out of a rule.

    slow      the rule of the states that stay: a memory is written as a gradient of another minibatch, the one before,
              and a buffer is a number
    memories  ((state, its value as a function of the gradient g of the step before), ...)
    buffers   ((state, the sum of what one gradient g adds to it in all steps), ...)
    fixed     decays that stay as they are when eta falls
    """

    slow: UpdateRule
    memories: tuple[Equation, ...] = ()
    buffers: tuple[Equation, ...] = ()
    fixed: tuple[sp.Symbol, ...] = ()

    @property
    def names(self) -> str:
        return ", ".join(str(state) for state, _ in (*self.memories, *self.buffers))


def fast_states(rule: UpdateRule, averaged: tuple[str, ...] = ()) -> Fast | None:
    """The memories of ``rule``, or the buffers named in ``averaged``, by default those that the rule names; None where
    there is nothing to average out.

    Raises `NotDerivable` for buffers that are no linear filters of the gradient with a fixed memory.
    """
    memories, averaged = one_step_memories(rule), averaged or rule.average_out
    if not averaged:
        return _without_memories(rule, memories) if memories else None
    if memories:
        memory = memories[0][0]
        raise NotDerivable(
            f"{rule.name}: {averaged[0]} cannot be averaged out beside {memory}, the memory of the step before: the "
            "long-run covariance is derived for either alone, and a memory is averaged out always; take the rule "
            f"without average-out, where only {memory} is, or --model algorithm"
        )
    return _without_buffers(rule, averaged)


def fixed_decays(rule: UpdateRule) -> tuple[sp.Symbol, ...]:
    """The decays that stay as they are as eta -> 0, where others follow 1 - eta rho."""
    fast = fast_states(rule)
    return fast.fixed if fast else ()


def one_step_memories(rule: UpdateRule) -> tuple[Equation, ...]:
    """((state, update), ...) for the states that are a function of the gradient g, and of states that stay, alone."""
    if rule.composite:
        return ()
    updates = dict(zip(rule.states, (u.args[-1][0] if _early(u) else u for u in rule.update), strict=True))
    found = {y: u for y, u in updates.items() if u.subs(eta, 0).has(g) and not u.has(y)}
    decays = {h.symbol for h in rule.hyperparameters if h.rate is not None}
    allowed = {y: u for y, u in found.items() if not u.has(k, eta, *decays, *found)}
    return tuple((y, u) for y, u in allowed.items() if y != rule.states[0])


def _early(update: sp.Expr) -> bool:
    return isinstance(update, sp.Piecewise) and not update.has(sp.Mod)


def _without_memories(rule: UpdateRule, memories: tuple[Equation, ...]) -> Fast:
    elsewhere = {y: phi.subs(g, gradient(rule.states[0], batch=1)) for y, phi in memories}
    return Fast(_slow(rule, elsewhere, rule.hyperparameters), memories=memories)


def _without_buffers(rule: UpdateRule, averaged: tuple[str, ...]) -> Fast:
    known = {str(y): y for y in rule.states[1:]}
    unknown = [name for name in averaged if name not in known]
    if unknown:
        raise NotDerivable(f"{rule.name}: {unknown[0]} cannot be averaged out: choose from {{{', '.join(known)}}}")
    states = tuple(known[name] for name in dict.fromkeys(averaged))
    updates = [late(update, rule.name) for y, update in zip(rule.states, rule.update, strict=True) if y in states]
    fixed = tuple(h.symbol for h in rule.hyperparameters if h.rate is not None and sp.Tuple(*updates).has(h.symbol))
    sums = _sums(rule, states, updates)
    frozen = tuple(Hyperparameter(str(y), y, f"{y}, a number", "(-inf, inf)", 0.0, str(y)) for y in states)
    scaled = tuple(dataclasses.replace(h, rate=None) if h.symbol in fixed else h for h in rule.hyperparameters)
    values = dict(zip(states, states, strict=True)) | {beta**k: sp.S.Zero for beta in fixed}
    slow = _slow(rule, values, (*scaled, *frozen))
    return Fast(slow, buffers=tuple(zip(states, sums, strict=True)), fixed=fixed)


def _slow(rule: UpdateRule, values: dict[sp.Expr, sp.Expr], known: tuple[Hyperparameter, ...]) -> UpdateRule:
    """The rule without the states among ``values``, which stand for what its updates write."""
    kept = [(y, update.subs(values)) for y, update in zip(rule.states, rule.update, strict=True) if y not in values]
    return dataclasses.replace(
        rule,
        states=tuple(y for y, _ in kept),
        update=tuple(update for _, update in kept),
        hyperparameters=known,
        nonnegative=tuple(y for y in rule.nonnegative if y not in values),
        initial=tuple(pair for pair in rule.initial if pair[0] not in values),
    )


def _sums(rule: UpdateRule, states: tuple[sp.Symbol, ...], updates: list[sp.Expr]) -> list[sp.Expr]:
    """(1 - A)^-1 (c + b g) of buffers p_next = A p + c + b g. Refuses by name what is no such filter."""
    columns = sp.Matrix(updates)
    filter_, slopes = columns.jacobian(states), columns.diff(g)
    constants = {*states, g, k, eta, *rule.states}
    if filter_.free_symbols & constants or slopes.free_symbols & constants:
        raise NotDerivable(
            f"{rule.name}: {', '.join(map(str, states))} cannot be averaged out: its update {updates[0]} is not linear "
            "in itself and in g with fixed coefficients"
        )
    for value in _eigenvalues(rule, filter_):
        if sign_of(1 - value) <= 0 or sign_of(1 + value) <= 0:
            raise NotDerivable(f"{rule.name}: {states} cannot be averaged out: |{value}| < 1 is not known")
    return [
        _positive(sp.factor(e)) for e in (sp.eye(len(states)) - filter_).inv() * columns.subs(dict.fromkeys(states, 0))
    ]


def _eigenvalues(rule: UpdateRule, matrix: sp.Matrix) -> list[sp.Expr]:
    """The diagonal, of a matrix that is triangular for some order of the states."""
    for level in (matrix, matrix.T):
        if level.is_upper:
            return list(matrix.diagonal())
    raise NotDerivable(f"{rule.name}: buffers that feed each other in a circle are not averaged out: {matrix.tolist()}")


def averaged_increments(fast: Fast, one_step: Increment) -> Increment:
    """The increments of the slow rule with the buffers as the sums that they are; memories are gradients already, and
    what they enter by is written as a departure from its value without noise."""
    if not fast.buffers:
        return dataclasses.replace(one_step, leading=tuple(map(_departures, one_step.leading)))
    states = [y for y, _ in fast.buffers]
    for h in one_step.leading:
        slopes = [sp.diff(sp.expand(h), y) for y in states]
        for y, slope in zip(states, slopes, strict=True):
            if slope.has(Z, *states) or variables(slope):
                raise NotDerivable(
                    f"{fast.slow.name}: {y} cannot be averaged out: a step is not linear in it, {h}, and the long-run "
                    "covariance of what is not linear has no closed form"
                )
    if any(value.has(*states) for _, value in one_step.named):
        raise NotDerivable(f"{fast.slow.name}: {fast.names} cannot be averaged out: a step is not linear in it")
    sums = {y: value.subs(g, G + s * Z) for y, value in fast.buffers}
    leading = tuple(_positive(sp.factor(h.subs(sums))) if h.has(*states) else h for h in one_step.leading)
    return dataclasses.replace(one_step, leading=leading, correction=(sp.S.Zero,) * len(leading))


def _departures(h: sp.Expr) -> sp.Expr:
    """h with its functions u of the noise, polynomials and kinks apart, as u0 + (u - u0), u0 being u without noise."""
    noises = {Z, *variables(h)}
    if not h.free_symbols & noises or isinstance(h, KINKS) or h.is_Atom:
        return h
    if h.is_Add or h.is_Mul or (h.is_Pow and h.exp.is_Integer and h.exp > 0):
        return h.func(*map(_departures, h.args))
    start = h.subs(dict.fromkeys(noises, 0))
    return start + departure(h, start)


def _positive(ratio: sp.Expr) -> sp.Expr:
    """With a positive denominator where its sign is known."""
    above, below = sp.fraction(ratio)
    factors = [-f if sign_of(f) < 0 else f for f in sp.Mul.make_args(below)]
    flips = sum(sign_of(f) < 0 for f in sp.Mul.make_args(below))
    return (-1) ** flips * above / sp.Mul(*factors)


def long_run(functions: tuple[sp.Expr, ...], gram: sp.Matrix, law: Law) -> sp.Matrix:
    """C + D + D^T for functions f(Z1, Z) of the noise of the step before and of this one: C = Cov f, which is ``gram``,
    and D_ij = Cov(f_i(Z1, Z2), f_j(Z2, Z3)) = Cov(f_i, E[f_j | the first of its two noises])."""
    given = [_given_the_step_before(f, law).xreplace({BEFORE: Z}) for f in functions]
    means = [expectation(f, law) for f in functions]
    n = len(functions)
    later = sp.Matrix(
        n, n, lambda i, j: expectation(functions[i] * given[j], law) - means[i] * means[j] if given[j].has(Z) else 0
    )
    return (gram + later + later.T).applyfunc(sp.factor_terms)


def _given_the_step_before(function: sp.Expr, law: Law) -> sp.Expr:
    """E[f | Z1]."""
    return sp.Add(*(c * mean_of_one(f, law) for f, c in noise_terms_of_one(function).items()))


def remedy(rule: UpdateRule) -> str:
    """Which buffer could be averaged out of a rule that has no SDE with it, as the end of a refusal; else nothing."""
    for state in rule.states[1:]:
        try:
            fast = _without_buffers(rule, (str(state),))
            averaged_increments(fast, increment(fast.slow))
        except NotDerivable:
            continue
        decays = " and ".join(f"{beta} fixed" for beta in fast.fixed) or "its coefficients fixed"
        return f"; with {decays} as eta -> 0, `--average-out {state}` (average_out in Python) gives an SDE without it"
    return ""


def described(fast: Fast) -> str:
    """Which states are fast and why, for a refusal."""
    if fast.memories:
        state, phi = fast.memories[0]
        return f"the state {state} is new in every step, {phi}"
    return f"{fast.names} relaxes at a fixed position"


def assumed(fast: Fast) -> tuple[str, ...]:
    """What averaging assumes."""
    notes = [
        f"{y} was averaged out with the long-run covariance: it relaxes in one step, being {phi} of the step before"
        for y, phi in fast.memories
    ]
    notes += [
        f"{y} was averaged out with the long-run covariance: at a fixed position it forgets, and one gradient g adds "
        f"{value} to it over all steps"
        for y, value in fast.buffers
    ]
    notes += [f"{beta} stays as it is when eta falls" for beta in fast.fixed]
    return tuple(notes)


def left_out(fast: Fast) -> tuple[str, ...]:
    """What averaging leaves out."""
    return (f"drift: O(eta), what the other states move by within the memory of {fast.names}",)


def fast_steps(rule: UpdateRule, fast: Fast, steps: tuple[Step, ...]) -> tuple[Step, ...]:
    """The steps of the slow rule's derivation as those of ``rule``, with one that says what was averaged out."""
    written = tuple((sp.Symbol(f"{y}_next"), update) for y, update in zip(rule.states, rule.update, strict=True))
    found = []
    for step in steps:
        if step.title == "Rule":
            step = dataclasses.replace(step, equations=written)
        elif fast.memories and step.title in LONG_RUN:
            step = dataclasses.replace(step, reason=LONG_RUN[step.title])
        found.append(step)
        if step.title == "Scaling":
            found.append(_averaging(fast))
    return tuple(found)


LONG_RUN = {
    "Noise covariances": "over the long run: Cov(u, w) + Cov(u, w of the next step) + Cov(w, u of the next step)",
    "Covariance": "a = eta (Cov h + Cov(h_k, h_k+1) + its transpose): h is linear in these functions",
}
"""The reasons of steps that the long-run covariance changes."""


def _averaging(fast: Fast) -> Step:
    if fast.memories:
        reason = (
            "new in every step, it has no drift and covariance to match: averaged out with the long-run covariance, as "
            "a function of the gradient of the step before, whose noise Z1 is independent of Z"
        )
        return Step("Fast states", reason, tuple((y, phi.subs(g, G + s * BEFORE)) for y, phi in fast.memories))
    reason = (
        "filters of gradients with a fixed memory: averaged out with the long-run covariance, in which a gradient "
        "counts with the sum of what it adds to them over all steps"
    )
    return Step("Fast states", reason, fast.buffers)
