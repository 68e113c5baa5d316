"""Options that `simulate` and `verify` share."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import click

from adasde.errors import InvalidParameter

Command = Callable[..., Any]
HYPERPARAMETERS = ("lr", "beta1", "beta2", "eps", "weight_decay")


def run_options(command: Command) -> Command:
    """Loss, noise, hyperparameters, size and start of a run."""
    for option in reversed(
        [
            click.option("--loss", default="quadratic:1,2", show_default=True, help="See `adasde list`."),
            click.option(
                "--noise",
                default="gaussian:0.1",
                show_default=True,
                help="gaussian:S, gaussian:data, student-t:NU:S, laplace:S, ...; S per sample. See `adasde list`.",
            ),
            click.option(
                "--batch",
                default=1,
                show_default=True,
                help="Batch size B; the noise scale is divided by sqrt(B).",
            ),
            click.option("--lr", type=float, help="Learning rate eta."),
            click.option("--beta1", type=float, help="Decay of the first moment."),
            click.option("--beta2", "--beta", "--alpha", "beta2", type=float, help="Decay of the second moment."),
            click.option("--eps", type=float, help="Added to the root of the second moment."),
            click.option("--weight-decay", type=float, help="Decoupled weight decay theta."),
            click.option(
                "--set",
                "further",
                multiple=True,
                metavar="NAME=VALUE",
                help="Any other hyperparameter of the rule, e.g. rho=0.05.",
            ),
            click.option("--steps", default=1000, show_default=True, help="Optimizer steps."),
            click.option("--paths", default=10_000, show_default=True, help="Independent paths."),
            click.option("--seed", default=0, show_default=True, help="Seed of all noise."),
            click.option("--x0", help="Starting point, comma list."),
            click.option(
                "--init",
                multiple=True,
                metavar="STATE=VALUE",
                help="Starting value of a further state, e.g. v=0.25.",
            ),
            click.option("--start", type=int, help="Optimizer steps before the SDE takes over with their state."),
            click.option("--threads", type=int, help="Worker threads; the result does not depend on it."),
            click.option("--json", "as_json", is_flag=True, help="Print the result as JSON."),
        ]
    ):
        command = option(command)
    return command


def run_arguments(options: dict[str, Any]) -> dict[str, Any]:
    """Keyword arguments of `adasde.simulate` from the options above, without hyperparameters not given."""
    from adasde.noise import parse_noise

    arguments = {name: options[name] for name in ("loss", "steps", "paths", "seed", "start", "threads")}
    arguments["noise"] = parse_noise(options["noise"], options["batch"])
    arguments["x0"] = numbers("x0", options["x0"])
    arguments["init"] = dict(_pair("init", "STATE=VALUE", text) for text in options["init"])
    further = dict(_pair("set", "NAME=VALUE", text) for text in options["further"])
    for name in arguments.keys() & further.keys():
        raise InvalidParameter("set: NAME", name, "the hyperparameters of the rule", f"use --{name} for that")
    return arguments | further | {name: options[name] for name in HYPERPARAMETERS if options[name] is not None}


def numbers(parameter: str, text: str | None) -> list[float] | None:
    """A comma list of numbers."""
    if text is None:
        return None
    try:
        return [float(part) for part in text.split(",")]
    except ValueError:
        domain = "comma lists of numbers"
        raise InvalidParameter(parameter, repr(text), domain, "write it like 1,-1") from None


def _pair(option: str, form: str, text: str) -> tuple[str, float]:
    name, equals, value = text.partition("=")
    try:
        return name, float(value if equals else "missing")
    except ValueError:
        example = "v=0.25" if option == "init" else "rho=0.05"
        raise InvalidParameter(option, repr(text), f"the form {form}", f"write it like {example}") from None
