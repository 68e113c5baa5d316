"""`adasde list`: what there is."""

from __future__ import annotations

import json

import click


@click.command("list")
@click.option("--json", "as_json", is_flag=True, help="Print as JSON.")
def command(as_json: bool) -> None:
    """Optimizers, noise laws, models, losses, backends."""
    from adasde import noise, optimizers
    from adasde.losses import KINDS
    from adasde.simulation import DEVICES
    from adasde.spelling import ABOUT, FORMS

    modules = {name: optimizers.kernels(name) for name in optimizers.names()}
    catalog = {
        "optimizers": {
            name: {
                "title": module.TITLE,
                "dialect": module.DIALECT,
                "states": list(module.STATES),
                "models": list(module.MODELS),
                "weak_orders": {model: weak_order(model) for model in module.MODELS},
                "hyperparameters": {h.name: h.default for h in module.HYPERPARAMETERS},
            }
            for name, module in modules.items()
        },
        "noise": list(noise.LAWS),
        "noise_laws": {law: {"spelling": FORMS[law], "about": ABOUT[law]} for law in noise.LAWS},
        "losses": KINDS,
        "backends": list(DEVICES),
    }
    if as_json:
        click.echo(json.dumps(catalog, indent=2))
    else:
        from adasde.cli.tables import catalog_tables

        catalog_tables(catalog)


def weak_order(model: str) -> int | None:
    """Of a model by its name: None for the optimizer itself; 1 is what published models claim."""
    return {"algorithm": None, "order2": 2}.get(model, 1)
