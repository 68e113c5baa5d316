"""`adasde kernels`: the loop from rules to checked-in modules."""

from __future__ import annotations

import os

import click

from adasde.errors import UnknownName


@click.command("kernels")
@click.option("--write", "action", flag_value="write", help="Regenerate every module that differs; delete orphans.")
@click.option(
    "--check", "action", flag_value="check", help="Fail with a diff on stale, hand-edited, missing or orphaned files."
)
@click.option("--show", metavar="OPTIMIZER", help="Print the module that the derivation gives today.")
@click.option("--warm", "action", flag_value="warm", help="Compile OPTIMIZERS (all by default), the driver and losses.")
@click.argument("optimizers", nargs=-1)
def command(action: str | None, show: str | None, optimizers: tuple[str, ...]) -> None:
    """Write, check or show the generated kernels, or compile them ahead of time."""
    if (action is None) == (show is None):
        raise click.UsageError("give exactly one of --write, --check, --show OPTIMIZER and --warm [OPTIMIZERS]")
    if optimizers and action != "warm":
        raise click.UsageError("OPTIMIZERS go with --warm only")
    if action == "warm":
        _warm(optimizers)
        return
    from adasde.derive import freshness
    from adasde.derive.optimizers import registry
    from adasde.generation import helper_stamps, kernel_folder, kernel_texts

    if show is not None and show not in registry():
        raise UnknownName("optimizer", show, registry())
    texts = kernel_texts()
    if show is not None:
        click.echo(texts[f"{show}.py"], nl=False)
    elif action == "write":
        stamped = [path for stamp in helper_stamps() for path in freshness.write_stamp(*stamp)]
        touched = freshness.write(kernel_folder(), texts) + stamped
        click.echo("\n".join(f"wrote {path.name}" for path in touched) or f"all {len(texts)} modules were fresh")
    else:
        stale = [finding for stamp in helper_stamps() for finding in freshness.check_stamp(*stamp)]
        _report(freshness.check(kernel_folder(), texts) + stale, len(texts))


def _report(findings, modules: int) -> None:  # type: ignore[no-untyped-def]
    for finding in findings:
        if finding.diff:
            click.echo(finding.diff)
        click.echo(f"{finding.path.name} is {finding.kind}: {finding.remedy}")
    if findings:
        raise SystemExit(1)
    click.echo(f"all {modules} kernel modules are fresh")


def _warm(optimizers: tuple[str, ...]) -> None:
    from adasde.cli.progress import progress
    from adasde.warmup import warm

    with progress("compiling") as report:
        count = warm(optimizers or None, processes=os.cpu_count() or 1, progress=report)
    click.echo(f"the kernels of {count} modules are compiled and in numba's cache")
