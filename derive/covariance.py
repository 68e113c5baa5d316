"""The covariance of one step, and its Cholesky factor as the diffusion matrix."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import sympy as sp

from adasde.derive.expectation import NOISES, expectation, mean, noise_terms
from adasde.derive.functions import Expectation
from adasde.derive.growth import growth
from adasde.derive.law import Law
from adasde.derive.notation import H, Ht, Z, eta
from adasde.derive.operations import Batch, variables, workers

FACTORED_TERMS, FACTORED_OPERATIONS = 24, 150
"""Terms of a sum, and operations of it, above which no factors are looked for: long sums hardly ever factor but take
minutes to try, and hours where many exponentials and error functions are variables of one polynomial."""


Later = Callable[[tuple[sp.Expr, ...], sp.Matrix, Law], sp.Matrix]


@dataclass(frozen=True)
class StepNoise:
    """The noise of one step.

    functions  the functions of Z that occur
    gram       their covariances under the law
    diffusion  sqrt(eta) B with B B^T = Cov h
    """

    functions: tuple[sp.Expr, ...]
    gram: sp.Matrix
    diffusion: sp.Matrix

    @property
    def degrees(self) -> tuple[int, ...] | None:
        """Hermite degree of every column, where each power of Z follows all lower ones of its parity; 0 for one sign.

        For Gaussian Z Gram-Schmidt then turns the powers into Hermite polynomials, whose covariance between
        coordinates is a power of their correlation (Mehler).
        """
        if variables(*self.functions):
            return None
        if len(self.functions) == 1 and isinstance(self.functions[0], sp.sign):
            return (0,)
        if not all(f.is_polynomial(Z) for f in self.functions) or len(self.functions) != self.diffusion.cols:
            return None
        powers = tuple(noise_power(f) for f in self.functions)
        return powers if all(n - 2 in (-1, 0, *powers) for n in powers) else None


def step_noise(increments: tuple[sp.Expr, ...], law: Law, later: Later | None = None) -> StepNoise:
    """The noise of increments h(Z): by their noise functions where these are few, else by the covariance of h.

    ``later`` adds to the covariances of the noise functions those with the functions of later steps.
    """
    if len(law.atoms()) == 2 and not variables(*increments):
        return _two_valued_noise(increments, law)
    functions = noise_functions(increments)
    gram = gram_matrix(functions, law)
    if later is not None:
        gram = later(functions, gram, law).applyfunc(shortest)
    coefficients = coefficient_matrix(increments, functions)
    if coefficients.has(H, Ht):
        # An operator on all coordinates has no root: motions of the noise functions themselves, on which it acts.
        return StepNoise(functions, gram, sp.sqrt(eta) * (coefficients * cholesky(gram)).applyfunc(sp.expand))
    if any(e.base == eta and not e.exp.is_Integer for entry in coefficients for e in entry.atoms(sp.Pow)):
        covariance = (eta * coefficients * gram * coefficients.T).applyfunc(lambda e: sp.factor_terms(sp.expand(e)))
        return StepNoise(functions, gram, cholesky(covariance))
    moving = sum(any(entry != 0 for entry in row) for row in coefficients.tolist())
    if later is not None and moving > 1 and gram.has(Expectation):
        return StepNoise(functions, gram, sp.sqrt(eta) * _factor_by_entries(coefficients, gram))
    if len(functions) <= moving:
        factor = coefficients * cholesky(gram)
    else:
        factor = cholesky((coefficients * gram * coefficients.T).applyfunc(shortest))
    return StepNoise(functions, gram, sp.sqrt(eta) * factor.applyfunc(sp.factor_terms))


def _factor_by_entries(coefficients: sp.Matrix, gram: sp.Matrix) -> sp.Matrix:
    """A factor of coefficients gram coefficients^T: Gram-Schmidt on the functions with exact covariances, which come
    first, and a factor of what the others leave. Covariances that are sums of integrals are symbols meanwhile:
    expanding and factoring them would find nothing and take minutes. What the others leave is a difference of such
    sums, each 0 at s = 0 where the functions are departures from what they are without noise."""
    found = {entry: sp.Dummy(f"c{i}", real=True) for i, entry in enumerate(sorted(set(gram), key=sp.default_sort_key))}
    names = {entry: name for entry, name in found.items() if entry.has(Expectation)}
    exact = [j for j in range(gram.rows) if not gram[j, j].has(Expectation)]
    order = exact + [j for j in range(gram.rows) if j not in exact]
    sorted_gram = gram.extract(order, order).xreplace(names)
    first = cholesky(sorted_gram, len(exact))
    rows = coefficients.extract(list(range(coefficients.rows)), order)
    rest = sorted_gram - first * first.T
    rest[: len(exact), :], rest[:, : len(exact)] = sp.zeros(len(exact), gram.rows), sp.zeros(gram.rows, len(exact))
    factor = sp.Matrix.hstack(rows * first, cholesky(rows * rest * rows.T)).applyfunc(sp.factor_terms)
    return factor.xreplace({name: entry for entry, name in names.items()})


def coefficient_matrix(increments: tuple[sp.Expr, ...], functions: tuple[sp.Expr, ...]) -> sp.Matrix:
    """The coefficient of every noise function in every increment: h - E h = coefficients (functions - their means)."""
    terms = [noise_terms(h) for h in increments]
    return sp.Matrix([[row.get(f, sp.S.Zero) for f in functions] for row in terms])


def _two_valued_noise(increments: tuple[sp.Expr, ...], law: Law) -> StepNoise:
    """On two values every function of Z is affine in Z, h = E h + E[h Z] Z: one Brownian motion, and no difference of
    equal covariances that rounding would turn into noise."""
    if not any(h.has(Z) for h in increments):
        return StepNoise((), sp.zeros(0, 0), sp.zeros(len(increments), 0))
    slopes = [sp.factor_terms(sp.expand(expectation(h * Z, law))) for h in increments]
    return StepNoise((Z,), sp.Matrix([[1]]), sp.sqrt(eta) * sp.Matrix(slopes))


def noise_functions(increments: tuple[sp.Expr, ...]) -> tuple[sp.Expr, ...]:
    """The functions of Z that occur, powers first: Z, Z^2, sign(G + s Z), ..."""
    functions = {f for h in increments for f in noise_terms(h) if f.has(Z, *NOISES)}
    return tuple(sorted(functions, key=lambda f: (not f.is_polynomial(Z), noise_power(f), str(f))))


def noise_power(noise: sp.Expr) -> int:
    """The power of Z by which a noise function grows."""
    bounded = noise.replace(lambda e: isinstance(e, workers), lambda e: e.args[0])
    # Twice, so that a difference of two noises stays one.
    bounded = bounded.replace(lambda e: isinstance(e, Batch), lambda _: 2 * Z)
    bounded = bounded.replace(lambda e: isinstance(e, sp.sign), lambda _: sp.S.One)
    return int(sp.degree(bounded, Z)) if bounded.is_polynomial(Z) else growth(noise, Z) or 0


def shortest(expression: sp.Expr) -> sp.Expr:
    """The expanded or the factored form, whichever has fewer operations; as given where that has fewer still."""
    expanded = sp.expand(expression)
    forms = [expanded, expression]
    if len(sp.Add.make_args(expanded)) <= FACTORED_TERMS and sp.count_ops(expanded) <= FACTORED_OPERATIONS:
        forms.insert(1, sp.factor(expression))
    return min(forms, key=sp.count_ops)


def gram_matrix(functions: tuple[sp.Expr, ...], law: Law) -> sp.Matrix:
    """Covariances Cov(f_i(Z), f_j(Z)), exact."""
    means = [mean(f, law) for f in functions]

    def covariance(i: int, j: int) -> sp.Expr:
        return shortest(expectation(functions[i] * functions[j], law) - means[i] * means[j])

    n = len(functions)
    return sp.Matrix(n, n, lambda i, j: covariance(min(i, j), max(i, j)))


def cholesky(gram: sp.Matrix, columns: int | None = None) -> sp.Matrix:
    """Lower-triangular factor of a covariance, or its first ``columns``; a function that is determined by earlier ones
    gets no column."""
    n = gram.rows
    factor = sp.zeros(n, n)
    for j in range(n if columns is None else columns):
        pivot = shortest(gram[j, j] - sum(factor[j, l] ** 2 for l in range(j)))
        if pivot == 0:
            continue
        factor[j, j] = sp.sqrt(pivot)
        for i in range(j + 1, n):
            rest = gram[i, j] - sum(factor[i, l] * factor[j, l] for l in range(j))
            factor[i, j] = shortest(rest) / factor[j, j]
    present = [j for j in range(n) if any(factor[i, j] != 0 for i in range(n))]
    return factor[:, present]
