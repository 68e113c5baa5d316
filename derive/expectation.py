"""Exact expectations over the noise, E[. | state].

Supported: polynomials in Z, signs of affine functions of Z, and their products. Everything else is refused by name.
"""

from __future__ import annotations

import sympy as sp

from adasde.derive.noise import Law, NotDerivable
from adasde.derive.notation import Z

Monomial = tuple[int, sp.Expr]
"""(n, c): the noise function Z^n sign(Z + c), or Z^n where c is None."""


def noise_terms(expression: sp.Expr) -> dict[sp.Expr, sp.Expr]:
    """Splits an expression into {noise function: coefficient}, noise functions being Z^n [sign(a Z + b)].

    Uses sign^2 = 1, which holds almost surely for a law with a density. Raises `NotDerivable` for a term that is
    none of these.
    """
    terms: dict[sp.Expr, sp.Expr] = {}
    for term in sp.Add.make_args(sp.expand(expression)):
        coefficient, noise = term.as_independent(Z, as_Add=False)
        noise = _reduce_signs(noise)
        _require_supported(noise)
        terms[noise] = terms.get(noise, sp.S.Zero) + coefficient
    return {noise: coefficient for noise, coefficient in terms.items() if coefficient != 0}


def expectation(expression: sp.Expr, law: Law) -> sp.Expr:
    """E over Z of a polynomial in Z and signs of affine functions of Z, exactly."""
    return sp.Add(*(coefficient * _mean(noise, law) for noise, coefficient in noise_terms(expression).items()))


def _reduce_signs(noise: sp.Expr) -> sp.Expr:
    return noise.replace(
        lambda e: e.is_Pow and isinstance(e.base, sp.sign) and e.exp.is_Integer,
        lambda e: e.base ** (int(e.exp) % 2),
    )


def _require_supported(noise: sp.Expr) -> None:
    signs = [factor for factor in sp.Mul.make_args(noise) if isinstance(factor, sp.sign)]
    rest = sp.Mul(*(factor for factor in sp.Mul.make_args(noise) if not isinstance(factor, sp.sign)))
    affine = all(sp.Poly(f.args[0], Z).degree() == 1 for f in signs if f.args[0].is_polynomial(Z))
    if len(signs) > 1 or not affine or not all(f.args[0].is_polynomial(Z) for f in signs):
        raise NotDerivable(f"no exact expectation of {noise}: at most one sign of an affine function of Z is supported")
    if rest != 1 and not (rest.is_polynomial(Z) and len(sp.Poly(rest, Z).terms()) == 1):
        raise NotDerivable(f"no exact expectation of {noise}: it is not a polynomial in Z times a sign")


def _mean(noise: sp.Expr, law: Law) -> sp.Expr:
    factors = sp.Mul.make_args(noise)
    signs = [factor for factor in factors if isinstance(factor, sp.sign)]
    power = int(sp.degree(sp.Mul(*(f for f in factors if not isinstance(f, sp.sign))), Z)) if noise.has(Z) else 0
    if not signs:
        return law.moment(power)
    b, a = sp.Poly(signs[0].args[0], Z).all_coeffs()[::-1]
    if not (a.is_positive or a.is_negative):
        raise NotDerivable(f"the sign of {a} in {signs[0]} is not known")
    orientation = 1 if a.is_positive else -1
    return orientation * law.sign_moment(power, sp.cancel(b / a))
