"""What a derivation says about itself: its numbered steps, what it assumes, and what it drops."""

from __future__ import annotations

import sympy as sp

from adasde.derive.covariance import StepNoise, coefficient_matrix, noise_power
from adasde.derive.expectation import expectation, mean, unsmoothed_kinks
from adasde.derive.functions import Expectation, empirical_sign, student_t_sign
from adasde.derive.law import Law, NotDerivable
from adasde.derive.model import SDE, Equation, Step
from adasde.derive.names import Named
from adasde.derive.notation import G, H, Hb, Ht, Z, eta, g, k, s, sb, t
from adasde.derive.operations import Batch, Own, variables, workers
from adasde.derive.rule import UpdateRule
from adasde.derive.scaling_limit import Increment


def moments_needed(one_step: Increment, noise: StepNoise) -> int:
    """The order of the noise moment that must exist: twice the highest power of Z in a step."""
    return 2 * max(map(noise_power, noise.functions), default=0)


def assumptions(rule: UpdateRule, law: Law, one_step: Increment, noise: StepNoise, order: int) -> tuple[str, ...]:
    """What must hold for the model to be right."""
    notes = [f"g = G + s Z with {law.name} Z, {DIAGONAL}", *_further_noise(noise)]
    if any(h.has(H, Ht) for h in one_step.leading):
        notes.append(
            "a gradient at x + d is G + s Z + H d: f quadratic over the distance d, s constant, d = O(sqrt(eta))"
        )
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
    if one_step.branched:
        notes.append("the branch of the first steps is left out: the model takes over after them")
    if rule.nonnegative:
        notes.append(f"{', '.join(map(str, rule.nonnegative))} > 0; started after some real steps")
    if order == 2:
        notes.append("f has four derivatives; Hb = Hess f b and sb = grad s . b with b the leading position drift")
    return tuple(notes)


def _further_noise(noise: StepNoise) -> list[str]:
    """What is assumed of the noise besides Z."""
    found = variables(*noise.functions)
    notes = [f"{y}: {y.kind} draws of the rule's own, independent of Z" for y in found if isinstance(y, Own)]
    if any(isinstance(y, Batch) for y in found):
        notes.append(BATCHES)
    if any(isinstance(y, workers) for y in found):
        notes.append("workers independent of each other, with the same gradient and noise scale")
    return notes


def dropped(rule: UpdateRule, law: Law, one_step: Increment, order: int) -> tuple[str, ...]:
    """The terms of the next order that the model leaves out."""
    if order == 2:
        return ("drift: O(eta^2)", "covariance of one step: O(eta^2)")
    notes = []
    if any(h.has(H, Ht) for h in one_step.leading):
        notes.append("drift and covariance: third derivatives of f times the squared distance to the other point")
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


BATCHES = "minibatches independent of each other"
DIAGONAL = "independent between steps and coordinates (diagonal Sigma)"
LONG = 25
"""Operations above which an SDE refers to its drift, or to what stands under a root, by name."""
PROPER = {"gaussian": "Gaussian", "student-t": "Student-t", "laplace": "Laplace", "rademacher": "Rademacher"}
"""Laws that are named after people."""


def derivation_steps(rule: UpdateRule, law: Law, one_step: Increment, noise: StepNoise, sde: SDE) -> tuple[Step, ...]:
    """The steps from the rule to the SDE, each with the reason for it."""
    known = tuple(pair for pair in sde.named if pair in one_step.named)
    steps = [*_setting(rule, law), *_expansion(rule, one_step, sde, known)]
    means = tuple(pair for pair in sde.named if pair not in known)
    steps.append(_expectations(law, noise, means))
    if sde.weak_order == 1:
        steps.append(Step("Mean", "b = E h, by linearity from the expectations above", _vector("b", sde, sde.drift)))
    else:
        steps += _order_two(rule, law, one_step, sde, means)
    generator = "L0 = D1" if sde.weak_order == 1 else "L0 + eta (D2 - D1 D1/2)"
    steps += [
        Step("Noise covariances", "Cov(u, w) = E u w - E u E w for the functions of Z in h", _gram(noise, means)),
        Step(
            "Covariance",
            "a = eta Cov h, in full: h is linear in these functions",
            _covariance(one_step, noise, sde, means),
        ),
        Step(
            "Match",
            f"the generator {generator} is that of dY = b dt + B dW with B B^T = a, B from Gram-Schmidt on the noise",
            equations(sde),
        ),
    ]
    return tuple(steps)


def equations(sde: SDE) -> tuple[Equation, ...]:
    """dy = b_y dt + sum_j B_yj dW_j for every state y, with a long drift under its name b_y.

    Names Q1, Q2, ... for what is long under a root come first.
    """
    roots = {e.base for entry in sde.diffusion for e in entry.atoms(sp.Pow) if abs(e.exp) == sp.S.Half}
    long = sorted((base for base in roots if sp.count_ops(base) > LONG), key=sp.default_sort_key)
    names = {base: sp.Symbol(f"Q{n}", positive=True) for n, base in enumerate(long, 1)}
    found = [(name, base) for base, name in names.items()]
    for i, y in enumerate(sde.states):
        drift = sde.drift[i] if sp.count_ops(sde.drift[i]) <= LONG else sp.Symbol(f"b_{y}")
        motions = [entry.xreplace(names) * last(f"dW{j + 1}") for j, entry in enumerate(sde.diffusion.row(i))]
        found.append((sp.Symbol(f"d{y}"), sp.Tuple(drift * last("dt"), *motions)))
    return tuple(found)


def last(name: str) -> sp.Symbol:
    """A symbol that stands behind all others in a product, in the order of writing."""
    return sp.Symbol(name, commutative=False)


def covariances(sde: SDE) -> tuple[Equation, ...]:
    """a_xx, a_xm, ...: the entries of the covariance on and above the diagonal."""
    return _entries(sde.states, sde.covariance)


def _entries(states: tuple[sp.Symbol, ...], covariance: sp.Matrix) -> tuple[Equation, ...]:
    pairs = [(i, j) for i in range(len(states)) for j in range(i, len(states))]
    return tuple((sp.Symbol(f"a_{states[i]}{states[j]}"), covariance[i, j]) for i, j in pairs)


def _covariance(one_step: Increment, noise: StepNoise, sde: SDE, named: Named) -> tuple[Equation, ...]:
    """The same from the covariance of the noise functions, before it is factored and multiplied out again."""
    coefficients = coefficient_matrix(one_step.leading, noise.functions)
    gram = noise.gram.xreplace(_names(named))
    return _entries(sde.states, (eta * coefficients * gram * coefficients.T).applyfunc(sp.factor_terms))


def _setting(rule: UpdateRule, law: Law) -> list[Step]:
    scaling = [(h.symbol, h.scaled) for h in rule.hyperparameters if h.rate is not None]
    nexts = [sp.Symbol(f"{state}_next") for state in rule.states]
    updates = tuple(zip(nexts, rule.update, strict=True))
    return [
        Step("Rule", f"step k = 1, 2, ... with the stochastic gradient g, in the dialect of {rule.dialect}", updates),
        Step(
            "Noise",
            f"G is the gradient, Z follows the {PROPER.get(law.name, law.name)} law, s is its scale",
            ((g, G + s * Z),),
        ),
        Step("Scaling", "time before step k is t = eta (k - 1)", ((k, t / eta + 1), *scaling)),
    ]


def _expansion(rule: UpdateRule, one_step: Increment, sde: SDE, known: Named) -> list[Step]:
    steps = []
    if one_step.schedules:
        reason = "limit of (t/eta + 1) log(1 - eta rho) as eta -> 0" if sde.weak_order == 1 else "exact at t + eta"
        steps.append(Step("Schedule", reason, one_step.schedules))
    if known:
        steps.append(Step("Names", "expressions that recur", known))
    h = [sp.Symbol(f"h_{state}") for state in rule.states]
    leading = tuple(zip(h, one_step.leading, strict=True))
    return [
        *steps,
        Step("One-step increment", "Taylor in eta: y_next - y = eta h + O(eta^2) for each state y", leading),
    ]


def _expectations(law: Law, noise: StepNoise, named: Named) -> Step:
    """The mean of every function of Z that occurs, with the names that means have got."""
    names = _names(named)
    means = [(sp.Function("E")(f), mean(f, law)) for f in noise.functions]
    found = [(left, right.xreplace(names)) for left, right in means if not isinstance(right, Expectation)]
    reason = f"exact under the {PROPER.get(law.name, law.name)} law"
    if any(value.has(Expectation) for _, value in named):
        reason += "; E[...] has no closed form: kernels sum it over quadrature nodes, with the error that verify states"
    if any(value.has(student_t_sign) for _, value in named):
        reason += ", F_t its distribution function"
    if any(value.has(empirical_sign) for _, value in named):
        reason += ", a mean of signs being a sum over the data"
    values = tuple((name, value) for name, value in named if not value.has(empirical_sign))
    return Step("Expectations", reason, (*found, *values))


def _names(named: Named) -> dict[sp.Expr, sp.Expr]:
    return {value: name for name, value in named}


def _gram(noise: StepNoise, named: Named) -> tuple[Equation, ...]:
    n, gram = len(noise.functions), noise.gram.xreplace(_names(named))
    pairs = [(i, j) for i in range(n) for j in range(i, n)]
    cov = sp.Function("Cov")
    return tuple((cov(noise.functions[i], noise.functions[j]), gram[i, j]) for i, j in pairs)


def _vector(letter: str, sde: SDE, entries: sp.Matrix | list[sp.Expr]) -> tuple[Equation, ...]:
    return tuple((sp.Symbol(f"{letter}_{y}"), entry) for y, entry in zip(sde.states, entries, strict=True))


def _order_two(rule: UpdateRule, law: Law, one_step: Increment, sde: SDE, named: Named) -> list[Step]:
    means = [sp.factor_terms(sp.expand(expectation(h, law))).xreplace(_names(named)) for h in one_step.leading]
    h1 = [h.subs(eta, 0) for h in one_step.correction]
    inputs = ((Hb, last("Hess f") * last("b0_x")), (sb, last("grad s") * last("b0_x")))
    return [
        Step("Next term", "h1 in y_next - y = eta (h + eta h1 + ...)", _vector("h1", sde, h1)),
        Step("Mean", "b0 = E h, by linearity from the expectations above", _vector("b0", sde, means)),
        Step("Second derivatives", "the chain rule for dG/dt and ds/dt along the leading position drift", inputs),
        Step(
            "Order two",
            "b = b0 + eta (E h1 - (1/2) (grad b0) b0), the gradient by time included",
            _vector("b", sde, sde.drift),
        ),
    ]
