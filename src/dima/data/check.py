"""The guard at every door: turn what a user passes into finite, real, two-dimensional numbers."""

from typing import Any

import numpy as np

from dima.errors import DataError, DataTypeError, DimaError, NotFittedError, ShapeError, sentence
from dima.typing import Array

__all__ = ["fitted", "points", "targets"]

_NARROW = 2  # bytes; float16, int8, uint8 and int16 fit float32 without loss


def points(estimator: Any, X: Any, *, reset: bool, min_rows: int = 1) -> Array:
    """Check the rows a user passes, through scikit-learn's own validation.

    DataFrames, lists, integers, half precision, Fortran order, read-only and memory-mapped
    arrays are all understood; feature names and widths are remembered on `fit` (`reset=True`)
    and compared afterwards.

    Returns:
        (n, D) float32 or float64, finite; the caller's own memory where no conversion is needed.

    Raises:
        DataTypeError: objects, text or complex numbers.
        ShapeError: not two axes, no columns, or another width than in `fit`.
        DataError: NaN or infinity, or fewer than `min_rows` rows.
    """
    # scikit-learn takes half a second to import; reading and writing tables must not pay for it.
    from sklearn.utils.validation import validate_data

    owner = type(estimator).__name__
    if getattr(X, "ndim", 2) == 1:
        fix = "Reshape your data: X[None] for one row, X[:, None] for one column."
        raise ShapeError(f"{owner}: Expected 2D array, got 1D array instead. {fix}")
    itemsize = getattr(getattr(X, "dtype", None), "itemsize", 8)
    wanted = [np.float32, np.float64] if itemsize <= _NARROW else [np.float64, np.float32]
    try:
        checked = validate_data(
            estimator, X, reset=reset, dtype=wanted, ensure_all_finite=False, ensure_min_samples=min_rows
        )
    except (ValueError, TypeError) as fault:
        raise _reworded(owner, fault) from None
    _refuse_nonfinite(owner, checked)
    return np.asarray(checked)


def targets(estimator: Any, y: Any, n: int, name: str = "y") -> Array:
    """Check regression targets: (n,) or (n, D) real finite numbers, one row for each of `n` points."""
    owner = type(estimator).__name__
    if y is None:
        raise DataError(f"{owner}: requires y to be passed, but the target y is None.")
    values = np.asarray(y)
    if values.dtype.kind not in "fiub":
        try:
            values = values.astype(np.float64)
        except (TypeError, ValueError):
            rule, fix = "real numbers", "Convert it first."
            raise DataTypeError(sentence(owner, name, rule, f"dtype {values.dtype}", fix)) from None
    if values.ndim not in (1, 2) or len(values) != n:
        fix = f"Pass one row of {name} for each row of X."
        got = f"shape {values.shape}"
        raise ShapeError(sentence(owner, name, f"of shape ({n},) or ({n}, D)", got, fix))
    if values.dtype.kind != "f" or values.dtype.itemsize <= _NARROW:
        values = values.astype(np.float32 if values.dtype.itemsize <= _NARROW else np.float64)
    _refuse_nonfinite(owner, values, name)
    return values


def fitted(estimator: Any, attribute: str) -> None:
    """Raise a `NotFittedError`, which is scikit-learn's too, unless `fit` has set `attribute`."""
    if hasattr(estimator, attribute):
        return
    from sklearn.exceptions import NotFittedError as SklearnNotFittedError

    both = type("NotFittedError", (NotFittedError, SklearnNotFittedError), {})
    fix = f"Call {type(estimator).__name__}.fit first."
    raise both(sentence(type(estimator).__name__, "the estimator", "fitted", "one without fit", fix))


def _refuse_nonfinite(owner: str, values: Array, name: str = "X") -> None:
    # One pass over memory decides the common case; the sum may overflow, so only then look closer.
    with np.errstate(over="ignore", invalid="ignore"):
        if np.isfinite(values.sum()):
            return
    broken = ~np.isfinite(values).reshape(len(values), -1).all(axis=1)
    if not broken.any():
        return
    got = f"NaN or inf in {int(broken.sum())} of {len(values)} rows, the first being row {int(broken.argmax())}"
    raise DataError(sentence(owner, name, "finite", got, "Drop or impute those rows."))


def _reworded(owner: str, fault: Exception) -> DimaError:
    """The first line of scikit-learn's message, under our own error tree."""
    told = str(fault).split("\n", maxsplit=1)[0].rstrip(".:")
    message = f"{owner}: {told}."
    if isinstance(fault, TypeError):
        return DataTypeError(message)
    if "omplex" in told or "convert" in told or "dtype" in told:
        return DataTypeError(message)
    if "feature" in told or "dim" in told or "2D" in told:
        return ShapeError(message)
    return DataError(message)
