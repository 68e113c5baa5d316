"""What generated code calls: functions that vectorise, with the value of the expression."""

from __future__ import annotations

import math
import re

import numpy as np
import pytest
import sympy as sp
from numba import njit

from adasde.derive.emit.module import kernel_module
from adasde.derive.emit.printer import HELPERS, code
from adasde.derive.expansion import derive
from adasde.derive.functions import student_t_sign
from adasde.derive.noise import ShiftedExponential
from adasde.derive.notation import eta, g, m, x
from adasde.derive.optimizers import registry
from adasde.derive.rule import update_rule
from adasde.derive.stability import expm1, log1p
from adasde.kernels import special
from adasde.kernels.lanes import STEP
from adasde.kernels.student_t import student_t_data

a, b = sp.symbols("a b", positive=True)
AT = {a: sp.Float("0.3", 17), b: sp.Float("1.7", 17)}
EXPRESSIONS = [
    sp.exp(-a * b) + sp.exp(1),
    sp.log(a) + sp.log(2),
    sp.tanh(a - b),
    1 / (1 + sp.exp(-a)),
    sp.sin(a) * sp.cos(b) + sp.tan(a) + 1 / sp.tan(b),
    sp.sinh(a) + sp.sinh(-b) - sp.cosh(b) + sp.asin(a) - sp.acos(a) + sp.asinh(a) - sp.acosh(b) + sp.atanh(a),
    sp.sinh(a / 10**9) * 10**9 + sp.atanh(a / 10**9) * 10**9 + sp.asin(a / 10**9) * 10**9,
    sp.atan(b) + sp.erf(a) - sp.erfc(b),
    a**b + b ** (-a) + 2**a + a ** sp.Rational(1, 3),
    a ** sp.Rational(3, 2) + b / (a + b) ** sp.Rational(5, 2) + (a * b) ** sp.Rational(-7, 2),
    sp.sqrt(a + b) + 1 / sp.sqrt(a) + a**3 + b**-3,
    expm1(-a) + log1p(-a),
    sp.Max(a, b) - sp.Min(a, b) + sp.sign(a - b) + sp.Abs(a - b),
]


@pytest.mark.parametrize("expression", EXPRESSIONS, ids=str)
def test_the_text_has_the_value_of_the_expression(expression: sp.Expr) -> None:
    """And of the C library it calls nothing but the root."""
    text = code(expression)
    names = {name: getattr(special, name) for name in HELPERS}
    value = eval(text, names | {"math": math} | {str(symbol): float(number) for symbol, number in AT.items()})
    assert value == pytest.approx(float(expression.subs(AT).evalf(25)), rel=1e-14)
    assert set(re.findall(r"math\.(\w+)", text)) <= {"sqrt", "pi", "e"}


def test_a_root_does_not_fail_by_a_rounding_error() -> None:
    """SignSGD's diffusion under exponential noise, sqrt(e - e^min(1, G/s)) and factors, is a number where G >= s and
    next below."""
    names: dict[str, object] = {}
    sde = derive(registry()["signsgd"], ShiftedExponential()).sde
    exec(kernel_module(registry()["signsgd"], [sde], {}, "none"), names)
    gradient = np.array([[1.0, 2.0, 50.0, *(1 - 2.0**-53 * np.arange(1, 200))]])
    state, one = np.zeros((1, *gradient.shape)), np.ones((1, *gradient.shape))
    names["sde_exponential"](state, gradient, one[0], one[:0], one, np.array([0.1]), 1, 0.0, 0.1)  # type: ignore[operator]
    assert np.isfinite(state).all() and abs(state[0, 0, :3] + 0.1).max() < 1e-8


def test_student_t_sign_reads_the_table_of_the_law() -> None:
    """The formula names nu; the code takes the table that stands behind the other numbers in p."""
    nu = sp.Symbol("nu", positive=True)
    text = code(1 - student_t_sign(a / b, nu) ** 2)
    assert text == "1 - student_t_sign(a/b, p, LAW)**2"
    p = np.r_[0.1, 0.2, student_t_data(4.2)]
    value = eval(text, {"student_t_sign": special.student_t_sign, "p": p, "LAW": 2, "a": 0.3, "b": 1.7})
    exact = student_t_sign(AT[a] / AT[b], sp.Float("4.2", 17)).evalf(25)
    assert value == pytest.approx(float(1 - exact**2), rel=1e-14)


@update_rule(states=(x, m), dialect="paper", cite="kingma2015")
def smooth():  # type: ignore[no-untyped-def]
    """A rule with functions of all kinds."""
    gate = 1 / (1 + sp.exp(-m))
    return {x: x - eta * sp.tanh(g) * gate * sp.cos(m) / (1 + m**2) ** sp.Rational(1, 3), m: sp.atan(m + g) + sp.sin(x)}


def test_a_rule_with_smooth_functions_vectorises() -> None:
    """Its step is machine code of packed doubles without a call of the C library."""
    names: dict[str, object] = {}
    exec(kernel_module(smooth, [], {}, "none"), names)
    step = njit(STEP, error_model="numpy")(names["algorithm"].body)  # type: ignore[attr-defined]
    (llvm,), (assembly,) = step.inspect_llvm().values(), step.inspect_asm().values()
    assert "vector.body" in llvm and re.search(r"fmul <\d+ x double>", llvm)
    assert not {"exp", "tanh", "sin", "cos", "atan", "pow", "log"} & set(re.findall(r"\w+", assembly))
