"""Data that losses are means over: checks of samples, and scikit-learn's."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from adasde.errors import InvalidParameter, MissingData
from adasde.losses.base import Array


def checked_samples(loss: str, X: ArrayLike) -> Array:
    """X as (N, inputs), finite; else `InvalidParameter` in the name of the loss."""
    try:
        samples = np.ascontiguousarray(X, dtype=np.float64)
    except (TypeError, ValueError):
        found = repr(X) if len(repr(X)) < 40 else type(X).__name__
        raise InvalidParameter(f"{loss}: X", found, "the matrices of numbers", "give one row per sample") from None
    if np.ndim(X) != 2 or samples.size == 0:
        raise InvalidParameter(f"{loss}: shape of X", np.shape(X), "(N, inputs)", "give one row per sample")
    bad = np.argwhere(~np.isfinite(samples))
    if bad.size:
        row, column = bad[0]
        where = f"{loss}: X[{row}, {column}]"
        raise InvalidParameter(where, samples[row, column], "the finite numbers", "drop or impute the row")
    return samples


def breast_cancer_data(loss: str) -> tuple[Array, NDArray[np.int64]]:
    """scikit-learn's breast cancer data: X (569, 30) with mean 0 and deviation 1 in each column, y (569,) in {0, 1}.

    Raises `MissingData` without scikit-learn.
    """
    try:
        from sklearn.datasets import load_breast_cancer
    except ImportError as error:
        raise MissingData(f"{loss}:breast_cancer needs scikit-learn: pip install scikit-learn") from error
    X, y = load_breast_cancer(return_X_y=True)
    return (X - X.mean(axis=0)) / X.std(axis=0), y
