"""Expectations over the noise, E[. | state].

Exact: polynomials in Z; signs, absolute values, minima and maxima of affine functions of Z, hence clipping and
truncation; their products. Under a law on finitely many values everything is exact. Any other function becomes an
`Expectation` that quadrature evaluates, or is refused where the law is not known.
"""

from __future__ import annotations

import sympy as sp

from adasde.derive.law import Law, NotDerivable
from adasde.derive.notation import Z, sign_of


def noise_terms(expression: sp.Expr) -> dict[sp.Expr, sp.Expr]:
    """Splits an expression into {noise function: coefficient}.

    A noise function is Z^n, Z^n sign(a Z + b), or a function of Z that no exact rule covers.

    Uses sign^2 = 1, which holds almost surely for a law with a density.
    """
    terms: dict[sp.Expr, sp.Expr] = {}
    for term in sp.Add.make_args(sp.expand(signs_only(expression))):
        for part in sp.Add.make_args(sp.expand(_one_sign(term))):
            coefficient, noise = part.as_independent(Z, as_Add=False)
            terms[noise] = terms.get(noise, sp.S.Zero) + coefficient
    return {noise: coefficient for noise, coefficient in terms.items() if coefficient != 0}


def expectation(expression: sp.Expr, law: Law) -> sp.Expr:
    """E over Z under ``law``: exact where a rule covers it, else with `Expectation` nodes."""
    return sp.Add(*(coefficient * mean(noise, law) for noise, coefficient in noise_terms(expression).items()))


def mean(noise: sp.Expr, law: Law) -> sp.Expr:
    """E of one noise function of `noise_terms`."""
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
    kinks = expression.atoms(sp.sign, sp.Abs, sp.Min, sp.Max, sp.Heaviside)
    return sorted((e for e in kinks if not e.has(Z) and e.free_symbols), key=str)


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
