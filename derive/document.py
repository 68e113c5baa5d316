"""A derivation as a page: numbered steps in text or LaTeX, and the model as JSON-ready data."""

from __future__ import annotations

import textwrap
from dataclasses import dataclass
from typing import Any

import sympy as sp

from adasde.derive import notation
from adasde.derive.citations import citation
from adasde.derive.functions import student_t_sign
from adasde.derive.model import SDE, Derivation, Step

LATEX_NAMES = {
    notation.eps: r"\epsilon",
    sp.Symbol("x_next"): "x'",
    sp.Symbol("m_next"): "m'",
    sp.Symbol("v_next"): "v'",
}


@dataclass(frozen=True)
class Published:
    """How one published form relates to the derivation: published - derived, and the finding in words."""

    title: str
    remark: str
    drift: sp.Matrix
    covariance: sp.Matrix


def as_text(derivation: Derivation, published: list[Published]) -> str:
    """The derivation as numbered steps in plain text."""
    sde = derivation.sde
    lines = [f"{derivation.rule.title}", f"model {sde.model}, {sde.law.name} noise, weak order {sde.weak_order}", ""]
    for number, step in enumerate(derivation.steps, 1):
        lines.append(f"{number}. {step.title}: {step.reason}")
        lines += [f"     {_plain(left)} = {_plain(right)}" for left, right in step.equations]
    lines += ["", *_paragraphs("Assumes", sde.assumptions), *_paragraphs("Drops", sde.dropped)]
    for paper in published:
        lines += _paragraphs("Published", (f"{paper.title}: {paper.remark}",))
        lines += [
            f"     published - derived, {name}: {_plain(part)}"
            for name, part in _parts(paper)
            if not part.is_zero_matrix
        ]
    return "\n".join([*lines, f"Rule: {citation(derivation.rule.cite)}", f"Source: {sde.provenance}"])


def as_latex(derivation: Derivation, published: list[Published]) -> str:
    """The derivation as a LaTeX document that compiles with amsmath alone."""
    sde = derivation.sde
    body = [
        rf"\section*{{{prose(derivation.rule.title)}}}",
        rf"Model \texttt{{{sde.model}}}, {sde.law.name} noise, weak order {sde.weak_order}.",
        r"\begin{enumerate}",
        *(_latex_step(step) for step in derivation.steps),
        r"\end{enumerate}",
        rf"\paragraph{{Rule}} {prose(citation(derivation.rule.cite))}.",
        *(rf"\paragraph{{Assumes}} {prose(note)}." for note in sde.assumptions),
        *(rf"\paragraph{{Drops}} {prose(note)}." for note in sde.dropped),
    ]
    for paper in published:
        body.append(rf"\paragraph{{Published}} {prose(paper.title)}: {prose(paper.remark)}.")
        body += [
            _display(sp.Symbol(rf"\Delta_{{\text{{{name}}}}}"), part)
            for name, part in _parts(paper)
            if not part.is_zero_matrix
        ]
    preamble = "\\documentclass{article}\n\\usepackage{amsmath}\n\\begin{document}\n"
    return preamble + "\n".join(body) + "\n\\end{document}"


def as_data(sde: SDE) -> dict[str, Any]:
    """The contract of ``adasde derive --format json``; every expression parses with sympy's parse_expr."""
    drift, diffusion, covariance = sde.full_drift, sde.full_diffusion, sde.full_covariance
    free = drift.free_symbols | diffusion.free_symbols | {*sde.states, *sde.inputs}
    known = [notation.MEANINGS[symbol] for symbol in notation.MEANINGS if symbol in free]
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
        "weak_order": sde.weak_order,
        "assumptions": list(sde.assumptions),
        "dropped": list(sde.dropped),
        "provenance": sde.provenance,
    }


def published_steps(sde: SDE) -> tuple[Step, ...]:
    """A printed model as steps: its names, drift and diffusion. There is no derivation to show."""
    names = (Step("Names", "as printed", sde.named),) if sde.named else ()
    equations = Step("Equations", "as printed", (("drift", sde.drift), ("diffusion", sde.diffusion)))
    return (*names, equations, Step("Covariance", "of one unit of time", (("Cov", sde.covariance),)))


def _parseable(expression: sp.Expr) -> str:
    return str(expression.replace(student_t_sign, lambda y, nu: student_t_sign(y, nu).rewrite(sp.hyper)))


def _plain(item: sp.Basic | str) -> str:
    if isinstance(item, sp.MatrixBase):
        rows = ["[" + ", ".join(str(entry) for entry in row) + "]" for row in item.tolist()]
        return rows[0] if len(rows) == 1 else "[" + ", ".join(rows) + "]"
    return str(item)


def _paragraphs(label: str, notes: tuple[str, ...]) -> list[str]:
    return [line for note in notes for line in textwrap.wrap(f"{label}: {note}", 110, subsequent_indent="    ")]


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
