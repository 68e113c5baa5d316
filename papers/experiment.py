"""A paper's experiment as data: what to run, in the arguments of `adasde.compare`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class Experiment:
    """One loss, one noise, and the hyperparameters of every optimizer on it.

    figure        name by which ``adasde reproduce --figure`` finds it
    quick, full   sizes of the two forms: {"steps": ..., "paths": ...} and whatever else differs
    remark        what differs from the paper's own setting, and why
    """

    figure: str
    title: str
    loss: str
    noise: str
    hyperparameters: Mapping[str, Mapping[str, float]]
    quick: Mapping[str, int]
    full: Mapping[str, int]
    x0: tuple[float, ...] | None = None
    remark: str = ""
    substeps: tuple[int, ...] = field(default=(1, 4))


@dataclass(frozen=True)
class Picture:
    """A study that is no comparison of optimizers with their SDEs: `adasde.pictures` has a module of its name for it.

    figure        name by which ``adasde reproduce --figure`` finds it
    settings      of the problem, in the words of `adasde.simulate`, and what else the study needs
    quick, full   independent paths of the two forms
    """

    figure: str
    title: str
    settings: Mapping[str, Any]
    quick: int
    full: int
