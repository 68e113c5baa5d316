"""`adasde reproduce`: a paper's experiments as a table of verdicts and a figure."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from adasde.cli.studies import run_study, study_named
from adasde.errors import InvalidParameter


@click.command("reproduce")
@click.argument("paper")
@click.option("--figure", help="One experiment or study only, by its name.")
@click.option("--quick", is_flag=True, help="Smaller ensembles: minutes rather than hours.")
@click.option(
    "--out",
    type=click.Path(file_okay=False, path_type=Path),
    required=True,
    help="Folder for results.json and the figure.",
)
@click.option("--threads", type=int, help="Worker threads; the result does not depend on it.")
@click.option("--net", "nets", multiple=True, help="With `nets`: one network only, by its name; may be repeated.")
@click.option("--optimizer", "chosen", multiple=True, help="With `nets`: one optimizer only; may be repeated.")
@click.option("--seeds", type=int, help="With `nets`: runs of each curve.  [default: 5; 3 with --quick]")
@click.option("--processes", type=int, help="With `nets`: worker processes; the result does not depend on it.")
@click.option("--json", "as_json", is_flag=True, help="With `nets`: print the results as JSON.")
def command(paper: str, figure: str | None, quick: bool, out: Path, threads: int | None, **study: Any) -> None:
    """Rerun the experiments of PAPER: each optimizer against each of its SDE models at dt = lr and dt = lr/4.

    The final mean losses are compared on common noise; verdicts are those of `adasde.compare`.

    \b
    Four studies run by their name, and take seconds with --quick:
      --figure phases       SignSGD's loss, each phase shaded, with printed and derived bounds
      --figure bounds       loss levels of the optimizers, printed and derived
      --figure heavy-tails  SignSGD and SGD under Student-t noise, nu = 1, 2, 3
      --figure schedules    learning rates that fall like a power of the time

    PAPER `nets` is the study of networks with real minibatches: MLP, CNN, ResNet and transformers on data that
    scikit-learn ships. It runs the optimizer on real minibatches, the optimizer with injected Gaussian noise, and its
    SDE models with the full and with the diagonal covariance of the samples' gradients, and names each gap between
    their final losses. Curves are kept in OUT one by one: run it again to go on after an interrupt.
    """
    if paper == "nets":
        _nets(figure, threads, quick, out, study)
        return
    for name, value in study.items():
        if value:
            option = {"nets": "net", "chosen": "optimizer", "as_json": "json"}.get(name, name)
            raise InvalidParameter(
                f"reproduce {paper}: --{option}", value, "{nothing}", "it belongs to `reproduce nets`"
            )
    if figure is not None and (found := study_named(paper, figure)) is not None:
        run_study(found, quick, out, threads)
        return
    from adasde.cli.tables import verdict_tables
    from adasde.comparison import Comparison
    from adasde.plots import comparison_grid
    from adasde.reproduce import reproduce

    def announce(name: str) -> None:
        click.echo(f"running {name}", err=True)

    out.mkdir(parents=True, exist_ok=True)
    results = []
    try:
        for result in reproduce(paper, figure, quick=quick, out=out, threads=threads, announce=announce):
            results.append(result)
    except KeyboardInterrupt:
        click.echo(f"interrupted: {len(results)} results are in {out / 'results.json'}", err=True)
        if not results:
            raise
    rows: dict[str, tuple[str, float, list[Comparison]]] = {
        r.experiment.figure: (r.experiment.title, r.minimum, []) for r in results
    }
    for r in results:
        rows[r.experiment.figure][2].append(r.comparison)
    title = f"{paper}: the optimizer over its SDE models, mean ± one standard deviation over paths"
    comparison_grid(list(rows.values()), title).savefig(out / "losses.png")
    verdict_tables(paper, results)
    click.echo(f"figure: {out / 'losses.png'}\nnumbers: {out / 'results.json'}")


def _nets(figure: str | None, threads: int | None, quick: bool, out: Path, study: dict[str, Any]) -> None:
    from adasde.cli.nets import reproduce_nets

    for name, value, better in (("figure", figure, "--net"), ("threads", threads, "--processes")):
        if value is not None:
            raise InvalidParameter(f"reproduce nets: --{name}", value, "{nothing}", f"use {better}")
    reproduce_nets(study["nets"], study["chosen"], quick, out, study["seeds"], study["processes"], study["as_json"])
