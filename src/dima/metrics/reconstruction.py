"""How far rebuilt rows are from the rows they stand for."""

import numpy as np

from dima import check
from dima.blocks import row_blocks, rows_within
from dima.errors import DataError
from dima.typing import Array, ArrayLike

__all__ = ["error_over_variance", "rmse"]


def rmse(X: ArrayLike, X_hat: ArrayLike) -> float:
    """Root mean squared error per coordinate of rows X (n, D) rebuilt as X_hat (n, D), in the units of X.

    0 is perfect, the standard deviation of X is what a constant achieves. Refused as by `check.array`.
    """
    X = check.array("rmse", "X", X)
    X_hat = check.array("rmse", "X_hat", X_hat, X.shape)
    return float(np.sqrt(_squared_error(X, X_hat) / X.size))


def error_over_variance(X: ArrayLike, X_hat: ArrayLike, mean: ArrayLike) -> float:
    """Share of the variance that is lost: sum |x - x_hat|^2 over sum |x - mean|^2.

    X (n, D) may be held out; `mean` (D,) is that of the *training* rows, so that held-out rows do not help
    themselves. 0 is perfect, 1 is no better than the training mean. It is 1 - R^2.

    Raises:
        DimaError: as `check.array`, which reads all three, and a DataError if every row is the mean.

    Example:
        >>> error_over_variance([[1, 0], [3, 4]], [[1, 1], [3, 3]], mean=[2, 2])
        0.2
    """
    owner = "error_over_variance"
    X = check.array(owner, "X", X)
    X_hat = check.array(owner, "X_hat", X_hat, X.shape)
    total = _squared_error(X, check.array(owner, "mean", mean, X.shape[1:]))
    if total == 0.0:
        got = "rows that all equal it. Pass other rows."
        raise DataError(f"{owner}: X must be spread around the mean; got {got}")
    return _squared_error(X, X_hat) / total


def _squared_error(X: Array, Y: Array) -> float:
    """Sum of squared differences in float64, in blocks of rows; Y may be one row."""
    total = 0.0
    for block in row_blocks(len(X), rows_within(8 * X.shape[1])):
        difference = np.subtract(X[block], Y[block] if Y.ndim == 2 else Y, dtype=np.float64)
        total += float(np.vdot(difference, difference))
    return total
