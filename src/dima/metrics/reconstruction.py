"""How far rebuilt rows are from the rows they stand for."""

import numpy as np

from dima.errors import DataError, DataTypeError, ShapeError, sentence
from dima.metrics.distance import row_blocks
from dima.typing import Array, ArrayLike

__all__ = ["error_over_variance", "rmse"]


def rmse(X: ArrayLike, X_hat: ArrayLike) -> float:
    """Root mean squared error per coordinate, in the units of X.

    Args:
        X: rows (n, D).
        X_hat: their reconstructions (n, D).

    Returns:
        A number >= 0; 0 is perfect, the standard deviation of X is what a constant achieves.

    Raises:
        ShapeError: the shapes differ.
        DataTypeError: not real numbers.
        DataError: there are no numbers, or the result is not finite.
    """
    X, X_hat = _same_shape("rmse", X, X_hat)
    return float(np.sqrt(_squared_error("rmse", X, X_hat) / X.size))


def error_over_variance(X: ArrayLike, X_hat: ArrayLike, mean: ArrayLike) -> float:
    """Share of the variance that is lost: sum |x - x_hat|^2 over sum |x - mean|^2.

    Args:
        X: rows (n, D), held out or not.
        X_hat: their reconstructions (n, D).
        mean: mean (D,) of the *training* rows, so that held-out rows do not help themselves.

    Returns:
        A number >= 0; 0 is perfect, 1 is no better than the training mean. It is 1 - R^2.

    Raises:
        ShapeError: the shapes differ, or the mean has another width.
        DataTypeError: not real numbers.
        DataError: there are no numbers, every row is the mean, or the result is not finite.
    """
    owner = "error_over_variance"
    X, X_hat = _same_shape(owner, X, X_hat)
    centre = np.asarray(mean)
    if centre.shape != X.shape[1:]:
        fix = "Pass X_train.mean(axis=0)."
        raise ShapeError(sentence(owner, "mean", f"shape {X.shape[1:]}", centre.shape, fix))
    total = _squared_error(owner, X, centre)
    if total == 0.0:
        got = "rows that all equal it"
        raise DataError(sentence(owner, "X", "spread around the mean", got, "Pass other rows."))
    return _squared_error(owner, X, X_hat) / total


def _same_shape(owner: str, X: ArrayLike, X_hat: ArrayLike) -> tuple[Array, Array]:
    rows, rebuilt = np.asarray(X), np.asarray(X_hat)
    for name, values in (("X", rows), ("X_hat", rebuilt)):
        if values.dtype.kind not in "biuf":
            fix, got = "Convert it with X.astype(float).", f"dtype {values.dtype}"
            raise DataTypeError(sentence(owner, name, "real numbers", got, fix))
    if rows.shape != rebuilt.shape:
        fix = "Pass one reconstruction for each row."
        raise ShapeError(sentence(owner, "X_hat", f"shape {rows.shape}", rebuilt.shape, fix))
    if rows.ndim != 2:
        fix = "Reshape it with X.reshape(len(X), -1)."
        raise ShapeError(sentence(owner, "X", "a table (n, D)", f"shape {rows.shape}", fix))
    if rows.size == 0:
        raise DataError(sentence(owner, "X", "not empty", f"shape {rows.shape}", "Pass data."))
    return rows, rebuilt


def _squared_error(owner: str, X: Array, Y: Array) -> float:
    """Sum of squared differences in float64, in blocks of rows; Y may be one row."""
    total = 0.0
    for block in row_blocks(*X.shape):
        other = Y[block] if Y.ndim == 2 else Y
        difference = np.subtract(X[block], other, dtype=np.float64)
        total += float(np.vdot(difference, difference))
    if not np.isfinite(total):
        got = f"a squared error of {total}"
        raise DataError(sentence(owner, "both arrays", "finite", got, "Drop such rows."))
    return total
