"""A paper's experiments, run: comparisons, a record on disk as they come, and a figure."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from adasde import optimizers
from adasde.comparison import Comparison, compare
from adasde.ensemble import Ensemble
from adasde.errors import UnknownName
from adasde.files import write_whole
from adasde.losses import parse_loss
from adasde.papers import experiments
from adasde.papers.experiment import Experiment, Picture

SAVED_TIMES = 61


@dataclass(frozen=True, eq=False)
class Result:
    """One optimizer on one experiment."""

    experiment: Experiment
    minimum: float
    comparison: Comparison

    def to_dict(self) -> dict[str, object]:
        return {
            "figure": self.experiment.figure,
            "title": self.experiment.title,
            "minimum": self.minimum,
            "level": self.comparison.level,
            "algorithm": _losses(self.comparison.algorithm),
            "models": [
                {**asdict(agreement), "ensemble": _losses(ensemble)}
                for agreement, ensemble in zip(self.comparison.agreements, self.comparison.ensembles, strict=True)
            ],
        }


def _losses(ensemble: Ensemble) -> dict[str, object]:
    """An ensemble's record without the moments of x, which for a network are most of it."""
    return {name: value for name, value in ensemble.to_dict().items() if name not in ("mean", "cov", "var")}


def pictures_of(paper: str) -> tuple[Picture, ...]:
    """The studies of a paper that are no comparisons."""
    from adasde.papers import package

    return tuple(getattr(package(paper), "PICTURES", ()))


def chosen(paper: str, figure: str | None = None) -> tuple[Experiment, ...]:
    """The experiments of a paper, or the one of a figure. Raises `UnknownName`."""
    if paper not in experiments():
        raise UnknownName("paper", paper, (*experiments(), "nets"))
    known = {experiment.figure: experiment for experiment in experiments()[paper]}
    if figure is not None and figure not in known:
        raise UnknownName(f"{paper}: figure", figure, (*known, *(study.figure for study in pictures_of(paper))))
    return tuple(known.values()) if figure is None else (known[figure],)


def reproduce(
    paper: str,
    figure: str | None = None,
    *,
    quick: bool = True,
    out: Path | None = None,
    threads: int | None = None,
    announce: Callable[[str], None] | None = None,
) -> Iterator[Result]:
    """Runs every optimizer of every experiment and yields the results as they come.

    quick  smaller ensembles; out  folder that gets ``results.json`` after every result, so that an interrupt loses
    only what is running; announce  called with the name of what starts.
    """
    record: list[dict[str, object]] = []
    for experiment in chosen(paper, figure):
        loss = parse_loss(experiment.loss)
        for optimizer, hyperparameters in experiment.hyperparameters.items():
            if announce is not None:
                announce(f"{experiment.figure}: {optimizer}")
            arguments: dict[str, Any] = {**hyperparameters, **(experiment.quick if quick else experiment.full)}
            comparison = compare(
                optimizer,
                [model for model in optimizers.models(optimizer) if model not in ("algorithm", "order2")],
                substeps=experiment.substeps,
                loss=loss,
                noise=experiment.noise,
                x0=experiment.x0,
                save=SAVED_TIMES,
                threads=threads,
                **arguments,
            )
            result = Result(experiment, loss.minimum, comparison)
            if out is not None:
                record.append(result.to_dict())
                write_whole(out / "results.json", json.dumps(record))
            yield result
