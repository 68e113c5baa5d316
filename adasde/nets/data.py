"""Real data that scikit-learn's wheel holds; nothing is downloaded."""

from __future__ import annotations

from importlib import resources
from typing import Any

import numpy as np
from numpy.typing import NDArray

from adasde.errors import MissingData

Samples = tuple[NDArray[np.float64] | NDArray[np.int64], NDArray[np.int64]]
"""Inputs (N, ...) and classes (N,), or (N, T) for texts."""
COMMON = 5
"""Occurrences from which a character has a class of its own; all others share one."""


def breast_cancer() -> Samples:
    """569 tumours, 30 numbers each with mean 0 and deviation 1, and 2 classes."""
    X, y = _sklearn_datasets().load_breast_cancer(return_X_y=True)
    return (X - X.mean(axis=0)) / X.std(axis=0), y.astype(np.int64)


def digits(samples: int) -> Samples:
    """The first of 1797 handwritten digits, (1, 8, 8) in [-1, 1], and 10 classes."""
    X, y = _sklearn_datasets().load_digits(return_X_y=True)
    return X[:samples].reshape(-1, 1, 8, 8) / 8 - 1, y[:samples].astype(np.int64)


def characters(samples: int, context: int) -> tuple[Samples, int]:
    """Windows of ``context`` characters, evenly spaced over scikit-learn's descriptions of its data sets in lower case,
    with the next character at every place; and the number of classes."""
    text = np.array(list(_descriptions().lower()))
    _, codes, counts = np.unique(text, return_inverse=True, return_counts=True)
    common = counts >= COMMON
    codes = np.where(common, np.cumsum(common), 0)[codes]
    starts = np.linspace(0, len(codes) - context - 1, samples).astype(np.int64)
    windows = codes[starts[:, None] + np.arange(context + 1)].astype(np.int64)
    return (windows[:, :-1], windows[:, 1:]), int(np.count_nonzero(common)) + 1


def _descriptions() -> str:
    _sklearn_datasets()
    folder = resources.files("sklearn.datasets.descr")
    files = sorted((file for file in folder.iterdir() if file.name.endswith(".rst")), key=lambda file: file.name)
    return "\n".join(file.read_text(encoding="utf-8") for file in files)


def _sklearn_datasets() -> Any:
    try:
        from sklearn import datasets
    except ImportError as error:
        raise MissingData("the bundled data need scikit-learn: pip install 'adasde[nets]'") from error
    return datasets
