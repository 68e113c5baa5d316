"""`adasde list`: what there is."""

from __future__ import annotations

import json
from typing import Any

import click


@click.command("list")
@click.option("--json", "as_json", is_flag=True, help="Print as JSON.")
def command(as_json: bool) -> None:
    """Optimizers, noise laws, models, losses, backends."""
    from adasde import noise, optimizers, rules
    from adasde.losses import KINDS
    from adasde.simulation import DEVICES
    from adasde.spelling import ABOUT, FORMS

    catalog = {
        "optimizers": {name: _of_rule(name) for name in optimizers.shipped()},
        "around": {name: {"spelling": f"+{form}", "about": rules.ABOUT[name]} for name, form in rules.FORMS.items()},
        "noise": list(noise.LAWS),
        "noise_laws": {law: {"spelling": FORMS[law], "about": ABOUT[law]} for law in noise.LAWS},
        "losses": KINDS,
        "backends": list(DEVICES),
    }
    if as_json:
        click.echo(json.dumps(catalog, indent=2))
    else:
        from adasde.cli.catalog_tables import catalog_tables

        catalog_tables(catalog)


def _of_rule(name: str) -> dict[str, Any]:
    """The facts of an optimizer from its rule, and its models from the committed table; derived where the table
    is not about this very rule."""
    from adasde.derive.optimizers import registry
    from adasde.rule_table import known

    rule = registry()[name]
    models, refused = known(rule)
    return {
        "title": rule.title,
        "dialect": rule.dialect,
        "states": [str(state) for state in rule.states],
        "models": list(models),
        "weak_orders": models,
        "refused": refused,
        "hyperparameters": {h.name: h.default for h in rule.hyperparameters},
    }
