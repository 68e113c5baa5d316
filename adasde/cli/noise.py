"""`adasde noise`: what the gradient noise of a network is like."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from adasde.cli.simulate import check_plot
from adasde.domain import counted, whole
from adasde.errors import InvalidParameter
from adasde.files import write_whole
from adasde.noise_scale import FORMAT

if TYPE_CHECKING:
    from adasde.nets.diagnostics import NoiseReport
    from adasde.nets.loss import TorchLoss


@click.command("noise")
@click.option(
    "--loss", "spelling", default="net:mlp-breast-cancer", show_default=True, help="net:NAME, or net:./file.py:make."
)
@click.option("--batch", default=32, show_default=True, help="Samples B of a minibatch, drawn with replacement.")
@click.option("--optimizer", default="adam", show_default=True, help="Trains the network before, on real minibatches.")
@click.option("--lr", type=float, default=0.002, show_default=True, help="Its learning rate.")
@click.option("--steps", default=200, show_default=True, help="Its steps; 0 looks at the initial parameters.")
@click.option("--minibatches", default=1000, show_default=True, help="Minibatches drawn for fits and P(g < 0).")
@click.option("--coordinates", default=48, show_default=True, help="Coordinates that a Student-t law is fitted to.")
@click.option("--seed", default=0, show_default=True, help="Seed of all draws.")
@click.option("--plot", type=click.Path(dir_okay=False), help="Write a figure: QQ plot, fits, P(g < 0), spectrum.")
@click.option("--grad-stats", type=click.Path(dir_okay=False), help="Write the numbers as JSON, see below.")
@click.option("--json", "as_json", is_flag=True, help="Print them as JSON.")
def command(
    spelling: str,
    batch: int,
    optimizer: str,
    lr: float,
    steps: int,
    minibatches: int,
    coordinates: int,
    seed: int,
    plot: str | None,
    grad_stats: str | None,
    as_json: bool,
) -> None:
    """Diagnose the gradient noise of a network: how large it is, how correlated, and how far from Gaussian.

    Every number that depends on sampled minibatches comes with its null: the same number for Gaussian noise.

    \b
    Fields of --grad-stats (and of --json), Sigma always per sample:
      format                  "adasde grad-stats 1"
      net, title              the network and its data
      optimizer, lr, steps    how it was trained before the measurement
      samples, dimension      N, and the number of parameters
      batch                   B of the minibatches that everything below is about
      loss                    f at the point
      gradient_norm_squared   |G|^2
      trace_sigma             tr Sigma
      noise_scale             tr Sigma/|G|^2 in samples: population, exact;
                              value [low, high] at level, estimated for the
                              distribution behind the samples; null is infinite
      noise_dominated         share of coordinates with |G_j| < sqrt(Sigma_jj/B)
      without_noise           share of coordinates where no sample has a gradient
      near_zero               share of per-sample gradients below 0.01 deviations
      effective_rank          exp(entropy of the eigenvalues of Sigma)
      participation_ratio     (tr Sigma)^2/tr Sigma^2
      skewness, excess_kurtosis   of the noise of a minibatch, exact; over
                              coordinates: low (quartile), median, high
      nu, nu_null             Student-t fits, cut at 1000, and those of the null
      below_null              share of fits below the 5 % quantile of the null
      negative_gap, negative_gap_null   mean |P(g < 0) - Phi(-G/s)|, and the null's
      minibatches, coordinates    that were drawn and fitted
    """
    for path in filter(None, (plot,)):
        check_plot(Path(path))
    if grad_stats is not None and not Path(grad_stats).absolute().parent.is_dir():
        raise InvalidParameter("grad-stats: folder", Path(grad_stats).parent, "the existing folders", "make it first")
    from adasde.nets.catalog import network
    from adasde.nets.diagnostics import diagnose

    kind, _, name = spelling.partition(":")
    if kind != "net":
        remedy = "noise of samples needs per-sample gradients: name a network"
        raise InvalidParameter("loss", repr(spelling), "the form net:NAME or net:./file.py:make", remedy)
    counts = {"batch": batch, "minibatches": minibatches, "coordinates": coordinates}
    batch, minibatches, coordinates = (counted(key, value) for key, value in counts.items())
    steps = whole("steps", steps, "{0, 1, 2, ...}", "0 looks at the initial parameters", 0)
    seed = whole("seed", seed, "[0, 2^63)", "give a whole number", 0, 2**63)
    loss = network(name)
    x = _trained(loss, optimizer, lr, steps, batch, seed)
    report = diagnose(loss, x, batch, minibatches, coordinates, seed)
    facts = {"format": FORMAT, "net": loss.name, "title": loss.title, "optimizer": optimizer, "lr": lr, "steps": steps}
    facts |= report.to_dict()
    if grad_stats is not None:
        write_whole(Path(grad_stats), json.dumps(facts, indent=1, allow_nan=False))
    if as_json:
        click.echo(json.dumps(facts, allow_nan=False))
    else:
        _table(facts, report)
    if plot is not None:
        from adasde.nets.noise_figure import noise_figure

        noise_figure(report, f"{loss.title}, after {steps} steps of {optimizer}").savefig(plot)
        click.echo(f"wrote {plot}", err=True)


def _trained(loss: TorchLoss, optimizer: str, lr: float, steps: int, batch: int, seed: int) -> Any:
    from adasde.cli.progress import progress
    from adasde.nets.trajectory import Curve, Setting, trajectory

    if steps == 0:
        return loss.start
    setting = Setting(
        optimizer, {"lr": lr}, batch, steps, tuple(sorted({*range(0, steps, max(1, steps // 50)), steps}))
    )
    with progress(f"{steps} steps of {optimizer}") as report:
        found = trajectory(loss, Curve("algorithm", "minibatch"), setting, seed, report)
    if found.diverged:
        raise InvalidParameter(f"{optimizer}: lr", lr, "the learning rates that do not diverge", "choose a smaller one")
    return found.x


def _table(facts: dict[str, Any], report: NoiseReport) -> None:
    from rich.table import Table

    from adasde.cli.tables import console

    after = f"after {facts['steps']} steps of {facts['optimizer']}" if facts["steps"] else "at the initial parameters"
    title = f"{facts['title']}, {after}\ngradient noise of minibatches of {report.batch}; Sigma is per sample"
    table = Table(title=title)
    for name in ("quantity", "minibatches", "Gaussian null"):
        table.add_column(name)
    b = report.noise_scale
    table.add_row("loss", f"{report.loss:.5g}", "")
    table.add_row("|G|², tr Σ", f"{report.gradient_norm_squared:.3g}, {report.trace_sigma:.3g}", "")
    table.add_row("noise scale tr Σ/|G|² of these samples", _big(b.population), "")
    estimate = f"{_big(b.value)} [{_big(b.low)}, {_big(b.high)}]"
    table.add_row(f"... of the distribution behind them, {b.level:.0%} interval", estimate, "")
    table.add_row("coordinates where noise is above the gradient", f"{report.noise_dominated:.0%}", "")
    table.add_row("coordinates without noise", f"{report.without_noise:.0%}", "")
    table.add_row("per-sample gradients near zero", f"{report.near_zero:.0%}", f"{_NEAR_ZERO_NULL:.1%}")
    table.add_row("effective rank of Σ", f"{report.effective_rank:.1f} of {report.dimension}", "")
    table.add_row("participation ratio of Σ", f"{report.participation_ratio:.1f}", "")
    table.add_row("|skewness|, quartiles", _quartiles(report.skewness), "0")
    table.add_row("excess kurtosis, quartiles", _quartiles(report.excess_kurtosis), "0")
    fits = f"ν of {report.coordinates} Student-t fits, quartiles"
    table.add_row(fits, _quartiles(report.nu), _quartiles(report.nu_null))
    table.add_row("fits below the null's 5 % quantile", f"{report.below_null:.0%}", "5%")
    table.add_row("mean |P(g < 0) − Φ(−G/s)|", f"{report.negative_gap:.4f}", f"{report.negative_gap_null:.4f}")
    console().print(table)


_NEAR_ZERO_NULL = math.erf(0.01 / math.sqrt(2))
"""Share of a standard normal within 0.01 of 0."""


def _big(value: float) -> str:
    return "inf" if math.isinf(value) else f"{value:.4g}"


def _quartiles(found: Any) -> str:
    return f"{found.low:.3g}, {found.median:.3g}, {found.high:.3g}"
