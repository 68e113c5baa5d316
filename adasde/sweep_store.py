"""What a sweep leaves on disk: a file of arrays for each point, and an index with a line for each.

    OUT/points/NAME.npz   times, the moments of the ensemble, mean loss with its deviation and standard error; and
                          `facts`, JSON with its parameters and digest
    OUT/index.jsonl       one JSON object a line and point: number, status, parameters, digest, final loss, message

Points are written whole or not at all, under names that hold their digest, and are the same bytes whoever calculated
them. The index gets a line as each point ends, and is put in order at the end.
"""

from __future__ import annotations

import json
import os
import re
import zipfile
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from adasde.ensemble import Ensemble, Moments
from adasde.errors import MissingData
from adasde.quantiles import Sketch
from adasde.sweep_grid import Point

INDEX, POINTS = "index.jsonl", "points"
DERIVED = ("var", "loss_mean", "loss_std", "loss_se")
"""Arrays of an ensemble that are stored beside the moments they come from."""

SKETCH = ("sketch_keys", "sketch_counts")
"""Names of the two arrays of the histogram of the loss."""
FACTS = ("optimizer", "model", "loss", "noise", "parameters", "seed", "paths", "substeps", "start")


@dataclass(frozen=True)
class SweptPoint:
    """One line of the index.

    status      ``done``; ``diverged`` where paths blew up, which are counted and left out of the averages; ``failed``
    diverged    paths that had diverged at the end, of ``paths``
    loss_mean   mean loss at the end and its standard error; None where there is nothing to average
    message     what a failed point raised
    file        its arrays, within the folder of the sweep; empty for a failed point
    """

    point: int
    status: str
    paths: int
    diverged: int
    loss_mean: float | None
    loss_se: float | None
    message: str
    file: str
    digest: str
    adasde: str
    parameters: dict[str, Any]


@dataclass(frozen=True)
class Sweep:
    """The points of a sweep that have ended, in the order of its file; how many of them were there before it ran, and
    whether it came to its end."""

    folder: Path
    points: tuple[SweptPoint, ...]
    complete: bool = True
    kept: int = 0

    def ensemble(self, number: int) -> Ensemble:
        """The result of point ``number``, counted from 1."""
        for point in self.points:
            if point.point == number and point.file:
                return read_ensemble(self.folder / point.file)
        raise MissingData(f"sweep: no result of point {number} in {self.folder}; run it again to go on")

    def count(self, status: str) -> int:
        return sum(point.status == status for point in self.points)


def read_sweep(folder: str | Path) -> Sweep:
    """The sweep in a folder, also while it runs or after a crash. Raises `MissingData` where there is none."""
    path = Path(folder) / INDEX
    if not path.is_file():
        raise MissingData(f"sweep: no {INDEX} in {folder}; run `adasde sweep FILE.toml --out {folder}`")
    lines = path.read_text(encoding="utf-8").split("\n")[:-1]  # what has no end of line was cut off
    latest = {row["point"]: SweptPoint(**row) for row in map(json.loads, lines)}
    return Sweep(Path(folder), tuple(latest[number] for number in sorted(latest)))


def file_of(point: Point) -> str:
    """Where the arrays of a point are, within the folder of the sweep."""
    words = re.sub(r"[^a-z0-9]+", "_", f"{point.run.optimizer.rpartition(':')[2]}-{point.run.model_name}".lower())
    return f"{POINTS}/{words}-{point.digest[:16]}.npz"


def finished(folder: Path, point: Point) -> SweptPoint | None:
    """The line of a point whose result is there already, whole and of the same digest."""
    path = folder / file_of(point)
    try:
        facts, arrays = _read(path)
        ensemble = _ensemble(facts, arrays)
    except (OSError, ValueError, KeyError, TypeError, EOFError, zipfile.BadZipFile):
        return None
    return row(point, ensemble, facts["adasde"]) if facts["digest"] == point.digest else None


def row(point: Point, ensemble: Ensemble, release: str | None = None) -> SweptPoint:
    """The line of a point with its result."""
    gone = int(ensemble.diverged[-1])
    ends = (_finite(ensemble.loss_mean[-1]), _finite(ensemble.loss_se[-1]))
    status, told = "diverged" if gone else "done", release or version("adasde")
    return SweptPoint(
        point.number, status, ensemble.paths, gone, *ends, "", file_of(point), point.digest, told, point.spelled
    )


def failed(point: Point, message: str) -> SweptPoint:
    """The line of a point that raised."""
    end = (message, "", point.digest, version("adasde"), point.spelled)
    return SweptPoint(point.number, "failed", point.run.paths, 0, None, None, *end)


def _finite(value: float) -> float | None:
    return float(value) if np.isfinite(value) else None


def write_point(folder: Path, point: Point, ensemble: Ensemble) -> SweptPoint:
    """Stores a result and returns its line. numpy dates the members of an .npz 1980: equal results are equal bytes."""
    facts = {name: getattr(ensemble, name) for name in FACTS} | {"digest": point.digest, "adasde": version("adasde")}
    facts |= {name: point.spelled[name] for name in ("device", "precision")}
    moments = {name: getattr(ensemble.moments, name) for name in Moments.ARRAYS}
    moments |= dict(zip(SKETCH, ensemble.moments.sketch.histogram, strict=True))
    derived = {name: getattr(ensemble, name) for name in DERIVED}
    text = np.array(json.dumps(facts))
    with whole(folder / file_of(point)) as file:
        np.savez(file, allow_pickle=False, facts=text, times=ensemble.times, **moments, **derived)
    return row(point, ensemble)


class whole:
    """A binary file that is written whole or not at all."""

    def __init__(self, path: Path):
        self.path, self.part = path, path.with_name(path.name + ".part")

    def __enter__(self) -> BinaryIO:
        self.path.parent.mkdir(parents=True, exist_ok=True)
        self.file = open(self.part, "wb")
        return self.file

    def __exit__(self, kind: Any, *_: Any) -> None:
        with self.file:
            self.file.flush()
            os.fsync(self.file.fileno())
        if kind is None:
            os.replace(self.part, self.path)
        else:
            self.part.unlink()


def write_index(folder: Path, rows: Iterable[SweptPoint]) -> None:
    """The index with these lines, in the order of their points."""
    with whole(folder / INDEX) as file:
        file.writelines(_line(point) for point in sorted(rows, key=lambda point: point.point))


def append_index(folder: Path, point: SweptPoint) -> None:
    """Adds a line to the index."""
    with open(folder / INDEX, "ab") as file:
        file.write(_line(point))


def _line(point: SweptPoint) -> bytes:
    return (json.dumps(asdict(point), allow_nan=False) + "\n").encode()


def read_ensemble(path: Path) -> Ensemble:
    """The ensemble that `write_point` stored, to the last bit."""
    return _ensemble(*_read(path))


def _read(path: Path) -> tuple[dict[str, Any], dict[str, Any]]:
    with np.load(path, allow_pickle=False) as stored:
        arrays = dict(stored)
    return json.loads(str(arrays.pop("facts"))), arrays


def _ensemble(facts: dict[str, Any], arrays: dict[str, Any]) -> Ensemble:
    keys, counts = (arrays[name] for name in SKETCH)
    moments = Moments(**{name: arrays[name] for name in Moments.ARRAYS}, sketch=Sketch((keys, counts)))
    return Ensemble(**{name: facts[name] for name in FACTS}, times=arrays["times"], moments=moments)
