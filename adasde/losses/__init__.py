"""Losses as compiled functions over lanes, and their names on the command line."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from adasde.domain import checked
from adasde.errors import InvalidParameter, MissingData, UnknownName

if TYPE_CHECKING:
    from adasde.losses.base import Loss

KINDS = {
    "quadratic": "quadratic:a,b,... (f = sum a_i x_i^2 / 2) or quadratic:@H.npy (a dense matrix)",
    "saddle": "saddle (the embedded saddle of Compagnoni et al. 2025) or saddle:h1,h2,...",
    "rosenbrock": "rosenbrock[:D[,A,B]] (f = sum B (x_(i+1) - x_i^2)^2 + (A - x_i)^2 in D coordinates, 2 by default)",
    "game": "game:LAMBDA[,A,B] (two players on f = A x^2/2 + LAMBDA x y - B y^2/2; f is reported as |z|^2/2)",
    "logistic": "logistic:breast_cancer[:L2] (logistic regression with ridge term L2 |x|^2/2; scikit-learn's data, "
    "standardised, and an intercept)",
    "mlp": "mlp:breast_cancer[:[HIDDEN,HIDDEN,...][:tanh|relu]] (scikit-learn's data, standardised)",
    "net": "net:NAME in torch (mlp-breast-cancer, mlp10-breast-cancer, cnn-digits, resnet-digits, vit-digits, "
    "char-transformer; cnn-mnist, vit-mnist, resnet-cifar10 from files), or net:./file.py:make for one of your own",
}
_HOMES = {
    "Loss": "base",
    "Quadratic": "quadratic",
    "EmbeddedSaddle": "saddle",
    "Rosenbrock": "rosenbrock",
    "Game": "games",
    "Logistic": "logistic",
    "MLP": "mlp",
    "breast_cancer": "mlp",
}
__all__ = ["KINDS", *_HOMES, "parse_loss"]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    import importlib

    return getattr(importlib.import_module(f"{__name__}.{_HOMES[name]}"), name)


def parse_loss(text: str) -> Loss:
    """The loss that a command line names, see `KINDS`.

    Raises `UnknownName`, `InvalidParameter` or `MissingData`.
    """
    kind, _, rest = text.partition(":")
    if kind == "quadratic":
        return _quadratic(rest)
    if kind == "saddle":
        from adasde.losses.saddle import EmbeddedSaddle

        return EmbeddedSaddle(_numbers("saddle: h", rest)) if rest else EmbeddedSaddle()
    if kind == "rosenbrock":
        return _rosenbrock(_numbers("rosenbrock: numbers", rest) if rest else (2.0,))
    if kind == "game":
        return _game(_numbers("game: numbers", rest))
    if kind == "logistic":
        return _logistic(rest)
    if kind == "mlp":
        return _mlp(rest)
    if kind == "net":
        return _net(rest)
    raise UnknownName("loss", kind, KINDS)


def _rosenbrock(numbers: tuple[float, ...]) -> Loss:
    from adasde.losses.rosenbrock import Rosenbrock

    if len(numbers) not in (1, 3):
        remedy = "write rosenbrock, rosenbrock:D or rosenbrock:D,A,B"
        raise InvalidParameter("rosenbrock: number of numbers", len(numbers), "{0, 1, 3}", remedy)
    d, *further = numbers
    return Rosenbrock(d, *further)  # type: ignore[arg-type]  # whether d is whole is checked there


def _game(numbers: tuple[float, ...]) -> Loss:
    from adasde.losses.games import Game

    if len(numbers) not in (1, 3):
        remedy = "write game:LAMBDA or game:LAMBDA,A,B"
        raise InvalidParameter("game: number of numbers", len(numbers), "{1, 3}", remedy)
    coupling, first, second = (*numbers, 0.0, 0.0)[:3]
    return Game(coupling, (first, second))


def _net(rest: str) -> Loss:
    from adasde.nets.torch_module import require_torch

    require_torch()
    from adasde.nets.bridge import net_loss

    return net_loss(rest)


def _quadratic(rest: str) -> Loss:
    from adasde.losses.quadratic import Quadratic

    if not rest.startswith("@"):
        return Quadratic(_numbers("quadratic: H", rest))
    path = Path(rest[1:])
    if not path.is_file():
        remedy = "save the matrix with numpy.save and name it as quadratic:@H.npy"
        raise MissingData(f"quadratic: no file {path}; {remedy}")
    try:
        return Quadratic(np.load(path, allow_pickle=False))
    except (ValueError, EOFError) as error:
        if isinstance(error, InvalidParameter):
            raise
        raise InvalidParameter("quadratic: file", path, "the .npy files", f"numpy says: {error}") from None


def _logistic(rest: str) -> Loss:
    from adasde.losses.logistic import breast_cancer

    options = _after_data("logistic", rest, "L2")
    return breast_cancer(checked("logistic: l2", options[0], "[0, inf)")) if options else breast_cancer()


def _mlp(rest: str) -> Loss:
    from adasde.losses.mlp import breast_cancer

    options = _after_data("mlp", rest, "HIDDEN,HIDDEN,...", "ACTIVATION")
    hidden = _widths(options[0]) if options else (20,)
    return breast_cancer(hidden, options[1]) if len(options) == 2 else breast_cancer(hidden)


def _after_data(kind: str, rest: str, *fields: str) -> list[str]:
    """What follows the data in ``breast_cancer:...``: as many of the fields as are given."""
    data, *options = rest.split(":")
    if data != "breast_cancer":
        raise UnknownName(f"{kind}: data", data, ["breast_cancer"])
    if len(options) > len(fields):
        form = f"the form {':'.join((kind, data, *fields))}"
        raise InvalidParameter("loss", repr(f"{kind}:{rest}"), form, f"leave out what comes after {fields[-1]}")
    return options


def _widths(text: str) -> tuple[int, ...]:
    """``16,16`` as units per hidden layer; the empty text is a network without a hidden layer."""
    try:
        return tuple(int(part) for part in text.split(",")) if text else ()
    except ValueError:
        remedy = "write whole numbers like 16,16, or nothing for no hidden layer"
        raise InvalidParameter("mlp: hidden", repr(text), "comma lists of {1, 2, 3, ...}", remedy) from None


def _numbers(parameter: str, text: str) -> tuple[float, ...]:
    try:
        return tuple(float(part) for part in text.split(","))
    except ValueError:
        domain = "comma lists of numbers"
        raise InvalidParameter(parameter, repr(text), domain, "write it like 1,2.5") from None
