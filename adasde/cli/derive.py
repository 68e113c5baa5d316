"""`adasde derive`: a derivation as text, LaTeX or JSON."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import click

from adasde.errors import InvalidParameter, NoModel, UnknownName

if TYPE_CHECKING:
    from adasde.derive.document import Published
    from adasde.derive.law import Law
    from adasde.derive.model import Derivation
    from adasde.derive.rule import UpdateRule

REGIMES = ("ballistic", "batch-equivalent")
COVARIANCES = ("diagonal", "full")


@click.command("derive")
@click.argument("optimizer")
@click.option(
    "--noise", default="gaussian", show_default=True, help="Noise law, see `adasde list`; or student-t:NU, mixture:K."
)
@click.option(
    "--model",
    default="sde",
    show_default=True,
    help="`sde` (weak order one), `order2`, or a published model by its paper's key.",
)
@click.option(
    "--regime",
    type=click.Choice(REGIMES),
    default="ballistic",
    show_default=True,
    help="batch-equivalent: noise as large as the drift; prints what obstructs order two, and which laws remove it.",
)
@click.option("--state-dependent", is_flag=True, help="With batch-equivalent: let the noise scale depend on x.")
@click.option(
    "--covariance",
    type=click.Choice(COVARIANCES),
    default="diagonal",
    show_default=True,
    help="full: also how a step is correlated between two coordinates whose noise is.",
)
@click.option(
    "--average-out",
    multiple=True,
    metavar="STATE",
    help="A buffer whose decay stays fixed as the learning rate falls: it is averaged out. May be given again.",
)
@click.option("--format", "form", type=click.Choice(["text", "latex", "json"]), default="text", show_default=True)
def command(
    optimizer: str,
    noise: str,
    model: str,
    regime: str,
    state_dependent: bool,
    covariance: str,
    average_out: tuple[str, ...],
    form: str,
) -> None:
    """Print the derivation of OPTIMIZER's SDE: rule, scaling, one-step increment, its mean and covariance, drift and
    diffusion, assumptions, and what published forms drop. OPTIMIZER is a shipped name, or ./file.py:name."""
    from adasde.rules import rule_of

    rule, full = rule_of(optimizer), covariance == "full"
    if average_out and (regime != "ballistic" or model != "sde"):
        remedy = "it leaves a model of order one in the ballistic scaling; use --model sde"
        raise InvalidParameter("average-out", ", ".join(average_out), "{}", remedy)
    if regime == "batch-equivalent":
        if full:
            remedy = "its operators are those of one coordinate"
            raise InvalidParameter("batch-equivalent: covariance", covariance, "{diagonal}", remedy)
        _print_obstructions(rule, noise, state_dependent, form)
        return
    from adasde.derive.document import as_data, as_latex, as_text, correlation_data, derivation_page

    law = parse_law(noise)
    derivation, published = _derived(rule, model, law, average_out)
    if full and not derivation.increment:
        raise InvalidParameter(f"{model}: covariance", covariance, "{diagonal}", "published models print no other")
    if form == "json":
        data = as_data(derivation.sde) | (correlation_data(derivation) if full else {})
        click.echo(json.dumps(data, indent=2))
    else:
        click.echo((as_text if form == "text" else as_latex)(derivation_page(derivation, published, full)))


def _print_obstructions(rule: UpdateRule, noise: str, state_dependent: bool, form: str) -> None:
    from adasde.derive.document import as_latex, as_text, obstruction_data, obstruction_page
    from adasde.derive.obstruction import obstructions

    needs_law = any(update.has(*_kinks()) for update in rule.update)
    found = obstructions(rule, parse_law(noise) if needs_law else None, state_dependent)
    if form == "json":
        click.echo(json.dumps(obstruction_data(rule, found), indent=2))
    else:
        click.echo((as_text if form == "text" else as_latex)(obstruction_page(rule, found)))


def _kinks() -> tuple[type, ...]:
    """Functions of g whose mean needs a law."""
    import sympy as sp

    return sp.sign, sp.Abs, sp.Min, sp.Max, sp.tanh, sp.exp


def parse_law(text: str) -> Law:
    """A law for sympy by its spelling: a name, ``student-t:NU`` or ``mixture:K``. A scale may follow and is ignored."""
    import sympy as sp

    from adasde.derive.laws import LAWS, law_named
    from adasde.derive.noise import StudentT
    from adasde.domain import checked
    from adasde.noise import parse_noise

    name, *fields = text.split(":")
    if name not in LAWS:
        raise UnknownName("noise law", name, LAWS)
    if name == "student-t" and len(fields) == 1:
        nu = checked("student-t: nu", fields[0], "(0, inf)")
        return StudentT(sp.nsimplify(nu, rational=True))
    if name == "mixture" and len(fields) == 1 and fields[0].isdigit():
        return law_named(text)
    if not fields:
        return law_named(name)
    noise = parse_noise(text)
    if name == "student-t":
        return StudentT(sp.nsimplify(noise.nu, rational=True))
    return law_named(noise.law_key)


def _derived(
    rule: UpdateRule, model: str, law: Law, average_out: tuple[str, ...]
) -> tuple[Derivation, list[Published]]:
    from adasde.derive.expansion import MODELS, derive

    orders = {name: order for order, name in MODELS.items()}
    if model in orders:
        published = _published(rule, law) if model == "sde" and not average_out else []
        return derive(rule, law, orders[model], average_out), published
    return _printed(rule, model, law), []


def _published(rule: UpdateRule, law: Law) -> list[Published]:
    from adasde.derive.document import Published
    from adasde.derive.law import MomentDoesNotExist
    from adasde.derive.laws import CHECKED_IN
    from adasde.papers import claims_for
    from adasde.papers.claim import compare

    published = []
    for claim in claims_for(rule.name) if law.name in CHECKED_IN else ():
        try:
            found, _ = compare(claim, rule, law)
        except MomentDoesNotExist:
            continue
        published.append(Published(claim.title, claim.remark, rule.states, found.drift, found.covariance))
    return published


def _printed(rule: UpdateRule, model: str, law: Law) -> Derivation:
    from adasde.derive.document import published_steps
    from adasde.derive.expansion import MODELS
    from adasde.derive.laws import CHECKED_IN
    from adasde.derive.model import Derivation
    from adasde.papers import papers

    if model not in papers():
        raise UnknownName("model", model, [*MODELS.values(), *papers()])
    if rule.name not in papers()[model]:
        domain = "{" + ", ".join(papers()[model]) + "}"
        raise NoModel(f"{model}: optimizer", rule.name, domain, "the paper has no SDE for it")
    if law.name not in CHECKED_IN:
        raise InvalidParameter(
            f"{model}: noise law", law.name, "{" + ", ".join(CHECKED_IN) + "}", "choose one of these"
        )
    sde = papers()[model][rule.name].equations(law)
    return Derivation(rule, law, published_steps(sde), (), sde)
