"""Generator matching: the one procedure behind every model.

One step of a rule moves the state by Delta = eta (h0 + eta h1 + ...). With E u(y + Delta) = u + eta D1 u + eta^2 D2 u
+ ..., the generator of the order-1 model is L0 = D1, whose first-order part is the drift b = E h0; the model keeps
the full covariance of one step, eta Cov h0, because the stationary law, itself O(eta), depends on it. The order-2
generator L0 + eta (D2 - D1 D1 / 2) starts from the same increments (`Increment.correction` holds h1).
"""

from __future__ import annotations

import dataclasses
from functools import cache

import sympy as sp

from adasde.derive import notation
from adasde.derive.expectation import expectation, noise_terms
from adasde.derive.functions import student_t_sign
from adasde.derive.model import SDE, Derivation, Named, Step
from adasde.derive.noise import Gaussian, Law, NotDerivable, StudentT
from adasde.derive.notation import G, Z, eta, g, k, s, t
from adasde.derive.rule import UpdateRule
from adasde.derive.scaling_limit import Increment, increment


@cache
def derive(rule: UpdateRule, law: Law | None = None, order: int = 1) -> Derivation:
    """The SDE of ``rule`` under a noise law, with every step kept.

    Raises `NotDerivable` where the law lacks a moment that the derivation needs, where an expectation has no exact
    form, and for orders other than 1.
    """
    law = law or Gaussian()
    if order != 1:
        raise NotDerivable(
            f"{rule.name}: order = {order} is outside {{1}}: models of higher weak order are not derived"
        )
    if isinstance(law, StudentT) and law.nu.is_number:
        return _with_number(derive(rule, StudentT(), order), law)
    one_step = increment(rule)
    functions = noise_functions(one_step.leading, law)
    if not functions:
        raise NotDerivable(f"{rule.name}: no noise enters the rule; there is no SDE, only an ODE")
    coefficients = sp.Matrix([[noise_terms(h).get(f, sp.S.Zero) for f in functions] for h in one_step.leading])
    gram = gram_matrix(functions, law)
    drift = sp.Matrix([collect_mean(h, law) for h in one_step.leading])
    diffusion = sp.sqrt(eta) * (coefficients * cholesky(gram)).applyfunc(sp.factor_terms)
    named, (drift, diffusion) = _name_mean_sign(one_step, drift, diffusion)
    sde = SDE(
        optimizer=rule.name,
        model="sde",
        law=law,
        states=rule.states,
        nonnegative=rule.nonnegative,
        drift=sp.ImmutableDenseMatrix(drift),
        diffusion=sp.ImmutableDenseMatrix(diffusion),
        named=named,
        inputs=(G, s),
        weak_order=1,
        assumptions=_assumptions(rule, law, one_step, functions),
        dropped=_dropped(rule, law, one_step),
        provenance="derived",
        singular=bool(one_step.schedules or rule.nonnegative),
        moments=_moments_needed(functions),
    )
    return Derivation(rule, law, _steps(rule, law, one_step, functions, gram, sde), one_step.leading, sde)


def _with_number(general: Derivation, law: StudentT) -> Derivation:
    """A Student-t derivation with nu as a number; refused where the law lacks a moment that the derivation needs."""
    law.moment(general.sde.moments)
    at = {notation.nu: law.nu}
    sde = dataclasses.replace(
        general.sde,
        law=law,
        drift=general.sde.drift.subs(at),
        diffusion=general.sde.diffusion.subs(at),
        named=tuple((name, value.subs(at)) for name, value in general.sde.named),
        assumptions=tuple(note for note in general.sde.assumptions if not note.startswith(f"{notation.nu} > ")),
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


def noise_functions(increments: tuple[sp.Expr, ...], law: Law) -> tuple[sp.Expr, ...]:
    """The functions of Z that occur, powers first: Z, Z^2, sign(G + s Z), ..."""
    functions = {f for h in increments for f in noise_terms(h) if f.has(Z)}
    return tuple(sorted(functions, key=lambda f: (f.has(sp.sign), _power(f), str(f))))


def shortest(expression: sp.Expr) -> sp.Expr:
    """The expanded or the factored form, whichever has fewer operations."""
    return min((sp.expand(expression), sp.factor(expression)), key=sp.count_ops)


def gram_matrix(functions: tuple[sp.Expr, ...], law: Law) -> sp.Matrix:
    """Covariances Cov(f_i(Z), f_j(Z)), exact."""

    def covariance(i: int, j: int) -> sp.Expr:
        a, b = functions[i], functions[j]
        return shortest(expectation(a * b, law) - expectation(a, law) * expectation(b, law))

    n = len(functions)
    return sp.Matrix(n, n, lambda i, j: covariance(min(i, j), max(i, j)))


def cholesky(gram: sp.Matrix) -> sp.Matrix:
    """Lower-triangular factor of a covariance; a function that is determined by earlier ones gets no column."""
    n = gram.rows
    factor = sp.zeros(n, n)
    for j in range(n):
        pivot = shortest(gram[j, j] - sum(factor[j, l] ** 2 for l in range(j)))
        if pivot == 0:
            continue
        factor[j, j] = sp.sqrt(pivot)
        for i in range(j + 1, n):
            rest = gram[i, j] - sum(factor[i, l] * factor[j, l] for l in range(j))
            factor[i, j] = shortest(rest) / factor[j, j]
    columns = [j for j in range(n) if any(factor[i, j] != 0 for i in range(n))]
    return factor[:, columns]


def _name_mean_sign(one_step: Increment, *matrices: sp.Matrix) -> tuple[Named, tuple[sp.Matrix, ...]]:
    means = sorted({f for matrix in matrices for f in matrix.atoms(sp.erf, student_t_sign)}, key=str)
    names = [sp.Symbol("mu" if len(means) == 1 else f"mu{i + 1}", real=True) for i in range(len(means))]
    replaced = tuple(matrix.subs(dict(zip(means, names, strict=True))) for matrix in matrices)
    return one_step.named + tuple(zip(names, means, strict=True)), replaced


def _power(noise: sp.Expr) -> int:
    return int(sp.degree(noise.replace(sp.sign, lambda _: sp.S.One), Z))


def _moments_needed(functions: tuple[sp.Expr, ...]) -> int:
    return 2 * max(map(_power, functions), default=0)


def _assumptions(rule: UpdateRule, law: Law, one_step: Increment, functions: tuple[sp.Expr, ...]) -> tuple[str, ...]:
    notes = [f"g = G + s Z with {law.name} Z, independent between steps and coordinates (diagonal Sigma)"]
    order = _moments_needed(functions)
    if order and law.exists(order) != True:  # noqa: E712 - sympy relational
        notes.append(f"{law.exists(order)}: the covariance of one step needs a moment of order {order}")
    for h in rule.hyperparameters:
        if h.rate is not None:
            growth = (
                f"may grow like eta^-zeta, zeta < 1; eta {h.rate} is kept whole" if h.large else "fixed as eta -> 0"
            )
            notes.append(f"{h.symbol} = 1 - eta {h.rate}, {h.rate} {growth}")
    if any(f.has(sp.sign) for f in functions):
        notes.append("s > 0 smooths the sign; expansions need eta |f''| well below s")
    if rule.nonnegative:
        notes.append(f"{', '.join(map(str, rule.nonnegative))} > 0; started after some real steps")
    return tuple(notes)


def _dropped(rule: UpdateRule, law: Law, one_step: Increment) -> tuple[str, ...]:
    notes = []
    for state, h1 in zip(rule.states, one_step.correction, strict=True):
        if sp.expand(h1) != 0:
            notes.append(f"drift of {state}: eta * ({sp.factor_terms(expectation(h1, law))})")
    for power, limit in one_step.schedules:
        notes.append(f"{power} = {limit} up to a relative error O(eta)")
    notes.append("drift: -(eta/2) (grad b) b, the order-two correction of the time step")
    return tuple(notes)


def _steps(
    rule: UpdateRule, law: Law, one_step: Increment, functions: tuple[sp.Expr, ...], gram: sp.Matrix, sde: SDE
) -> tuple[Step, ...]:
    scaling = [(h.symbol, h.scaled) for h in rule.hyperparameters if h.rate is not None]
    nexts = [sp.Symbol(f"{state}_next") for state in rule.states]
    steps = [
        Step(
            "Rule", f"{rule.title}; dialect {rule.dialect}; step k, from 1", tuple(zip(nexts, rule.update, strict=True))
        ),
        Step("Noise", f"{law.name} law, s its scale", ((g, G + s * Z),)),
        Step("Scaling", "time before step k is t = eta (k - 1)", ((k, t / eta + 1), *scaling)),
    ]
    if one_step.schedules:
        steps.append(Step("Schedule", "limit of (t/eta + 1) log(1 - eta rho) as eta -> 0", one_step.schedules))
    if sde.named:
        steps.append(Step("Names", "recurring expressions", sde.named))
    h = [sp.Symbol(f"h_{state}") for state in rule.states]
    steps += [
        Step("One-step increment", "leading term of (next - state)/eta", tuple(zip(h, one_step.leading, strict=True))),
        Step(
            "Mean",
            "b = E h, exact over Z",
            tuple((sp.Symbol(f"b_{y}"), b) for y, b in zip(rule.states, sde.drift, strict=True)),
        ),
        Step("Noise functions", "their covariance under the law", ((sp.Function("Cov")(*functions), sp.Matrix(gram)),)),
        Step("Covariance", "eta Cov h, in full", (("Cov", sde.covariance),)),
        Step(
            "Match",
            "generator L0 = D1: drift b, diffusion B with B B^T = eta Cov h",
            (("drift", sde.drift), ("diffusion", sde.diffusion)),
        ),
    ]
    return tuple(steps)
