"""A derivation as a page: numbered steps in text or LaTeX, and the model as JSON-ready data."""

from __future__ import annotations

import textwrap
from dataclasses import dataclass, field
from typing import Any

import sympy as sp

from adasde.derive import notation
from adasde.derive.citations import citation
from adasde.derive.functions import Expectation, laplace_sign, student_t_sign
from adasde.derive.model import SDE, Derivation, Step
from adasde.derive.obstruction import Obstructions
from adasde.derive.rule import UpdateRule
from adasde.derive.scalings import S

LATEX_NAMES = {
    notation.eps: r"\epsilon",
    sp.Symbol("x_next"): "x'",
    sp.Symbol("m_next"): "m'",
    sp.Symbol("v_next"): "v'",
    notation.Hb: "Hb",
    notation.sb: r"\dot{s}",
}


EXPANSION = "E u(y + Delta) = u + tau D1 u + tau^(3/2) D' u + tau^2 D2 u + ..."


@dataclass(frozen=True)
class Published:
    """How one published form relates to the derivation: published - derived, and the finding in words."""

    title: str
    remark: str
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


def derivation_page(derivation: Derivation, published: list[Published]) -> Page:
    """A derivation: what it assumes and drops, how published forms differ, and where rule and equations come from."""
    sde = derivation.sde
    notes = [("Assumes", note) for note in sde.assumptions] + [("Drops", note) for note in sde.dropped]
    notes += [("Rule", citation(derivation.rule.cite)), ("Source", sde.provenance)]
    subject = f"model {sde.model}, {sde.law.name} noise, weak order {sde.weak_order}"
    return Page(derivation.rule.title, subject, derivation.steps, tuple(notes), tuple(published))


def obstruction_page(rule: UpdateRule, found: Obstructions) -> Page:
    """The batch-equivalent scaling of a rule: its generators, what obstructs order two, and which laws do not."""
    chain, expansion = found.chain, found.expansion
    moved = tuple(
        (sp.Symbol(f"Delta_{y}"), primed(change)) for y, change in zip(chain.states, chain.changes, strict=True)
    )
    kept = expansion.correction.of_order(1, 2)
    steps = [
        Step("Step", "one step in this scaling, root = sqrt(tau), tau the time of a step, E Z = 0, E Z^2 = 1", moved),
        *([Step("Names", "recurring expressions", chain.named)] if chain.named else []),
        Step(
            "Order one",
            "L0 = D1 in E u(y + Delta) = u + tau D1 u + tau^(3/2) D' u + tau^2 D2 u",
            _terms(expansion.leading),
        ),
        Step("Half order", "D': what skewness leaves behind", _terms(expansion.half)),
        Step("Correction", "the part of L1 = D2 - D1 D1/2 that a diffusion can have", _terms(kept)),
        Step("Obstruction", "the part of third or higher order, which no Ito SDE has", _terms(expansion.obstruction)),
    ]
    notes = [(f"tau^{term.power} {term.derivative}", _removal(term.removed_by)) for term in found.terms]
    return Page(
        rule.title,
        "batch-equivalent scaling, weak order two: "
        + ("exists under the laws below" if found.possible else "impossible"),
        tuple(steps),
        (*notes, ("Noise laws without any of these", ", ".join(found.laws) or "none")),
    )


def _removal(conditions: tuple[sp.Expr, ...]) -> str:
    return (
        "vanishes if " + " or ".join(f"{primed(c)} = 0" for c in conditions)
        if conditions
        else "vanishes under no noise law"
    )


def _terms(operator: Any) -> tuple[tuple[sp.Symbol, sp.Expr], ...]:
    named = operator.named_terms()
    return tuple((sp.Symbol(name), primed(c)) for name, c in named) or ((sp.Symbol("D"), sp.S.Zero),)


def primed(expression: sp.Expr) -> sp.Expr:
    """f', f'', ... and S, S', ... in place of derivatives of f(x) and S(x)."""
    x = notation.x
    derivatives = expression.atoms(sp.Derivative)
    names = {d: sp.Symbol(d.expr.func.__name__ + "'" * d.derivative_count) for d in derivatives if d.variables[0] == x}
    return expression.xreplace(names).replace(S, sp.Symbol("S"))


def as_text(page: Page) -> str:
    """The page in plain text."""
    lines = [page.title, page.subject, ""]
    for number, step in enumerate(page.steps, 1):
        lines.append(f"{number}. {step.title}: {step.reason}")
        lines += [f"     {_plain(left)} = {_plain(right)}" for left, right in step.equations]
    lines.append("")
    closing = [note for note in page.notes if note[0] in ("Rule", "Source")]
    lines += [line for note in page.notes if note not in closing for line in _paragraph(*note)]
    for paper in page.published:
        lines += _paragraph("Published", f"{paper.title}: {paper.remark}")
        lines += [
            f"     published - derived, {name}: {_plain(part)}"
            for name, part in _parts(paper)
            if not part.is_zero_matrix
        ]
    return "\n".join([*lines, *(f"{label}: {text}" for label, text in closing)])


def as_latex(page: Page) -> str:
    """The page as a LaTeX document that compiles with amsmath alone."""
    body = [
        rf"\section*{{{prose(page.title)}}}",
        prose(page.subject) + ".",
        r"\begin{enumerate}",
        *(_latex_step(step) for step in page.steps),
        r"\end{enumerate}",
        *(rf"\paragraph{{{prose(label)}}} {prose(text)}." for label, text in page.notes),
    ]
    for paper in page.published:
        body.append(rf"\paragraph{{Published}} {prose(paper.title)}: {prose(paper.remark)}.")
        body += [
            _display(sp.Symbol(rf"\Delta_{{\text{{{name}}}}}"), part)
            for name, part in _parts(paper)
            if not part.is_zero_matrix
        ]
    preamble = "\\documentclass{article}\n\\usepackage{amsmath}\n\\allowdisplaybreaks\n\\begin{document}\n"
    return preamble + "\n".join(body) + "\n\\end{document}"


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
    """A printed model as steps: its names, drift and diffusion. There is no derivation to show."""
    names = (Step("Names", "as printed", sde.named),) if sde.named else ()
    equations = Step("Equations", "as printed", (("drift", sde.drift), ("diffusion", sde.diffusion)))
    return (*names, equations, Step("Covariance", "of one unit of time", (("Cov", sde.covariance),)))


def _parseable(expression: sp.Expr) -> str:
    expression = expression.replace(student_t_sign, lambda y, nu: student_t_sign(y, nu).rewrite(sp.hyper))
    expression = expression.replace(laplace_sign, lambda c, n: laplace_sign(c, n).closed_form())
    return str(expression.replace(Expectation, lambda h, f: Expectation(h, f).as_integral()))


def _plain(item: sp.Basic | str) -> str:
    if isinstance(item, sp.MatrixBase):
        rows = ["[" + ", ".join(str(entry) for entry in row) + "]" for row in item.tolist()]
        return rows[0] if len(rows) == 1 else "[" + ", ".join(rows) + "]"
    return str(item)


def _paragraph(label: str, note: str) -> list[str]:
    return textwrap.wrap(f"{label}: {note}", 110, subsequent_indent="    ")


def _parts(paper: Published) -> list[tuple[str, sp.Matrix]]:
    return [("drift", paper.drift), ("covariance", paper.covariance)]


def _latex(item: sp.Basic | str) -> str:
    return rf"\text{{{item}}}" if isinstance(item, str) else str(sp.latex(item, symbol_names=LATEX_NAMES))


def _display(left: sp.Basic | str, right: sp.Basic) -> str:
    return rf"\[ {_latex(left)} = {_latex(right)} \]"


def _latex_step(step: Step) -> str:
    equations = "\n".join(_display(left, right) for left, right in step.equations)
    return rf"\item \textbf{{{step.title}}}: {prose(step.reason)}." + "\n" + equations


def prose(text: str) -> str:
    """Text with LaTeX's special characters escaped."""
    special = {"\\": r"\textbackslash{}", "_": r"\_", "^": r"\^{}", "&": r"\&", "%": r"\%", "#": r"\#", "$": r"\$"}
    special |= {"~": r"\~{}", "{": r"\{", "}": r"\}", ">": r"$>$", "<": r"$<$"}
    return "".join(special.get(character, character) for character in text)
