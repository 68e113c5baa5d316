"""Expressions as Python text for generated kernels."""

from __future__ import annotations

import sympy as sp
from sympy.printing.pycode import PythonCodePrinter

from adasde.derive.functions import empirical_sign, student_t_sign, zeta
from adasde.derive.stability import expm1, log1p
from adasde.derive.tails import normal_tail, side

HELPERS = ("erf", "sign", "normal_tail", "student_t_sign", "empirical_sign")
"""Functions that generated code takes from `adasde.kernels.special`."""


class KernelPrinter(PythonCodePrinter):
    """Python with `math` for scalars and the vectorising functions of `adasde.kernels.special`."""

    def __init__(self) -> None:
        super().__init__({"fully_qualified_modules": True, "strict": True})

    def _print_erf(self, expr: sp.Expr) -> str:
        return f"erf({self._print(expr.args[0])})"

    def _print_sign(self, expr: sp.Expr) -> str:
        return f"sign({self._print(expr.args[0])})"

    def _print_side(self, expr: side) -> str:
        return f"math.copysign(1.0, {self._print(expr.args[0])})"

    def _print_normal_tail(self, expr: normal_tail) -> str:
        return f"normal_tail({self._print(expr.args[0])})"

    def _print_Max(self, expr: sp.Expr) -> str:
        return f"max({', '.join(self._print(argument) for argument in sorted(expr.args, key=sp.count_ops))})"

    def _print_student_t_sign(self, expr: student_t_sign) -> str:
        return f"student_t_sign({', '.join(self._print(argument) for argument in expr.args)})"

    def _print_Pow(self, expr: sp.Pow, rational: bool = False) -> str:
        """x**(-n) as 1/x**n: numba turns a negative power into a loop, which does not vectorise."""
        if expr.exp.is_Integer and expr.exp < -1:
            return f"(1/{self._print(sp.Pow(expr.base, -expr.exp))})"
        return str(super()._print_Pow(expr, rational=rational))

    def _print_Min(self, expr: sp.Expr) -> str:
        return f"min({', '.join(self._print(argument) for argument in sorted(expr.args, key=sp.count_ops))})"

    def _print_empirical_sign(self, expr: empirical_sign) -> str:
        return f"empirical_sign({self._print(expr.args[0])}, {self._print(expr.args[1])}, p, LAW)"

    def _print_log1p(self, expr: log1p) -> str:
        return f"math.log1p({self._print(expr.args[0])})"

    def _print_expm1(self, expr: expm1) -> str:
        return f"math.expm1({self._print(expr.args[0])})"


def code(expression: sp.Expr) -> str:
    """One expression as Python text."""
    return str(KernelPrinter().doprint(expression))


def sum_over_nodes(name: sp.Symbol, integrand: sp.Expr, indent: str) -> list[str]:
    """Lines that add up an expectation over the quadrature nodes, which lie in p from `NODES` on, weights behind."""
    return [
        f"{name} = 0.0",
        "for q in range(QUADRATURE):",
        f"{indent}{zeta} = p[NODES + q]",
        f"{indent}{name} += p[NODES + QUADRATURE + q]*({code(integrand)})",
    ]
