"""Expressions as Python text for generated kernels."""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import cache

import sympy as sp
from sympy.printing.precedence import PRECEDENCE
from sympy.printing.pycode import PythonCodePrinter

from adasde.derive.functions import empirical_sign, student_t_sign
from adasde.derive.stability import expm1, log1p
from adasde.derive.tails import normal_tail, side

HELPERS = (
    "atan",
    "cos",
    "empirical_sign",
    "erf",
    "erfc",
    "exp",
    "expm1",
    "gamma_step",
    "log",
    "log1p",
    "normal_tail",
    "power",
    "sign",
    "sin",
    "student_t_sign",
    "tanh",
    "whole_power",
)
"""Functions that generated code takes from `adasde.kernels.special`: those of the C library do not vectorise."""
VOTES = ("vote", "vote_error", "vote_slope")
STAGE_HELPERS = ("gradient_at", "keep_largest", "newton_schulz", "staged_kernel")
"""The same from `adasde.kernels.votes` and `adasde.kernels.stages`."""

COMPOSED = {
    sp.sinh: lambda u: (expm1(u) - expm1(-u)) / 2,
    sp.cosh: lambda u: (sp.exp(u) + sp.exp(-u)) / 2,
    sp.asin: lambda u: sp.atan(u / sp.sqrt((1 - u) * (1 + u))),
    sp.acos: lambda u: sp.pi / 2 - sp.atan(u / sp.sqrt((1 - u) * (1 + u))),
    sp.asinh: lambda u: sp.sign(u) * sp.log(sp.Abs(u) + sp.sqrt(1 + u**2)),
    sp.acosh: lambda u: sp.log(u + sp.sqrt((u - 1) * (u + 1))),
    sp.atanh: lambda u: (log1p(u) - log1p(-u)) / 2,
}
"""Functions that `adasde.kernels.special` lacks, in terms of those that it has."""


_FIXED = re.compile(r"c\d+|inverse_s")
"""Names of what a step works out before its loop over lanes, and of 1/s."""


class branch(sp.Function):
    """branch(c, then, otherwise): ``then`` where the number c is not 0."""

    nargs = 3


class KernelPrinter(PythonCodePrinter):
    """Python with `math` for scalars and the vectorising functions of `adasde.kernels.special`."""

    def __init__(self) -> None:
        super().__init__({"fully_qualified_modules": True, "strict": True})

    def _print_helper(self, expr: sp.Expr) -> str:
        return f"{type(expr).__name__}({', '.join(self._print(argument) for argument in expr.args)})"

    _print_atan = _print_cos = _print_erf = _print_erfc = _print_exp = _print_expm1 = _print_helper
    _print_vote = _print_vote_error = _print_vote_slope = _print_helper
    _print_gamma_step = _print_log = _print_log1p = _print_sign = _print_sin = _print_tanh = _print_helper

    def _print_composed(self, expr: sp.Expr) -> str:
        return f"({self._print(COMPOSED[type(expr)](expr.args[0]))})"

    _print_sinh = _print_cosh = _print_asin = _print_acos = _print_asinh = _print_acosh = _print_atanh = _print_composed

    def _print_tan(self, expr: sp.Expr) -> str:
        argument = self._print(expr.args[0])
        return f"(sin({argument})/cos({argument}))"

    def _print_branch(self, expr: branch) -> str:
        chosen, then, otherwise = (self._print(argument) for argument in expr.args)
        return f"({then} if {chosen} != 0 else {otherwise})"

    def _print_side(self, expr: side) -> str:
        return f"math.copysign(1.0, {self._print(expr.args[0])})"

    def _print_normal_tail(self, expr: normal_tail) -> str:
        return self._print_helper(expr)

    def _print_Mul(self, expr: sp.Expr) -> str:
        """Numbers of the step and the inverse scale before what differs from lane to lane: where the scale is the same
        for all lanes, a compiler makes their product once."""
        fixed = [a for a in expr.args if all(_FIXED.fullmatch(str(symbol)) for symbol in a.free_symbols)]
        moving = sp.Mul(*(a for a in expr.args if a not in fixed))
        if moving == 1 or "inverse_s" not in map(str, expr.args) or sum(not a.is_number for a in fixed) < 2:
            return str(super()._print_Mul(expr))
        return f"{super()._print_Mul(sp.Mul(*fixed))}*{self.parenthesize(moving, PRECEDENCE['Mul'])}"

    def _print_Max(self, expr: sp.Expr) -> str:
        return f"max({', '.join(self._print(argument) for argument in sorted(expr.args, key=sp.count_ops))})"

    def _print_student_t_sign(self, expr: student_t_sign) -> str:
        """The law's numbers in p hold the table for its nu, which is the only nu there is."""
        return f"student_t_sign({self._print(expr.args[0])}, p, LAW)"

    def _print_Pow(self, expr: sp.Pow, rational: bool = False) -> str:
        """x**(-n) as 1/x**n: numba turns a negative power into a loop, which does not vectorise. Powers of a root as
        x**n*sqrt(x), and the helpers' powers where the exponent is a whole symbol, for large values of which numba
        calls the C library, or neither whole nor half of a whole number."""
        if expr.exp.is_Integer and expr.exp < -1:
            return f"(1/{self._print(sp.Pow(expr.base, -expr.exp))})"
        if expr.exp.is_Symbol and expr.exp.is_integer:
            return f"whole_power({self._print(expr.base)}, {self._print(expr.exp)})"
        if expr.exp.is_integer or abs(expr.exp) == sp.S.Half:
            return str(super()._print_Pow(expr, rational=rational))
        if (2 * expr.exp).is_Integer:
            whole = self.parenthesize(expr.base ** sp.floor(abs(expr.exp)), PRECEDENCE["Mul"])
            text = f"({whole}*{self._print(sp.sqrt(expr.base))})"
            return text if expr.exp > 0 else f"(1/{text})"
        return f"power({self._print(expr.base)}, {self._print(expr.exp)})"

    def _print_Min(self, expr: sp.Expr) -> str:
        return f"min({', '.join(self._print(argument) for argument in sorted(expr.args, key=sp.count_ops))})"

    def _print_empirical_sign(self, expr: empirical_sign) -> str:
        return f"empirical_sign({self._print(expr.args[0])}, {self._print(expr.args[1])}, p, LAW)"


@cache
def code(expression: sp.Expr) -> str:
    """One expression as Python text; a module's head looks for names in the text of all that stands below it."""
    return str(KernelPrinter().doprint(expression))


def next_value(state: sp.Symbol, value: sp.Expr, written: Callable[[sp.Expr], str] = code) -> str:
    """The next value of a state as text, a sum that has the state itself in it as state + ... - ...

    With the state first each product that follows can be added with one fused operation, where those are allowed.
    """
    if not value.is_Add or state not in value.args:
        return written(value)
    text = written(value - state)
    return f"{state} - {text[1:]}" if text.startswith("-") else f"{state} + {text}"
