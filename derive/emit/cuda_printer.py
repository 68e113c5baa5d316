"""Expressions as the text of CUDA kernels, in a precision T that is chosen when the kernel is built."""

from __future__ import annotations

import sympy as sp
from sympy.printing.pycode import PythonCodePrinter

from adasde.derive.emit.printer import KernelPrinter, branch
from adasde.derive.functions import Expectation, empirical_sign, student_t_sign
from adasde.derive.stability import gamma_step
from adasde.derive.tails import normal_tail, side


class HostOnly(ValueError):
    """An expression that kernels on the GPU do not evaluate."""


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

    def _print_Pow(self, expr: sp.Pow, rational: bool = False) -> str:
        return str(PythonCodePrinter._print_Pow(self, expr, rational=rational))


class CudaPrinter(HostPrinter):
    """Numbers are cast to T, because a literal next to a float32 would make a float64 of it; small powers are products;
    the rest are functions of `adasde.kernels.cuda.device` and of `math`, which CUDA has in both precisions."""

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
        if expr.exp.is_Integer and 2 <= abs(expr.exp) <= 4:
            base = self.parenthesize(expr.base, sp.printing.precedence.PRECEDENCE["Pow"])
            product = "*".join([base] * abs(int(expr.exp)))
            return f"({product})" if expr.exp > 0 else f"(T(1)/({product}))"
        if expr.exp == -1:
            return f"(T(1)/{self.parenthesize(expr.base, sp.printing.precedence.PRECEDENCE['Pow'])})"
        if expr.exp == sp.Rational(1, 2):
            return f"math.sqrt({self._print(expr.base)})"
        if expr.exp == sp.Rational(-1, 2):
            return f"(T(1)/math.sqrt({self._print(expr.base)}))"
        if not (2 * expr.exp).is_integer:  # CUDA's own power in float64 is a function that is called, not one inlined
            return f"math.exp({self._print(expr.exp * sp.log(expr.base))})"
        return str(PythonCodePrinter._print_Pow(self, expr, rational=rational))

    def _print_sign(self, expr: sp.Expr) -> str:
        return KernelPrinter._print_helper(self, expr)

    def _print_side(self, expr: side) -> str:
        return f"(T(1) if {self._print(expr.args[0])} >= T(0) else T(-1))"

    def _print_branch(self, expr: branch) -> str:
        chosen, then, otherwise = (self._print(argument) for argument in expr.args)
        return f"({then} if {chosen} != T(0) else {otherwise})"

    def _print_normal_tail(self, expr: normal_tail) -> str:
        return str(self._print(expr.rewrite(sp.erfc)))

    def _print_Max(self, expr: sp.Expr) -> str:
        return self._nested("maximum", sorted(expr.args, key=sp.count_ops))

    def _print_Min(self, expr: sp.Expr) -> str:
        raise HostOnly("a minimum")

    def _nested(self, name: str, arguments: list[sp.Expr]) -> str:
        first = str(self._print(arguments[0]))
        for argument in arguments[1:]:
            first = f"{name}({first}, {self._print(argument)})"
        return first

    def _print_student_t_sign(self, expr: student_t_sign) -> str:
        return f"student_t_sign({self._print(expr.args[0])}, {self._print(expr.args[1])}, ratio)"

    def _print_empirical_sign(self, expr: empirical_sign) -> str:
        raise HostOnly("the mean sign under data")

    def _print_Expectation(self, expr: Expectation) -> str:
        raise HostOnly("an expectation without a closed form")


def host_code(expression: sp.Expr) -> str:
    """One expression as Python text for the host."""
    return str(HostPrinter().doprint(expression))


def cuda_code(expression: sp.Expr) -> str:
    """One expression as the text of a kernel. Raises `HostOnly` for what kernels on the GPU do not evaluate."""
    return str(CudaPrinter().doprint(expression))
