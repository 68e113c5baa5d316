"""`adasde kernels`: the loop from rules to checked-in modules."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import click

from adasde.errors import UnknownName

if TYPE_CHECKING:
    from adasde.derive.freshness import Finding


@click.command("kernels")
@click.option("--write", "action", flag_value="write", help="Regenerate every module that differs; delete orphans.")
@click.option(
    "--check", "action", flag_value="check", help="Fail with a diff on stale, hand-edited, missing or orphaned files."
)
@click.option("--show", metavar="OPTIMIZER", help="Print the module that the derivation gives today.")
@click.option("--warm", "action", flag_value="warm", help="Compile OPTIMIZERS (all by default), the driver and losses.")
@click.option(
    "--device", type=click.Choice(["cpu", "cuda"]), default="cpu", show_default=True, help="Which module --show prints."
)
@click.argument("optimizers", nargs=-1)
def command(action: str | None, show: str | None, device: str, optimizers: tuple[str, ...]) -> None:
    """Write, check or show the generated kernels for CPU and CUDA, or compile those for the CPU ahead of time."""
    if (action is None) == (show is None):
        raise click.UsageError("give exactly one of --write, --check, --show OPTIMIZER and --warm [OPTIMIZERS]")
    if optimizers and action != "warm":
        raise click.UsageError("OPTIMIZERS go with --warm only")
    if action == "warm":
        _warm(optimizers)
        return
    from adasde.derive import freshness
    from adasde.derive.optimizers import registry
    from adasde.generation import (
        cuda_folder,
        cuda_text,
        cuda_texts,
        helper_stamps,
        kernel_folder,
        kernel_text,
        kernel_texts,
    )

    if show is not None and show not in registry():
        raise UnknownName("optimizer", show, registry())
    if show is not None:
        click.echo((cuda_text if device == "cuda" else kernel_text)(registry()[show]), nl=False)
        return
    folders = {kernel_folder(): kernel_texts(), cuda_folder(): cuda_texts()}
    modules = sum(map(len, folders.values()))
    if action == "write":
        touched = [path for folder, texts in folders.items() for path in freshness.write(folder, texts)]
        touched += [path for stamp in helper_stamps() for path in freshness.write_stamp(*stamp)]
        click.echo(
            "\n".join(f"wrote {freshness.label(path)}" for path in touched) or f"all {modules} modules were fresh"
        )
    else:
        findings = [finding for folder, texts in folders.items() for finding in freshness.check(folder, texts)]
        findings += [finding for stamp in helper_stamps() for finding in freshness.check_stamp(*stamp)]
        _report(findings, modules)


def _report(findings: list[Finding], modules: int) -> None:
    from adasde.derive.freshness import label

    for finding in findings:
        if finding.diff:
            click.echo(finding.diff)
        click.echo(f"{label(finding.path)} is {finding.kind}: {finding.remedy}")
    if findings:
        raise SystemExit(1)
    click.echo(f"all {modules} kernel modules are fresh")


def _warm(optimizers: tuple[str, ...]) -> None:
    from adasde.cli.progress import progress
    from adasde.warmup import warm

    with progress("compiling") as report:
        count = warm(optimizers or None, processes=os.cpu_count() or 1, progress=report)
    click.echo(f"the kernels of {count} modules are compiled and in numba's cache")
