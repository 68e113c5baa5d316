"""Functions that sympy lacks: the mean sign of a Student-t variable."""

from __future__ import annotations

from typing import Any

import mpmath
import sympy as sp


class student_t_sign(sp.Function):
    """E sign(y + T) for T Student-t with nu degrees of freedom: 2 F_nu(y) - 1.

    Equals 2 y Gamma((nu+1)/2) / (sqrt(pi nu) Gamma(nu/2)) 2F1(1/2, (nu+1)/2; 3/2; -y^2/nu), valid also where T
    has no variance (nu <= 2) or no mean (nu <= 1). Closed forms are substituted for nu = 1, 2, 3.
    """

    nargs = 2

    @classmethod
    def eval(cls, y: sp.Expr, nu: sp.Expr) -> sp.Expr | None:
        if y.is_zero:
            return sp.S.Zero
        if y.could_extract_minus_sign():
            return -cls(-y, nu)
        if nu == 1:
            return 2 / sp.pi * sp.atan(y)
        if nu == 2:
            return y / sp.sqrt(2 + y**2)
        if nu == 3:
            angle = sp.atan(y / sp.sqrt(3))
            return 2 / sp.pi * (angle + sp.sqrt(3) * y / (3 + y**2))
        return None

    def fdiff(self, argindex: int = 1) -> sp.Expr:
        if argindex != 1:
            raise sp.function.ArgumentIndexError(self, argindex)
        y, nu = self.args
        return 2 * student_t_density(y, nu)

    def _eval_rewrite_as_hyper(self, y: sp.Expr, nu: sp.Expr, **_: Any) -> sp.Expr:
        half = sp.Rational(1, 2)
        scale = sp.gamma((nu + 1) / 2) / (sp.sqrt(sp.pi * nu) * sp.gamma(nu / 2))
        return 2 * y * scale * sp.hyper((half, (nu + 1) / 2), (3 * half,), -(y**2) / nu)

    def _eval_evalf(self, prec: int) -> sp.Float | None:
        if not all(argument.is_number for argument in self.args):
            return None
        with mpmath.workprec(prec + 10):
            y, nu = (argument._to_mpmath(prec + 10) for argument in self.args)
            tail = mpmath.betainc(nu / 2, mpmath.mpf(1) / 2, 0, nu / (nu + y * y), regularized=True)
            return sp.Float._new(mpmath.mpf(mpmath.sign(y) * (1 - tail))._mpf_, prec)

    def _latex(self, printer: Any, exp: str | None = None) -> str:
        y, nu = (printer._print(argument) for argument in self.args)
        name = rf"\left(2 F_{{t_{{{nu}}}}} - 1\right)"
        return rf"{name}\left({y}\right)" if exp is None else rf"{{{name}\left({y}\right)}}^{{{exp}}}"


def student_t_density(y: sp.Expr, nu: sp.Expr) -> sp.Expr:
    """Density of the Student-t law with nu degrees of freedom and unit scale."""
    scale = sp.gamma((nu + 1) / 2) / (sp.sqrt(sp.pi * nu) * sp.gamma(nu / 2))
    return scale * (1 + y**2 / nu) ** (-(nu + 1) / 2)
