"""`adasde kernels`: the loop from rules to checked-in modules."""

from __future__ import annotations

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
@click.option(
    "--device", type=click.Choice(["cpu", "cuda"]), default="cpu", show_default=True, help="Which module --show prints."
)
def command(action: str | None, show: str | None, device: str) -> None:
    """Write, check or show the generated kernels, for CPU and CUDA."""
    if (action is None) == (show is None):
        raise click.UsageError("give exactly one of --write, --check and --show OPTIMIZER")
    from adasde.derive import freshness
    from adasde.derive.optimizers import registry
    from adasde.generation import cuda_folder, cuda_texts, driver_stamp, kernel_folder, kernel_texts

    if show is not None and show not in registry():
        raise UnknownName("optimizer", show, registry())
    if show is not None:
        texts = cuda_texts() if device == "cuda" else kernel_texts()
        click.echo(texts[f"{show}.py"], nl=False)
        return
    folders = {kernel_folder(): kernel_texts(), cuda_folder(): cuda_texts()}
    modules = sum(map(len, folders.values()))
    if action == "write":
        touched = [path for folder, texts in folders.items() for path in freshness.write(folder, texts)]
        touched += freshness.write_stamp(*driver_stamp())
        click.echo(
            "\n".join(f"wrote {freshness.label(path)}" for path in touched) or f"all {modules} modules were fresh"
        )
    else:
        findings = [finding for folder, texts in folders.items() for finding in freshness.check(folder, texts)]
        _report(findings + freshness.check_stamp(*driver_stamp()), modules)


def _report(findings: list[Finding], modules: int) -> None:
    from adasde.derive.freshness import label

    for finding in findings:
        if finding.diff:
            click.echo(finding.diff)
        click.echo(f"{label(finding.path)} is {finding.kind}: {finding.remedy}")
    if findings:
        raise SystemExit(1)
    click.echo(f"all {modules} kernel modules are fresh")
