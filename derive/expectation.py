"""Expectations over the noise, E[. | state].

Exact: polynomials in Z; signs, absolute values, minima and maxima of affine functions of Z, hence clipping and
truncation; their products. Under a law on finitely many values everything is exact. Any other function becomes an
`Expectation` that quadrature evaluates, or is refused where the law is not known.

Where a rule has noise besides Z (own draws, further minibatches, workers: `operations`), these are independent: one is
integrated after the other, with the rules above, and Z last.
"""

from __future__ import annotations

import sympy as sp

from adasde.derive.functions import Expectation, vote
from adasde.derive.law import Law, NotDerivable
from adasde.derive.notation import Z, sign_of
from adasde.derive.operations import Batch, Own, variables, workers

NOISES = (Own, Batch, workers)
KINKS = (sp.sign, sp.Abs, sp.Min, sp.Max, sp.Heaviside)


def noise_terms(expression: sp.Expr) -> dict[sp.Expr, sp.Expr]:
    """Splits an expression into {noise function: coefficient}.

    A noise function is Z^n, Z^n sign(a Z + b), or a function of Z that no exact rule covers; where there is noise
    besides Z, a product of such functions, each of one or several noises.

    Uses sign^2 = 1, which holds almost surely for a law with a density.
    """
    return noise_terms_of_one(expression, (Z, *variables(expression)))


def noise_terms_of_one(expression: sp.Expr, noises: tuple[sp.Basic, ...] = (Z,)) -> dict[sp.Expr, sp.Expr]:
    """The same with all noise but ``noises`` held fixed."""
    terms: dict[sp.Expr, sp.Expr] = {}
    for term in sp.Add.make_args(sp.expand(signs_only(expression))):
        for part in sp.Add.make_args(sp.expand(_one_sign(term))):
            coefficient, noise = part.as_independent(*noises, as_Add=False)
            terms[noise] = terms.get(noise, sp.S.Zero) + coefficient
    return {noise: coefficient for noise, coefficient in terms.items() if coefficient != 0}


def expectation(expression: sp.Expr, law: Law) -> sp.Expr:
    """E over all noise, Z under ``law``: exact where a rule covers it, else with `Expectation` nodes."""
    return sp.Add(*(coefficient * mean(noise, law) for noise, coefficient in noise_terms(expression).items()))


def mean(noise: sp.Expr, law: Law) -> sp.Expr:
    """E of one noise function of `noise_terms`."""
    others = variables(noise)
    if others:
        return expectation(_without(others[0], noise, law), law)
    inner = noise.atoms(Expectation) if noise.has(Z) else set()
    if any(node.nested for node in inner):
        raise NotDerivable(f"{noise} is an integral in three dimensions, for which kernels have no quadrature")
    if any(node.args[0].has(*KINKS) for node in inner):
        raise NotDerivable(
            f"{noise} is an integral in two dimensions in which a kink moves, for which kernels have no quadrature"
        )
    return mean_of_one(noise, law)


def mean_of_one(noise: sp.Expr, law: Law) -> sp.Expr:
    """E over Z alone."""
    factors = sp.Mul.make_args(noise)
    kinks = [f for f in factors if isinstance(f, sp.sign | sp.DiracDelta)]
    rest = sp.Mul(*(f for f in factors if f not in kinks))
    exact = all(f.args[0].is_polynomial(Z) and sp.degree(f.args[0], Z) == 1 for f in kinks)
    if len(kinks) > 1 or not rest.is_polynomial(Z) or not exact:
        return law.mean(noise, Z)
    power = int(sp.degree(rest, Z)) if rest.has(Z) else 0
    if not kinks:
        return law.moment(power)
    slope, shift, orientation = affine(kinks[0].args[0])
    if isinstance(kinks[0], sp.DiracDelta):
        if not law.smooth:
            raise NotDerivable(f"{law.name} noise has no continuous density: {kinks[0]} has no mean")
        return (-shift) ** power * law.density(-shift) / slope
    return orientation * law.sign_moment(power, shift)


def _without(variable: sp.Basic, expression: sp.Expr, law: Law) -> sp.Expr:
    """E over one noise besides Z, all others held fixed: by the rules for Z under that noise's law."""
    if isinstance(variable, workers):
        return _without_workers(expression, law)
    hidden = sp.Dummy("Z", real=True)
    own = variable.law if isinstance(variable, Own) else law
    swapped = expression.xreplace({variable: Z, Z: hidden})
    terms = noise_terms_of_one(swapped)
    return sp.Add(*(c * mean_of_one(f, own) for f, c in terms.items())).xreplace({hidden: Z})


def _without_workers(expression: sp.Expr, law: Law) -> sp.Expr:
    """E over all workers: W = mean of n copies of u has E W = E u and E V W = E V E W + Cov(u_V, u_W)/n, and the sign
    of a mean of signs is a majority vote."""
    result = sp.S.Zero
    for term in sp.Add.make_args(sp.expand(expression)):
        fixed, moving = term.as_independent(workers, as_Add=False)
        factors = [base for base, n in (f.as_base_exp() for f in sp.Mul.make_args(moving)) for _ in range(_whole(n))]
        signs = [f for f in factors if isinstance(f, sp.sign)]
        means = [f for f in factors if isinstance(f, workers)]
        others = set(factors) - {*signs, *means}
        if others or len(means) > 2 or len(set(signs)) > 1 or (len(signs) % 2 and means):
            raise NotDerivable(f"the mean of {moving} is not known: workers enter by means, products of two, and votes")
        value = _vote(signs[0].args[0], law) if len(signs) % 2 else sp.S.One
        if means:
            value *= _product_of_means(means, law)
        result += fixed * value
    return result


def _product_of_means(means: list[sp.Expr], law: Law) -> sp.Expr:
    first = [expectation(w.args[0], law) for w in means]
    if len(means) == 1:
        return first[0]
    (u, n), (v, m) = (w.args for w in means)
    if n != m:
        raise NotDerivable(f"{means[0]} and {means[1]} are means over different workers")
    return first[0] * first[1] + (expectation(u * v, law) - first[0] * first[1]) / n


def _vote(inner: sp.Expr, law: Law) -> sp.Expr:
    """E sign(c W), W a mean of n signs, n odd."""
    scale, w = inner.as_independent(workers, as_Add=False)
    if not isinstance(w, workers) or not isinstance(w.args[0], sp.sign) or sign_of(scale) == 0:
        raise NotDerivable(f"the mean of sign({inner}) is not known: a vote is the sign of a mean of signs")
    return sign_of(scale) * vote(expectation(w.args[0], law), w.args[1])


def _whole(exponent: sp.Expr) -> int:
    if not (exponent.is_Integer and exponent.is_positive):
        raise NotDerivable(f"workers enter with the power {exponent}, whose mean is not known")
    return int(exponent)


def signs_only(expression: sp.Expr) -> sp.Expr:
    """Absolute values, minima, maxima and steps of functions of Z written with signs."""
    expression = expression.replace(lambda e: _clipped(e) is not None, lambda e: _clipped(e))
    expression = expression.replace(
        lambda e: isinstance(e, sp.Min | sp.Max) and e.has(Z), lambda e: _extremum(list(e.args), isinstance(e, sp.Max))
    )
    expression = expression.replace(
        lambda e: isinstance(e, sp.Heaviside) and e.has(Z), lambda e: (1 + sp.sign(e.args[0])) / 2
    )
    return expression.replace(lambda e: isinstance(e, sp.Abs) and e.has(Z), lambda e: _absolute(e.args[0]))


def unsmoothed_kinks(expression: sp.Expr) -> list[sp.Expr]:
    """Signs, absolute values and extrema of something without noise that is not constant: nothing smooths them."""
    kinks = expression.atoms(*KINKS)
    return sorted((e for e in kinks if not e.has(Z, *NOISES) and e.free_symbols), key=str)


def _clipped(expression: sp.Expr) -> sp.Expr | None:
    """max(min(u, high), low) = (|u - low| - |u - high| + low + high)/2 for low <= high, and its mirror image."""
    if not isinstance(expression, sp.Min | sp.Max) or len(expression.args) != 2 or not expression.has(Z):
        return None
    outer, inner = sorted(expression.args, key=lambda e: e.has(Z))
    other = sp.Max if isinstance(expression, sp.Min) else sp.Min
    if outer.has(Z) or not isinstance(inner, other) or len(inner.args) != 2:
        return None
    bound, u = sorted(inner.args, key=lambda e: e.has(Z))
    low, high = (outer, bound) if isinstance(expression, sp.Max) else (bound, outer)
    if bound.has(Z) or not (high - low).is_nonnegative:
        return None
    return (sp.Abs(u - low) - sp.Abs(u - high) + low + high) / 2


def _extremum(arguments: list[sp.Expr], largest: bool) -> sp.Expr:
    """max(a, b) = (a + b + |a - b|)/2, min(a, b) = (a + b - |a - b|)/2."""
    result = arguments[0]
    for other in arguments[1:]:
        gap = _absolute(sp.expand(signs_only(result - other)))
        result = (result + other + (gap if largest else -gap)) / 2
    return result


def _absolute(inner: sp.Expr) -> sp.Expr:
    """|u| = u sign(u); and | |u| - c | = |u - c| + |u + c| - |u| - c for c >= 0, with |u| = u sign(u)."""
    inner = sp.expand(inner)
    signs = [e for e in inner.atoms(sp.sign) if e.has(Z)]
    if not signs:
        return inner * sp.sign(inner)
    sign = signs[0]
    u = sign.args[0]
    scale = sp.cancel(inner.coeff(sign, 1) / u)
    c = sp.expand(-inner.coeff(sign, 0) / scale)
    if len(signs) > 1 or scale.has(Z) or c.has(Z) or not (c.is_nonnegative and scale.is_number):
        raise NotDerivable(f"|{inner}| is a nested absolute value that is not supported")
    parts = [w * sp.sign(w) for w in (u - c, u + c)]
    return sp.Abs(scale) * (sum(parts) - u * sign - c)


def _one_sign(term: sp.Expr) -> sp.Expr:
    """Products of signs as sums of single ones: sign(Z + a) sign(Z + b) = 1 - sign(Z + a) + sign(Z + b) for a >= b.

    Almost surely: a draw on one of the two has probability zero under a law with a density."""
    counts: dict[sp.Expr, int] = {}
    rest = []
    for factor in sp.Mul.make_args(term):
        base, exponent = factor.as_base_exp()
        if isinstance(base, sp.sign) and base.has(Z) and exponent.is_Integer and exponent > 0:
            counts[base] = (counts.get(base, 0) + int(exponent)) % 2
        else:
            rest.append(factor)
    signs = [sign for sign, odd in counts.items() if odd]
    result = sp.Mul(*rest)
    if len(signs) < 2:
        return result * sp.Mul(*signs)
    pieces = [affine(sign.args[0]) for sign in signs]
    (_, a, up), (_, b, other) = pieces[:2]
    gap = sp.cancel(a - b)
    if not (gap.is_nonnegative or gap.is_nonpositive or sign_of(gap)):
        raise NotDerivable(f"which of {signs[0]} and {signs[1]} changes first is not known")
    first, second = (0, 1) if gap.is_nonnegative or sign_of(gap) > 0 else (1, 0)
    pair = up * other * (1 - pieces[first][2] * signs[first] + pieces[second][2] * signs[second])
    return sum(_one_sign(piece) for piece in sp.Add.make_args(sp.expand(result * pair * sp.Mul(*signs[2:]))))


def affine(inner: sp.Expr) -> tuple[sp.Expr, sp.Expr, int]:
    """(|a|, b/a, sign of a) of a Z + b."""
    if not inner.is_polynomial(Z) or sp.degree(inner, Z) != 1:
        raise NotDerivable(f"no exact expectation: {inner} is not affine in Z")
    b, a = sp.Poly(inner, Z).all_coeffs()[::-1]
    orientation = sign_of(a)
    if orientation == 0:
        raise NotDerivable(f"the sign of {a} in {inner} is not known")
    return orientation * a, sp.cancel(b / a), orientation
