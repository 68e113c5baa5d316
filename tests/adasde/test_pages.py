"""Derivation pages as one hands them out: every formula valid, every line inside the page, in text and in LaTeX."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
import sympy as sp
from click.testing import CliRunner
from matplotlib.mathtext import MathTextParser

from adasde.cli import main
from adasde.derive import document, typesetting
from adasde.derive.expansion import derive
from adasde.derive.noise import Gaussian
from adasde.derive.notation import G, Z, eta, g, m, rho1, s, x
from adasde.derive.optimizers import registry
from adasde.derive.prose import escaped, formula, prose
from adasde.derive.typesetting import LINE, extent, latex, rows, text
from adasde.optimizers import models, names
from adasde.papers import papers

EXAMPLES = [f"examples/{name}.py:{name}" for name in ("heavy_ball", "lion", "signum")]
LAWS = ("gaussian", "student-t", "laplace", "empirical", "exponential", "mixture", "two-point")
FAST = [f"{optimizer} --model {model}" for optimizer in ("sgd", "rmsprop", "adam") for model in ("sde", "order2")]
FAST += [f"signsgd --model {model} --noise {law}" for model in ("sde", "order2") for law in LAWS[:3]]
FAST += [f"{optimizer} --noise {law}" for optimizer in ("rmsprop", "signsgd") for law in LAWS[3:]]
FAST += [f"{optimizer} --regime batch-equivalent" for optimizer in ("sgd", "rmsprop", "adam")]
FAST += [f"{optimizer} --covariance full" for optimizer in ("signsgd", "rmsprop", EXAMPLES[1])]
FAST += [
    f"{optimizer} --model {paper}" for paper in ("compagnoni2025", "malladi2022") for optimizer in ("rmsprop", "adam")
]
FAST += [f"{EXAMPLES[0]} --model order2", f"{EXAMPLES[2]} --noise laplace"]
ALL = [
    f"{optimizer} --model {model} --noise {law}"
    for optimizer in (*names(), *EXAMPLES)
    for model in ("sde", "order2")
    for law in LAWS[:4]
]
ALL += [f"{optimizer} --noise {law}" for optimizer in ("adam", EXAMPLES[1]) for law in LAWS[4:]]
ALL += [f"{optimizer} --model {model}" for optimizer in names() for model in models(optimizer)[3:]]
ALL += [
    f"{rule} --regime batch-equivalent{more}" for rule in (*names(), *EXAMPLES) for more in ("", " --state-dependent")
]
ALL += [f"{rule} --covariance full" for rule in (*names(), *EXAMPLES)]
OVERFULL = 5.0
"""Points by which TeX may find a line too wide: under two millimetres."""
PARSER = MathTextParser("agg")


def page(line: str, form: str) -> str | None:
    """What `adasde derive` prints; None where it refuses with a reason."""
    result = CliRunner().invoke(main, ["derive", *line.split(), "--format", form])
    if result.exit_code == 2 and result.output.startswith("Error: "):
        return None
    assert result.exit_code == 0, result.output
    return str(result.stdout)


def displayed(document: str) -> Iterator[str]:
    """The sides and lines of all displayed equations."""
    for block in re.findall(r"\\begin\{align\*\}\n(.*?)\n\\end\{align\*\}", document, re.DOTALL):
        for line in block.split(" \\\\\n"):
            yield from (part.strip() for part in re.split(r"&(?:\\quad \{\})?", line) if part.strip())


@pytest.mark.parametrize("line", FAST)
def test_latex_is_valid(line: str) -> None:
    """A whole document; every formula, displayed or in a sentence, is valid for mathtext, and what is left of the prose
    has no special character that is not escaped and no name of a symbol."""
    found = page(line, "latex")
    assert found is not None and found.startswith(r"\documentclass") and found.rstrip().endswith(r"\end{document}")
    assert found.count(r"\begin{") == found.count(r"\end{")
    formulas = list(displayed(found))
    assert len(formulas) >= 4
    body = re.sub(r"\\begin\{align\*\}.*?\\end\{align\*\}", "", found.split(r"\begin{document}")[1], flags=re.DOTALL)
    for piece in (*formulas, *re.findall(r"\$(.+?)\$", body)):
        # mathtext knows neither: the size of a bracket, and limits above and below an integral.
        PARSER.parse("$" + re.sub(r"\\Big(?=[()])|\\limits", "", piece) + "$")
    for sentence in re.sub(r"\$.+?\$", "", body).splitlines():
        plain = re.sub(r"\\[_%#&{}$~^]", "", sentence)
        assert not re.search(r"[_^&%#$~<>]", plain), sentence
        assert not re.search(r"\b(eta|rho\d|gamma\d|beta\d|sqrt|exp)\b", plain), sentence


@pytest.mark.parametrize("line", FAST)
def test_text_is_readable(line: str) -> None:
    """Steps numbered from 1, each with a rule, lines of at most `COLUMNS` characters, and none of sympy's own names."""
    found = page(line, "text")
    assert found is not None
    steps = re.findall(r"^(\d+)\. [A-Z][\w' -]*: \S", found, re.MULTILINE)
    assert steps == [str(n) for n in range(1, len(steps) + 1)] and len(steps) >= 2
    assert max(map(len, found.splitlines())) <= document.COLUMNS + 15
    assert not re.search(r"Derivative|Matrix|_sign\(|\broot\*|Dummy|zeta\*", found)


def compiled(line: str, folder: Path) -> list[float]:
    """By how many points TeX finds each line of the page too wide."""
    source = page(line, "latex")
    if source is None:
        return []
    (folder / "page.tex").write_text(source)
    run = ["pdflatex", "-interaction=nonstopmode", "-halt-on-error", "page.tex"]
    result = subprocess.run(run, cwd=folder, capture_output=True, text=True, errors="replace", timeout=60)
    assert result.returncode == 0, result.stdout[-1500:]
    return [float(width) for width in re.findall(r"Overfull \\hbox \(([\d.]+)pt", result.stdout)]


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("pdflatex") is None, reason="there is no pdflatex")
def test_pages_compile_inside_their_margins(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every page of every rule, law, model and regime; and without line breaks some would not fit."""
    wide = {
        line: widths
        for line in dict.fromkeys([*FAST, *ALL])
        if (widths := compiled(line, tmp_path)) and max(widths) > OVERFULL
    }
    assert not wide
    for module in (document, typesetting):
        monkeypatch.setattr(module, "LINE", 1e9)
    assert max(compiled("adam --model order2", tmp_path)) > OVERFULL


def test_order_of_writing() -> None:
    """Rates before states before noise, and a sum starts with what is added."""
    assert text(-eta * g + x) == "x - eta*g"
    assert text(eta * rho1 * (G + s * Z - m)) == "eta*rho1*(G + s*Z - m)"
    assert latex(1 - eta * rho1) == r"1 - \eta \rho_{1}"
    assert text(sp.Tuple(-m, sp.S.Zero, -G, eta)) == "-m - G + eta"


def test_long_formulas_are_broken_between_terms() -> None:
    """The lines together are the formula; each fits; a factor in front stays with its bracket."""
    terms = [sp.Symbol(f"y{n}") * (G + n) ** n for n in range(2, 12)]
    found = rows(sp.Add(*terms))
    assert len(found) > 1 and all(extent(line) <= LINE for line in found)
    inside = rows(eta / 7 * sp.Add(*terms))
    assert len(inside) > 1 and r"\Big(" in inside[0] and inside[-1].endswith(r"\Big)")
    assert rows(G + eta) == [latex(G + eta)]


SENTENCES = {
    "time before step k is t = eta (k - 1)": r"time before step $k$ is $t = \eta (k - 1)$",
    "tau^(3/2) d_m d_v vanishes": r"$\tau ^{3/2} \partial_{m} \partial_{v}$ vanishes",
    "rho2 fixed as eta -> 0": r"$\rho_{2}$ fixed as $\eta \to 0$",
    "needs s >> |G|": r"needs $s \gg |G|$",
    "34 % too large, a factor (in all)": r"34 \% too large, a factor (in all)",
    "the arcsine law of signs": "the arcsine law of signs",
    "needs Sigma (diagonal Sigma), or not": r"needs $\Sigma$ (diagonal $\Sigma$), or not",
    "drift: E h1 - (1/2) (grad b) b, of time": r"drift: $\mathrm{E}\, h_{1} - (1/2) (\nabla b) b$, of time",
}


@pytest.mark.parametrize("sentence", SENTENCES)
def test_formulas_in_prose(sentence: str) -> None:
    assert prose(sentence) == SENTENCES[sentence]


def test_references_keep_their_initials() -> None:
    """An initial is no symbol: references are escaped only."""
    assert escaped("E. Monzio & H. Robbins_1951") == r"E. Monzio \& H. Robbins\_1951"
    assert formula("sqrt(1 - r^2)/eta") == r"\sqrt{1 - r^{2}}/\eta"


def test_weak_orders_in_the_catalog() -> None:
    """`adasde list` says of every model the weak order that its equations carry."""
    found = json.loads(CliRunner().invoke(main, ["list", "--json"]).stdout)["optimizers"]
    for optimizer in names():
        rule, facts = registry()[optimizer], found[optimizer]
        derived = {derive(rule, Gaussian(), order).sde for order in (1, 2)}
        printed = {claims[optimizer].equations(Gaussian()) for claims in papers().values() if optimizer in claims}
        orders = {sde.model: sde.weak_order for sde in derived | printed}
        assert facts["weak_orders"] == {"algorithm": None} | orders
