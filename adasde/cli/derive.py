"""`adasde derive`: a derivation as text, LaTeX or JSON."""

from __future__ import annotations

import json

import click

from adasde.errors import NoModel, UnknownName


@click.command("derive")
@click.argument("optimizer")
@click.option("--noise", default="gaussian", show_default=True, help="Noise law: gaussian, student-t, or student-t:NU.")
@click.option(
    "--model", default="sde", show_default=True, help="`sde` (derived) or a published model by its paper's key."
)
@click.option("--format", "form", type=click.Choice(["text", "latex", "json"]), default="text", show_default=True)
def command(optimizer: str, noise: str, model: str, form: str) -> None:
    """Print the derivation of OPTIMIZER's SDE: rule, scaling, one-step increment, its mean and covariance, drift and
    diffusion, assumptions, and what published forms drop."""
    from adasde.derive.document import as_data, as_latex, as_text
    from adasde.derive.expansion import derive
    from adasde.derive.optimizers import registry

    if optimizer not in registry():
        raise UnknownName("optimizer", optimizer, registry())
    rule, law = registry()[optimizer], parse_law(noise)
    if model == "sde":
        derivation = derive(rule, law)
        published = _published(optimizer, law)
    else:
        derivation, published = _printed(optimizer, model, law), []
    if form == "json":
        click.echo(json.dumps(as_data(derivation.sde), indent=2))
    else:
        click.echo((as_text if form == "text" else as_latex)(derivation, published))


def parse_law(text: str):  # type: ignore[no-untyped-def]
    """``gaussian``, ``student-t`` or ``student-t:NU`` as a law for sympy; a scale may follow and is ignored."""
    import sympy as sp

    from adasde.derive.laws import LAWS
    from adasde.derive.noise import StudentT
    from adasde.domain import checked
    from adasde.noise import parse_noise

    name, *fields = text.split(":")
    if name not in LAWS:
        raise UnknownName("noise law", name, LAWS)
    if len(fields) > (name == "student-t"):
        parse_noise(text)
    if name == "gaussian" or not fields:
        return LAWS[name]()
    nu = checked("student-t: nu", fields[0], "(0, inf)")
    return StudentT(sp.nsimplify(nu, rational=True))


def _published(optimizer: str, law):  # type: ignore[no-untyped-def]
    from adasde.derive.document import Published
    from adasde.derive.law import MomentDoesNotExist
    from adasde.derive.optimizers import registry
    from adasde.papers import claims_for
    from adasde.papers.claim import compare

    published = []
    for claim in claims_for(optimizer):
        try:
            found, _ = compare(claim, registry()[optimizer], law)
        except MomentDoesNotExist:
            continue
        published.append(Published(claim.title, claim.remark, found.drift, found.covariance))
    return published


def _printed(optimizer: str, model: str, law):  # type: ignore[no-untyped-def]
    from adasde.derive.document import published_steps
    from adasde.derive.model import Derivation
    from adasde.derive.optimizers import registry
    from adasde.papers import papers

    if model not in papers():
        raise UnknownName("model", model, ["sde", *papers()])
    if optimizer not in papers()[model]:
        raise NoModel(
            f"{model}: optimizer", optimizer, "{" + ", ".join(papers()[model]) + "}", "the paper has no SDE for it"
        )
    sde = papers()[model][optimizer].equations(law)
    return Derivation(registry()[optimizer], law, published_steps(sde), (), sde)
