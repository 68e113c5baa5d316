"""Expressions as the text of CUDA kernels, in a precision T that is chosen when the kernel is built."""

from __future__ import annotations

import sympy as sp
from sympy.printing.precedence import PRECEDENCE
from sympy.printing.pycode import PythonCodePrinter

from adasde.derive.emit.printer import KernelPrinter, branch
from adasde.derive.emit.sums import Spelling
from adasde.derive.functions import empirical_sign, student_t_sign
from adasde.derive.stability import gamma_step
from adasde.derive.tails import normal_tail, side

IN_PRECISION = (
    "cos",
    "empirical_sign",
    "power",
    "sign",
    "sin",
    "student_t_sign",
    "vote",
    "vote_error",
    "vote_slope",
    "whole_power",
)
"""Functions of kernels that `adasde.kernels.cuda.device` has for either precision: ``sign_in(T)`` is ``sign``."""


class HostPrinter(KernelPrinter):
    """Python with `math`, for numbers in float64 that the host works out once per step."""

    def _print_helper(self, expr: sp.Expr) -> str:
        return f"math.{super()._print_helper(expr)}"

    _print_atan = _print_cos = _print_erf = _print_erfc = _print_exp = _print_expm1 = _print_helper
    _print_log = _print_log1p = _print_sin = _print_tanh = _print_helper

    def _print_tan(self, expr: sp.Expr) -> str:
        return self._print_helper(expr)

    def _print_gamma_step(self, expr: gamma_step) -> str:
        return str(super()._print_helper(expr))

    def _print_sign(self, expr: sp.Expr) -> str:
        return str(PythonCodePrinter._print_sign(self, expr))

    def _print_normal_tail(self, expr: normal_tail) -> str:
        return str(self._print(expr.rewrite(sp.erfc)))

    def _print_Pow(self, expr: sp.Pow, rational: bool = False) -> str:
        return str(PythonCodePrinter._print_Pow(self, expr, rational=rational))


class CudaPrinter(HostPrinter):
    """Numbers are cast to T, because a literal next to a float32 would make a float64 of it; small powers are products;
    the rest are functions of `adasde.kernels.cuda.device` and those of `math` that CUDA puts into the kernel in both
    precisions."""

    def _print_device(self, expr: sp.Expr) -> str:
        return KernelPrinter._print_helper(self, expr)

    _print_cos = _print_sign = _print_sin = _print_vote = _print_vote_error = _print_vote_slope = _print_device
    _print_tan = KernelPrinter._print_tan  # CUDA's own needs memory for arguments of any size

    def _print_Integer(self, expr: sp.Integer) -> str:
        return f"T({expr.p})"

    def _print_Rational(self, expr: sp.Rational) -> str:
        return f"T({expr.p}/{expr.q})"

    def _print_Float(self, expr: sp.Float) -> str:
        return f"T({super()._print_Float(expr)})"

    def _print_NumberSymbol(self, expr: sp.Expr) -> str:
        return f"T({float(expr)!r})"

    _print_Pi = _print_Exp1 = _print_NumberSymbol

    def _print_Pow(self, expr: sp.Pow, rational: bool = False) -> str:
        """Products and roots: CUDA's own power in float64 is a function that is called, not one inlined."""
        base, exponent = expr.args
        if exponent.is_number and exponent < 0:
            inverse = sp.Pow(base, -exponent)
            text = self._print(inverse) if inverse.is_Pow else self.parenthesize(inverse, PRECEDENCE["Pow"])
            return f"(T(1)/{text})"
        if exponent.is_Integer and exponent <= 4:
            return f"({'*'.join([self.parenthesize(base, PRECEDENCE['Pow'])] * int(exponent))})"
        if exponent == sp.S.Half:
            return f"math.sqrt({self._print(base)})"
        if (2 * exponent).is_Integer and not exponent.is_Integer:
            whole = self.parenthesize(base ** sp.floor(exponent), PRECEDENCE["Mul"])
            return f"({whole}*math.sqrt({self._print(base)}))"
        if exponent.is_integer and exponent.is_nonnegative:
            n = exponent if exponent.is_Integer else self._print(exponent)
            return f"whole_power({self._print(base)}, {n})"
        return f"power({self._print(base)}, {self._print(exponent)})"

    def _print_branch(self, expr: branch) -> str:
        chosen, then, otherwise = (self._print(argument) for argument in expr.args)
        return f"({then} if {chosen} != T(0) else {otherwise})"

    def _print_side(self, expr: side) -> str:
        return f"(T(1) if {self._print(expr.args[0])} >= T(0) else T(-1))"

    def _print_Max(self, expr: sp.Expr) -> str:
        return self._pairwise("maximum", sorted(expr.args, key=sp.count_ops))

    def _print_Min(self, expr: sp.Expr) -> str:
        return self._pairwise("minimum", sorted(expr.args, key=sp.count_ops))

    def _pairwise(self, name: str, arguments: list[sp.Expr]) -> str:
        first = str(self._print(arguments[0]))
        for argument in arguments[1:]:
            first = f"{name}({first}, {self._print(argument)})"
        return first

    def _print_student_t_sign(self, expr: student_t_sign) -> str:
        return f"student_t_sign({self._print(expr.args[0])}, {self._print(expr.args[1])}, ratio)"

    def _print_empirical_sign(self, expr: empirical_sign) -> str:
        return f"empirical_sign({self._print(expr.args[0])}, {expr.args[1]}, numbers, LAW)"


def host_code(expression: sp.Expr) -> str:
    """One expression as Python text for the host."""
    return str(HostPrinter().doprint(expression))


def cuda_code(expression: sp.Expr) -> str:
    """One expression as the text of a kernel."""
    return str(CudaPrinter().doprint(expression))


HOST = Spelling(host_code)
CUDA = Spelling(cuda_code, "numbers", "T(0)", "cuda.local.array(QUADRATURE, T)")
