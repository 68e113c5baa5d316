"""A derivation as a page: numbered steps in text or LaTeX, and the model as JSON-ready data."""

from __future__ import annotations

import re
import textwrap
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import sympy as sp

from adasde.derive import notation
from adasde.derive.citations import citation
from adasde.derive.correlation import SIGNS, STATE_DEPENDENT, between, correlation_steps
from adasde.derive.functions import Expectation, laplace_sign, student_t_sign
from adasde.derive.generator import root
from adasde.derive.model import SDE, Derivation, Equation, Step
from adasde.derive.obstruction import Obstructions
from adasde.derive.prose import escaped, prose
from adasde.derive.rule import UpdateRule
from adasde.derive.scalings import S
from adasde.derive.steps import DIAGONAL, covariances, equations
from adasde.derive.typesetting import LINE, extent, fitted, latex, rows, text

COLUMNS = 100
"""Width of plain text."""
EXPANSION = "E u(y + Delta) = u + tau D1 u + tau^(3/2) D' u + tau^2 D2 u + ..."
PREAMBLE = r"""\documentclass{article}
\usepackage{amsmath}
\setlength{\textwidth}{160mm} \setlength{\oddsidemargin}{0mm}
\setlength{\textheight}{235mm} \setlength{\topmargin}{-15mm}
\setlength{\jot}{5pt} \raggedbottom
\allowdisplaybreaks
\begin{document}
"""


@dataclass(frozen=True)
class Published:
    """How one published form relates to the derivation: published - derived, and the finding in words."""

    title: str
    remark: str
    states: tuple[sp.Symbol, ...]
    drift: sp.Matrix
    covariance: sp.Matrix


@dataclass(frozen=True)
class Page:
    """What is printed: a title, what it is about, numbered steps, and labelled notes, some with equations."""

    title: str
    subject: str
    steps: tuple[Step, ...]
    notes: tuple[tuple[str, str], ...]
    published: tuple[Published, ...] = field(default=())


def derivation_page(derivation: Derivation, published: list[Published], full: bool = False) -> Page:
    """A derivation: what it assumes and drops, how published forms differ, and where rule and equations come from.

    full  with the steps for noise that is correlated between coordinates
    """
    sde, steps = derivation.sde, derivation.steps
    if full:
        steps = (*steps, *correlation_steps(derivation))
    notes = [("Assumes", note) for note in _assumed(sde, full)] + [("Drops", note) for note in sde.dropped]
    notes += [("Rule", citation(derivation.rule.cite)), ("Source", sde.provenance)]
    subject = f"model {sde.model}, {sde.law.name} noise, weak order {sde.weak_order}"
    return Page(derivation.rule.title, subject, steps, tuple(notes), tuple(published))


def _assumed(sde: SDE, full: bool) -> list[str]:
    if not full:
        return list(sde.assumptions)
    notes = [note.replace(DIAGONAL, "independent between steps, with covariance Sigma") for note in sde.assumptions]
    return [*notes, STATE_DEPENDENT]


def obstruction_page(rule: UpdateRule, found: Obstructions) -> Page:
    """The batch-equivalent scaling of a rule: its generators, what obstructs order two, and which laws do not."""
    chain, expansion = found.chain, found.expansion
    moved = tuple(
        (sp.Symbol(f"Delta_{y}"), primed(_shorter(change)))
        for y, change in zip(chain.states, chain.changes, strict=True)
    )
    kept, stays = expansion.correction.of_order(1, 2), expansion.obstruction
    steps = [
        Step("Step", "the change of each state in a step, a time tau; E Z = 0, E Z^2 = 1", moved),
        *([Step("Names", "expressions that recur", chain.named)] if chain.named else []),
        Step("Order one", f"L0 = D1 in {EXPANSION}; L0[d] is the coefficient of d", _terms("L0", expansion.leading)),
        Step(
            "Half order",
            "D', what skewness leaves behind: no SDE in powers of tau has it",
            _terms("D'", expansion.half),
        ),
        Step("Correction", "L1 = D2 - D1 D1/2, the part of it that a diffusion can have", _terms("L1", kept)),
        Step("Obstruction", "the part of L1 of third or higher order, which no Ito SDE has", _terms("L1", stays)),
    ]
    notes = [
        ("Obstruction", f"tau^{_power(term.power)} {term.derivative} {_removal(term.removed_by)}")
        for term in found.terms
    ]
    return Page(
        rule.title,
        "batch-equivalent scaling, weak order two: "
        + ("exists under the laws below" if found.possible else "impossible"),
        tuple(steps),
        (*notes, ("Noise laws without any of these", ", ".join(found.laws) or "none")),
    )


def _power(n: sp.Rational) -> str:
    return str(n) if n.is_Integer else f"({n})"


def _removal(conditions: tuple[sp.Expr, ...]) -> str:
    return (
        "vanishes if " + " or ".join(_equation(primed(c)) for c in conditions)
        if conditions
        else "vanishes under no noise law"
    )


def _equation(vanishing: sp.Expr) -> str:
    """``M4 = 3`` for M4 - 3, else ``expression = 0``."""
    constant, rest = vanishing.as_coeff_Add()
    return f"{text(rest)} = {-constant}"


def _terms(name: str, operator: Any) -> tuple[Equation, ...]:
    named = operator.named_terms()
    return tuple((sp.Symbol(f"{name}[{d}]"), primed(_shorter(c))) for d, c in named) or ((sp.Symbol(name), sp.S.Zero),)


def _shorter(expression: sp.Expr) -> sp.Expr:
    """The expression, its factored form, or a sum with the common factors before it: what has the fewest operations."""
    expanded = sp.expand(expression)
    return min((expression, sp.factor_terms(expanded), sp.factor(expanded)), key=sp.count_ops)


def primed(expression: sp.Expr) -> sp.Expr:
    """f', f'', ... and S, S', ... in place of derivatives of f(x) and S(x), and sqrt(tau) for its name."""
    x = notation.x
    derivatives = expression.atoms(sp.Derivative)
    names = {d: sp.Symbol(d.expr.func.__name__ + "'" * d.derivative_count) for d in derivatives if d.variables[0] == x}
    return expression.xreplace(names).replace(S, sp.Symbol("S")).subs(root, sp.sqrt(sp.Symbol("tau", positive=True)))


def as_text(page: Page) -> str:
    """The page in plain text."""
    lines = [page.title, page.subject, ""]
    for number, step in enumerate(page.steps, 1):
        lines += textwrap.wrap(f"{number}. {step.title}: {step.reason}", COLUMNS, subsequent_indent="   ")
        lines += _plain(step.equations)
    lines.append("")
    closing = [note for note in page.notes if note[0] in ("Rule", "Source")]
    lines += [line for note in page.notes if note not in closing for line in _paragraph(*note)]
    for paper in page.published:
        lines += _paragraph("Published", _finding(paper)) + _plain(_gaps(paper))
    return "\n".join([*lines, *(line for note in closing for line in _paragraph(*note))])


def as_latex(page: Page) -> str:
    """The page as a LaTeX document that compiles with amsmath alone."""
    body = [
        rf"\section*{{{prose(page.title)}}}",
        prose(page.subject.capitalize()) + ".",
        r"\begin{enumerate}",
        *(rf"\item \textbf{{{step.title}}}: {prose(step.reason)}." + _aligned(step.equations) for step in page.steps),
        r"\end{enumerate}",
    ]
    for label in dict.fromkeys(label for label, _ in page.notes):
        notes = [note for other, note in page.notes if other == label]
        # A reference is no place to look for formulas: authors have initials.
        written = [escaped(note) if label in ("Rule", "Source") else prose(note) for note in notes]
        body.append(rf"\paragraph{{{prose(label)}.}} " + (f"{written[0]}." if len(written) == 1 else _items(written)))
    for paper in page.published:
        body.append(rf"\paragraph{{Published.}} {escaped(paper.title)}: {prose(_finding(paper, title=False))}.")
        body.append(_aligned(_gaps(paper)))
    return PREAMBLE + "\n".join(body) + "\n\\end{document}"


def _finding(paper: Published, title: bool = True) -> str:
    legend = "; Delta is published minus derived" if _gaps(paper) else ""
    return (f"{paper.title}: " if title else "") + paper.remark + legend


def _gaps(paper: Published) -> tuple[Equation, ...]:
    """The entries of published - derived that are not zero."""
    drift = [(f"b_{y}", gap) for y, gap in zip(paper.states, paper.drift, strict=True)]
    n = len(paper.states)
    pairs = [(i, j) for i in range(n) for j in range(i, n)]
    a = [(f"a_{paper.states[i]}{paper.states[j]}", paper.covariance[i, j]) for i, j in pairs]
    return tuple((sp.Symbol(f"Delta {name}"), gap) for name, gap in (*drift, *a) if gap != 0)


def _items(sentences: list[str]) -> str:
    return "\n".join([r"\begin{itemize}", *(rf"\item {sentence}." for sentence in sentences), r"\end{itemize}"])


def _aligned(equations: Sequence[Equation]) -> str:
    """Displayed equations, aligned at the equals signs, those too long for a line broken."""
    lines, shown = [], fitted(equations)
    room = LINE - max((extent(latex(left)) for left, _ in shown), default=0.0)
    for left, right in shown:
        first, *others = rows(right, room)
        lines += [f"{latex(left)} &= {first}", *(rf"&\quad {{}} {other}" for other in others)]
    return "\n\\begin{align*}\n" + " \\\\\n".join(lines) + "\n\\end{align*}" if lines else ""


def _plain(equations: Sequence[Equation]) -> list[str]:
    """Equations in plain text, long ones broken between terms."""
    return [line for left, right in equations for line in _broken(f"{text(left)} = {text(right)}")]


def _broken(equation: str) -> list[str]:
    """The equation on lines of at most `COLUMNS` characters where spaces, or brackets in a product, allow it."""
    lines, indent = [" " * 5], " " * 9
    for piece in re.split(r"(?<= )|(?<=[*/])(?=\()", equation):
        if len(lines[-1]) + len(piece.rstrip()) > COLUMNS and lines[-1].strip():
            lines.append(indent)
        lines[-1] += piece
    return [line.rstrip() for line in lines]


def correlation_data(derivation: Derivation) -> dict[str, Any]:
    """What ``adasde derive --covariance full --format json`` adds: a step's covariance between coordinates i and j, of
    the state in the row and that in the column, and the correlation of their Brownian motions (null: not known)."""
    found = between(derivation)
    signs = {} if found.signs is None else {SIGNS: found.signs[0]}

    def written(matrix: sp.Matrix) -> list[list[str]]:
        return [[_parseable(entry.xreplace(signs)) for entry in row] for row in matrix.tolist()]

    motions = None if found.motions is None else written(found.motions)
    signal = None if found.signal is None else _parseable(found.signal)
    joint = {"covariance": written(found.step), "motions": motions, "q": signal}
    return {"between_coordinates": joint, "assumptions": _assumed(derivation.sde, full=True)}


def as_data(sde: SDE) -> dict[str, Any]:
    """The contract of ``adasde derive --format json``; every expression parses with sympy's parse_expr."""
    drift, diffusion, covariance = sde.full_drift, sde.full_diffusion, sde.full_covariance
    free = drift.free_symbols | diffusion.free_symbols | {*sde.states, *sde.inputs}
    known = [notation.MEANINGS[symbol] for symbol in notation.MEANINGS if symbol in free]
    numbers = [q for q in sde.law.parameters if q in free and q not in notation.MEANINGS]
    known += [notation.Meaning(str(q), f"number of the {sde.law.name} noise law", "1") for q in numbers]
    return {
        "optimizer": sde.optimizer,
        "model": sde.model,
        "noise": sde.law.name,
        "states": [str(state) for state in sde.states],
        "drift": [_parseable(entry) for entry in drift],
        "diffusion": [[_parseable(entry) for entry in row] for row in diffusion.tolist()],
        "covariance": [[_parseable(entry) for entry in row] for row in covariance.tolist()],
        "symbols": [{"name": s.name, "meaning": s.meaning, "units": s.units} for s in known],
        "parameters": [str(symbol) for symbol in sde.parameters],
        "inputs": [str(symbol) for symbol in sde.inputs],
        "along": None if sde.along is None else _parseable(sde.expand_names(sde.along)),
        "weak_order": sde.weak_order,
        "assumptions": list(sde.assumptions),
        "dropped": list(sde.dropped),
        "provenance": sde.provenance,
    }


def obstruction_data(rule: UpdateRule, found: Obstructions) -> dict[str, Any]:
    """The batch-equivalent scaling for ``adasde derive --format json``; operators as {derivative: coefficient}."""
    expansion = found.expansion
    parts = {
        "leading": expansion.leading,
        "half_order": expansion.half,
        "correction": expansion.correction.of_order(1, 2),
        "obstruction": expansion.obstruction,
    }
    operators = {name: {d: str(c) for d, c in operator.named_terms()} for name, operator in parts.items()}
    removed = {f"tau^{t.power} {t.derivative}": [str(c) for c in t.removed_by] for t in found.terms}
    states = [str(y) for y in found.chain.states]
    named = {str(name): str(value) for name, value in found.chain.named}
    verdict = {"removed_by": removed, "order_two_possible": found.possible, "laws": list(found.laws)}
    return (
        {"optimizer": rule.name, "regime": "batch-equivalent", "states": states, "named": named} | operators | verdict
    )


def published_steps(sde: SDE) -> tuple[Step, ...]:
    """A printed model as steps: its names, its equations and their covariance. There is no derivation to show."""
    names = (Step("Names", "as printed", sde.named),) if sde.named else ()
    printed = Step("Equations", "as printed", equations(sde))
    return (*names, printed, Step("Covariance", "a = B B^T, of one unit of time", covariances(sde)))


def _parseable(expression: sp.Expr) -> str:
    expression = expression.replace(student_t_sign, lambda y, nu: student_t_sign(y, nu).rewrite(sp.hyper))
    expression = expression.replace(laplace_sign, lambda c, n: laplace_sign(c, n).closed_form())
    return str(expression.replace(Expectation, lambda h, f: Expectation(h, f).as_integral()))


def _paragraph(label: str, note: str) -> list[str]:
    return textwrap.wrap(f"{label}: {note}", COLUMNS, subsequent_indent="    ", break_on_hyphens=False)
