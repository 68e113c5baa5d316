"""The command line. Commands load their modules when they are called, so that `adasde --help` stays quick."""

from __future__ import annotations

import importlib
from typing import Any

import click

_COMMANDS = {
    "list": ("catalog", "Optimizers, noise laws, models, losses, backends."),
    "derive": ("derive", "Print the derivation of an optimizer's SDE."),
    "audit": ("audit", "Hold published statements against the derivation."),
    "kernels": ("kernels", "Write, check or show the generated kernels."),
    "simulate": ("simulate", "Simulate an optimizer, or one of its SDE models."),
    "sweep": ("sweep", "Simulate a grid of optimizers, noises and seeds."),
    "verify": ("verify", "Check derivation, kernels and models against the optimizer."),
    "stationary": ("stationary", "Stationary variances: printed, derived and simulated."),
    "noise": ("noise", "Diagnose the gradient noise of a network."),
    "scaling-rule": ("scaling", "What hyperparameters become when the batch size changes."),
    "reproduce": ("reproduce", "Rerun the experiments of a paper, or on networks."),
}


class Program(click.Group):
    """A group whose commands are imported on demand and whose errors become exit codes.

    0 holds, 1 a claim fails, 2 usage, 3 no data, 130 interrupted.
    """

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(_COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in _COMMANDS:
            return None
        command: click.Command = importlib.import_module(f"adasde.cli.{_COMMANDS[cmd_name][0]}").command
        return command

    def resolve_command(self, ctx: click.Context, args: list[str]) -> Any:
        if args and args[0] not in _COMMANDS and not args[0].startswith("-"):
            from adasde.errors import UnknownName

            raise _failure(str(UnknownName("command", args[0], _COMMANDS)), 2)
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl([(name, text) for name, (_, text) in _COMMANDS.items()])

    def invoke(self, ctx: click.Context) -> Any:
        from adasde.errors import InvalidParameter, MissingData

        try:
            return super().invoke(ctx)
        except InvalidParameter as error:
            raise _failure(str(error), 2) from error
        except MissingData as error:
            raise _failure(str(error), 3) from error
        except ValueError as error:
            if "adasde.derive.law" not in {cls.__module__ for cls in type(error).__mro__}:
                raise
            raise _failure(str(error), 2) from error
        except KeyboardInterrupt as interrupt:
            raise _failure("interrupted before anything was finished", 130) from interrupt


def _failure(message: str, code: int) -> click.ClickException:
    failure = click.ClickException(message)
    setattr(failure, "exit_code", code)  # noqa: B010 - a class attribute in click, one of its own here
    return failure


@click.group(cls=Program, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="adasde")
def main() -> None:
    """From an optimizer's update rule to its SDE, to fast kernels, to a verdict.

    Exit codes: 0 holds, 1 a claim fails, 2 usage, 3 no data.
    """
