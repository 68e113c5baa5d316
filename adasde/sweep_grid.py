"""The points of a sweep, as a TOML file spells them.

[run] holds arguments common to all points. Each [[grid]] (or a single [grid]) holds arguments whose lists are taken
value by value: a grid is the product of its lists, in the order in which they are written, the last one fastest. A
value that is no list is the same for the whole grid, and takes the place of [run]'s. Arguments are those of
`adasde.simulate` that its result depends on, all but `keep_paths`, with losses and noises as the command line spells
them; files are looked for from the working folder, as there. With `device = "cuda"` a point is one task, for the GPU of
whichever worker gets it: give each GPU one worker process.
"""

from __future__ import annotations

import tomllib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from itertools import product
from pathlib import Path
from typing import TYPE_CHECKING, Any

from adasde import optimizers
from adasde.arithmetic import DEFAULT_ARITHMETIC, Arithmetic
from adasde.errors import InvalidParameter, MissingData, UnknownName
from adasde.fingerprint import device_digest, run_digest
from adasde.losses import parse_loss
from adasde.losses.base import Loss
from adasde.noise import parse_noise
from adasde.plan import plan
from adasde.run import Run
from adasde.simulation import on_gpu

if TYPE_CHECKING:
    from adasde.cuda import DeviceRun

REQUIRED = ("optimizer", "loss", "noise", "steps", "paths")
DEFAULTS: dict[str, Any] = {
    "model": "sde",
    "batch": 1,
    "seed": 0,
    "substeps": 1,
    "start": None,
    "save": 11,
    "x0": None,
    "init": None,
    "noise_precision": DEFAULT_ARITHMETIC.noise_precision,
    "increments": DEFAULT_ARITHMETIC.increments,
    "fast": DEFAULT_ARITHMETIC.fast,
    "device": "cpu",
    "precision": "float64",
}
ARGUMENTS = (*REQUIRED, *DEFAULTS)
TEXTS = ("optimizer", "loss", "noise", "model", "noise_precision", "increments", "device", "precision")


@dataclass(frozen=True, eq=False)
class Point:
    """One point of a sweep, checked and ready to run.

    number  from 1, in the order of the file
    varied  the arguments that its grid gives, as written
    run     the simulation
    spelled all arguments, hyperparameters at their defaults included
    digest  of everything that the bytes of its result depend on
    on_gpu  the simulation on a GPU, in its precision; None on a CPU
    """

    number: int
    varied: dict[str, Any]
    run: Run
    spelled: dict[str, Any]
    digest: str
    on_gpu: DeviceRun | None = None


def read_points(source: str | Path | Mapping[str, Any]) -> list[Point]:
    """All points of a sweep, each one checked before anything runs. Raises `InvalidParameter` or `MissingData` with
    the number of the point, its parameter and the remedy."""
    name, tables = ("sweep", source) if isinstance(source, Mapping) else (Path(source).name, _read(Path(source)))
    if unknown := [key for key in tables if key not in ("run", "grid")]:
        better = "" if isinstance(tables[unknown[0]], dict | list) else "arguments go below [run] or [grid]"
        raise UnknownName(f"{name}: table", unknown[0], ("run", "grid"), better)
    common, losses = _table(name, "run", tables.get("run", {})), cache(parse_loss)
    points: list[Point] = []
    for varied in _product(name, tables.get("grid", {})):
        points.append(_point(name, len(points) + 1, common, varied, losses))
    return points


def _read(path: Path) -> dict[str, Any]:
    if not path.is_file():
        raise MissingData(f"sweep: no file {path}; examples/sweep.toml shows what one looks like")
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise InvalidParameter("sweep file", path, "the TOML files", str(error)) from None


def _table(source: str, name: str, value: Any) -> dict[str, Any]:
    if not isinstance(value, Mapping):
        raise InvalidParameter(f"{source}: {name}", repr(value), "the tables", f"write [{name}] above its arguments")
    return dict(value)


def _product(source: str, grids: Any) -> Iterator[dict[str, Any]]:
    """The arguments that vary, point by point."""
    for grid in grids if isinstance(grids, list) else [grids]:
        axes = {
            key: value if isinstance(value, list) else [value] for key, value in _table(source, "grid", grid).items()
        }
        if empty := [key for key, values in axes.items() if not values]:
            raise InvalidParameter(f"{source}: grid: {empty[0]}", "[]", "the lists of one value or more", "name one")
        for values in product(*axes.values()):
            yield dict(zip(axes, values, strict=True))


def label(varied: Mapping[str, Any]) -> str:
    """``optimizer = adam, lr = 0.1``."""
    return ", ".join(f"{key} = {value}" for key, value in varied.items())


def _point(
    source: str, number: int, common: dict[str, Any], varied: dict[str, Any], losses: Callable[[str], Loss]
) -> Point:
    where = f"{source}: point {number}" + (f" ({label(varied)})" if varied else "")
    given = common | varied
    try:
        arguments = _arguments(given)
        gpu = on_gpu(arguments["device"], arguments["precision"])
        run = _planned(arguments, losses)
        device_run = _on_gpu(run, arguments["precision"]) if gpu else None
    except InvalidParameter as error:
        raise InvalidParameter(f"{where}: {error.parameter}", error.value, error.domain, error.remedy) from error
    except MissingData as error:
        raise MissingData(f"{where}: {error}") from error
    except ValueError as error:  # a rule that cannot be derived under this law
        raise InvalidParameter(f"{where}: optimizer", given["optimizer"], "the rules", str(error)) from error
    plain = {name: arguments[name] for name in ARGUMENTS if name != "start"}
    digest = run_digest(run) if device_run is None else device_digest(device_run)
    return Point(number, varied, run, plain | {"start": run.start} | run.values, digest, device_run)


def _on_gpu(run: Run, precision: str) -> DeviceRun:
    """The run on a GPU. Raises what `adasde.cuda.simulate_on_gpu` raises before it looks for the GPU itself, which
    only the workers need."""
    from adasde.cuda import DeviceRun, checked_precision, require_package

    checked_precision(precision)
    require_package()
    return DeviceRun(run, precision)


def _arguments(given: dict[str, Any]) -> dict[str, Any]:
    """Arguments of the types that TOML should have given them; their domains are checked by `plan`."""
    for name in REQUIRED:
        if name not in given:
            raise InvalidParameter(name, "missing", "the arguments of a run", "give it in [run] or [grid]")
    for name in TEXTS:
        if not isinstance(given.get(name, ""), str):
            raise InvalidParameter(name, repr(given[name]), "the texts", f'write {name} = "..."')
    known = {alias for h in optimizers.kernels(given["optimizer"]).HYPERPARAMETERS for alias in (h.name, *h.aliases)}
    for name, value in given.items():
        if name not in ARGUMENTS and name not in known:
            others = ", ".join(optimizers.having(name))
            better = f"it belongs to {others}; give them a [[grid]] of their own" if others else ""
            raise UnknownName("argument", name, {*ARGUMENTS, *known}, better)
        numbers = {"x0": value, "init": list(value.values()) if isinstance(value, dict) else value}.get(name, [value])
        if name not in ARGUMENTS or name in ("x0", "init"):
            _check_numbers(name, value, numbers)
    return DEFAULTS | given


def _check_numbers(name: str, value: Any, numbers: Any) -> None:
    ordered = numbers if isinstance(numbers, list) else [numbers]
    if not all(isinstance(number, int | float) and not isinstance(number, bool) for number in ordered):
        raise InvalidParameter(name, repr(value), "the numbers", "write numbers without quotes")


def _planned(arguments: dict[str, Any], losses: Callable[[str], Loss]) -> Run:
    return plan(
        arguments["optimizer"],
        arguments["model"],
        losses(arguments["loss"]),
        parse_noise(arguments["noise"], arguments["batch"]),
        arguments["steps"],
        arguments["paths"],
        arguments["seed"],
        arguments["substeps"],
        arguments["start"],
        arguments["save"],
        arguments["x0"],
        arguments["init"],
        {name: value for name, value in arguments.items() if name not in ARGUMENTS},
        Arithmetic(arguments["noise_precision"], arguments["increments"], arguments["fast"]),
    )
