"""How formulas are set: in which order factors and terms stand, under which names, and on lines that fit a page."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from typing import Any

import sympy as sp
from sympy.printing.latex import LatexPrinter
from sympy.printing.str import StrPrinter

from adasde.derive.functions import laplace_sign
from adasde.derive.model import Equation
from adasde.derive.notation import Z

LATEX_NAMES = {
    "eps": r"\epsilon",
    "Hb": r"\dot{G}",
    "sb": r"\dot{s}",
    "x_next": "x'",
    "m_next": "m'",
    "v_next": "v'",
    "Hess f": r"\nabla^{2} f\,",
    "grad s": r"\nabla s\,",
    "dt": r"\,\mathrm{d}t",
}
"""What sympy would not print this way by itself. Hb and sb are derivatives of G and s along the leading drift."""
FIRST = ("eta", "tau", "rho", "r", "beta", "theta", "gamma", "P")
LAST = ("m", "v", "x", "q", "Hess f", "G", "f", "grad s", "g", "s", "S", "Hb", "sb", "Z", "dt", "dW")
"""Factors stand in the order of these families, all others between the two; sympy sorts by name otherwise."""
SHORT = 6
"""Operations of an argument that is not worth a name."""
LEFT = 160.0
"""Width from which on a left-hand side is shortened."""
LINE = 410.0
"""Width of an equation in a step, in points of a ten-point article 160 mm wide."""


class _Order:
    """Sums that start with a positive term where they have one, symbols by their names without `in_order`'s rank."""

    def _as_ordered_terms(self, expression: sp.Expr, order: str | None = None) -> list[sp.Expr]:
        terms: list[sp.Expr] = super()._as_ordered_terms(expression, order)  # type: ignore[misc]
        if not terms[0].could_extract_minus_sign():
            return terms
        return sorted(terms, key=lambda term: term.could_extract_minus_sign())

    def _print_Symbol(self, symbol: sp.Symbol, **_: Any) -> str:
        return self._named(re.sub(r"^\d\d ", "", symbol.name))

    def _named(self, name: str) -> str:
        raise NotImplementedError


class _Text(_Order, StrPrinter):  # type: ignore[misc]
    def _print_student_t_sign(self, mean: sp.Function) -> str:
        y, nu = map(self._print, mean.args)
        return f"(2*F_t({y}, {nu}) - 1)"

    def _print_empirical_sign(self, mean: sp.Function) -> str:
        return str(self._print(sp.Function("E")(Z ** mean.args[1] * sp.sign(Z + mean.args[0]))))

    def _print_Function(self, function: sp.Function) -> str:
        arguments = self.stringify(function.args, ", ")
        return f"E[{arguments}]" if function.func.__name__ == "E" else f"{function.func.__name__}({arguments})"

    def _named(self, name: str) -> str:
        return name


class _Latex(_Order, LatexPrinter):  # type: ignore[misc]
    def _print_Function(self, function: sp.Function, exp: str | None = None) -> str:
        if function.func.__name__ != "E":
            return str(super()._print_Function(function, exp))
        return rf"\mathrm{{E}}\left[{self._print(function.args[0])}\right]"

    def _named(self, name: str) -> str:
        if name in LATEX_NAMES:
            return LATEX_NAMES[name]
        if name.startswith("Delta "):
            return r"\Delta " + self._named(name.removeprefix("Delta "))
        entry = re.fullmatch(r"(\w+'?)\[(.*)\]", name)
        if entry:
            return f"{self._named(entry[1])}[{self._named(entry[2])}]"
        if re.fullmatch(r"d_\w(\^\d)?( d_\w(\^\d)?)*", name):
            return name.replace("d_", r"\partial_")
        differential = re.fullmatch(r"d([a-zA-Z])(\d*)", name)
        if differential:
            space = r"\," if differential[1] == "W" else ""
            return rf"{space}\mathrm{{d}}{differential[1]}" + (f"_{{{differential[2]}}}" if differential[2] else "")
        return str(self._deal_with_super_sub(name))


def in_order(expression: sp.Basic) -> sp.Basic:
    """The expression with symbols whose names sort as `FIRST` and `LAST` say, and closed forms where there are some."""
    expression = expression.replace(laplace_sign, lambda c, n: laplace_sign(c, n).closed_form())
    symbols = expression.atoms(sp.Symbol)
    return expression.xreplace({y: type(y)(f"{_rank(y.name):02d} {y.name}", **y.assumptions0) for y in symbols})


def _rank(name: str) -> int:
    family = name if name in LAST else re.sub(r"'*[\d']*(_\w+)?$", "", name)
    if family in FIRST:
        return 10 + FIRST.index(family)
    return 60 + LAST.index(family) if family in LAST else 40


def text(item: sp.Basic | str) -> str:
    """The expression as plain text; the terms of a tuple stand in its own order."""
    if isinstance(item, sp.Tuple):
        return signed(map(text, item))
    return item if isinstance(item, str) else str(_Text().doprint(in_order(item)))


def latex(item: sp.Basic | str) -> str:
    """The expression as LaTeX."""
    if isinstance(item, sp.Tuple):
        return signed(map(latex, item))
    return (
        rf"\text{{{item}}}"
        if isinstance(item, str)
        else str(_Latex({"fold_frac_powers": True, "inv_trig_style": "full"}).doprint(in_order(item)))
    )


def signed(terms: Iterable[str]) -> str:
    """The terms as one sum, without those that are 0."""
    found = [term for term in terms if term != "0"] or ["0"]
    rest = "".join(f" - {term[1:].strip()}" if term.startswith("-") else f" + {term}" for term in found[1:])
    return found[0] + rest


def rows(expression: sp.Basic, room: float = LINE) -> list[str]:
    """LaTeX of the expression on as many lines as its width needs: broken between terms, and inside a long factor."""
    whole = latex(expression)
    if extent(whole) <= room or not isinstance(expression, sp.Expr | sp.Tuple):
        return [whole]
    if isinstance(expression, sp.Tuple):
        return _packed([term for term in expression if term != 0], room)
    if expression.is_Add:
        return _packed(_Latex()._as_ordered_terms(expression), room)
    sums = [factor for factor in sp.Mul.make_args(expression) if factor.is_Add]
    if not sums:
        return [whole]
    longest = max(sums, key=lambda factor: extent(latex(factor)))
    front = latex(expression / longest)
    front = "" if front == "1" else "- " if front == "-1" else front
    inner = rows(longest, room - extent(front) - 10)
    return [rf"{front} \Big({inner[0]}", *inner[1:-1], rf"{inner[-1]} \Big)"] if len(inner) > 1 else [whole]


def fitted(equations: Iterable[Equation]) -> list[Equation]:
    """The equations, and before them names A1, A2, ... for arguments too wide that no line break can cut."""
    found: list[Equation] = []
    names: dict[sp.Basic, sp.Symbol] = {}

    def shortened(side: sp.Basic | str, too_wide: Callable[[sp.Basic], bool]) -> sp.Basic | str:
        if isinstance(side, str):
            return side
        side = side.xreplace(names)
        while too_wide(side) and (arguments := _arguments(side)):
            longest = max(arguments, key=lambda argument: (extent(latex(argument)), str(argument)))
            names[longest] = sp.Symbol(f"A{len(names) + 1}", positive=longest.is_positive)
            found.append((names[longest], longest))
            side = side.xreplace(names)
        return side

    sides = [(shortened(left, lambda side: extent(latex(side)) > LEFT), right) for left, right in equations]
    room = LINE - max((extent(latex(left)) for left, _ in sides), default=0.0)
    for left, right in sides:
        found.append((left, shortened(right, lambda side: max(map(extent, rows(side, room))) > room)))
    return found


def _arguments(expression: sp.Basic) -> set[sp.Basic]:
    """Arguments of functions, exponents and what stands under roots or symbolic powers, where they are long."""
    inner = {argument for function in expression.atoms(sp.Function) for argument in function.args}
    inner |= {part for power in expression.atoms(sp.Pow) if not power.exp.is_Integer for part in power.args}
    return {part for part in inner if sp.count_ops(part) > SHORT}


def _packed(terms: list[sp.Expr], room: float) -> list[str]:
    """Rows of as many terms as fit each."""
    found: list[str] = []
    for term in terms:
        pieces = rows(term, room)
        if found and not pieces[0].startswith("-"):
            pieces[0] = f"+ {pieces[0]}"
        if found and len(pieces) == 1 and extent(f"{found[-1]} {pieces[0]}") <= room:
            found[-1] += f" {pieces[0]}"
        else:
            found += pieces
    return found


WIDTHS = {
    "+": 13.0,
    "-": 13.0,
    "=": 13.0,
    "(": 4.0,
    ")": 4.0,
    ",": 4.5,
    "[": 3.0,
    "]": 3.0,
    "|": 3.0,
    " ": 0.0,
    "'": 3.0,
}
SMALL = 0.72
"""Size of sub- and superscripts."""


def extent(formula: str) -> float:
    """About how many points wide a displayed formula is set at ten points."""
    return _extent(formula, display=True)


def _extent(formula: str, display: bool) -> float:
    width, at = 0.0, 0
    while at < len(formula):
        command = re.compile(r"\\[a-zA-Z]+|\\.").match(formula, at)
        if command and command[0] == r"\frac":
            upper, at = _argument(formula, command.end())
            lower, at = _argument(formula, at)
            width += (1 if display else SMALL) * max(_extent(upper, False), _extent(lower, False)) + 3
        elif command and command[0] in (r"\operatorname", r"\mathrm", r"\text"):
            name, at = _argument(formula, command.end())
            width += 5.2 * len(name) + 2
        elif command:
            at = command.end()
            width += {r"\left": 1.0, r"\right": 1.0, r"\sqrt": 9.0, r"\Big": 2.0, r"\partial": 6.0}.get(command[0], 6.0)
        elif formula[at] in "^_":
            script, at = _argument(formula, at + 1)
            width += SMALL * _extent(script, False)
        else:
            width += WIDTHS.get(formula[at], 0.0 if formula[at] in "{}" else 5.6)
            at += 1
    return width


def _argument(formula: str, at: int) -> tuple[str, int]:
    """A braced group or a single character, and where it ends."""
    if formula[at : at + 1] != "{":
        return formula[at : at + 1], at + 1
    depth, end = 0, at
    while end < len(formula):
        depth += {"{": 1, "}": -1}.get(formula[end], 0)
        end += 1
        if depth == 0:
            break
    return formula[at + 1 : end - 1], end
