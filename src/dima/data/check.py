"""The guard at every door: turn what a user passes into finite, real, two-dimensional numbers."""

import functools
from typing import Any

import numpy as np

from dima.errors import DataError, DataTypeError, DimaError, NotFittedError, ShapeError, sentence
from dima.typing import Array

__all__ = ["feature_names", "fitted", "matrix", "points", "remember", "targets"]

_NARROW = 2  # bytes; float16, int8, uint8 and int16 fit float32 without loss
_REAL = "fiub"  # kinds of element type that are real numbers


def points(estimator: Any, X: Any, *, reset: bool, min_rows: int = 1) -> Array:
    """Check the rows a user passes, through scikit-learn's own validation.

    DataFrames, lists, integers, half precision, Fortran order, read-only and memory-mapped
    arrays are all understood; feature names and widths are remembered on `fit` (`reset=True`)
    and compared afterwards.

    Returns:
        (n, D) float32 or float64, finite; the caller's own memory where no conversion is needed.

    Raises:
        DataTypeError: text, dates, complex numbers, or objects that are no numbers.
        ShapeError: not two axes, no columns, or another width than in `fit`.
        DataError: NaN or infinity, masked values, or fewer than `min_rows` rows.
    """
    # scikit-learn takes half a second to import; reading and writing tables must not pay for it.
    from sklearn.utils.validation import validate_data

    owner = type(estimator).__name__
    if getattr(X, "ndim", 2) == 1:
        fix = "Reshape your data: X[None] for one row, X[:, None] for one column."
        raise ShapeError(f"{owner}: Expected 2D array, got 1D array instead. {fix}")
    _refuse_unreal(owner, X, "X", _REAL + "cO")  # of the last two, scikit-learn says more
    itemsize = getattr(getattr(X, "dtype", None), "itemsize", 8)
    wanted = [np.float32, np.float64] if itemsize <= _NARROW else [np.float64, np.float32]
    rules = {"dtype": wanted, "ensure_all_finite": False, "ensure_min_samples": min_rows}
    try:
        checked = validate_data(estimator, X, reset=reset, **rules)
    except (ValueError, TypeError) as fault:
        raise _reworded(owner, fault) from None
    _refuse_nonfinite(owner, checked, "X")
    return np.asarray(checked)


def targets(estimator: Any, y: Any, n: int, name: str = "y") -> Array:
    """Check regression targets: (n,) or (n, D) real finite numbers, a row for each of `n` points.

    Raises:
        DataTypeError: text, dates, complex numbers, or objects that are no numbers.
        ShapeError: another shape, or no columns.
        DataError: None, NaN or infinity, or masked values.
    """
    owner = type(estimator).__name__
    if y is None:
        raise DataError(f"{owner}: requires {name} to be passed, but the target {name} is None.")
    values = _real(owner, y, name)
    if values.ndim not in (1, 2) or len(values) != n or values.size == 0:
        rule, got = f"of shape ({n},) or ({n}, D)", f"shape {values.shape}"
        raise ShapeError(sentence(owner, name, rule, got, f"Pass one row of {name} for each of X."))
    _refuse_nonfinite(owner, values, name)
    return values


def matrix(estimator: Any, values: Any, width: int, name: str) -> Array:
    """Check an array that is not the data: (any number of rows, `width`) real finite numbers.

    Raises:
        DataTypeError: text, dates, complex numbers, or objects that are no numbers.
        ShapeError: another shape, or no rows.
        DataError: NaN or infinity, or masked values.
    """
    owner = type(estimator).__name__
    checked = _real(owner, values, name)
    if checked.ndim != 2 or checked.shape[1] != width or len(checked) == 0:
        rule = f"of shape (at least 1, {width})"
        raise ShapeError(sentence(owner, name, rule, f"shape {checked.shape}"))
    _refuse_nonfinite(owner, checked, name)
    return checked


def fitted(estimator: Any, attribute: str) -> None:
    """Raise a `NotFittedError`, which is scikit-learn's too, unless `fit` has set `attribute`."""
    if hasattr(estimator, attribute):
        return
    owner = type(estimator).__name__
    fix = f"Call {owner}.fit first."
    raise _not_fitted()(sentence(owner, "the estimator", "fitted", "one without fit", fix))


def feature_names(estimator: Any) -> list[str] | None:
    """Column names `fit` saw, as a plain list; None if the columns had none."""
    names = getattr(estimator, "feature_names_in_", None)
    return None if names is None else [str(name) for name in names]


def remember(estimator: Any, width: int, names: list[str] | None) -> None:
    """Make a restored estimator know the width, and the column names if any, `fit` had seen."""
    estimator.n_features_in_ = width
    if names is not None:
        estimator.feature_names_in_ = np.asarray(names, dtype=object)


@functools.cache
def _not_fitted() -> type[NotFittedError]:
    """Our error and scikit-learn's in one class, so that either name catches it."""
    # Only who asks an unfitted estimator pays for the import.
    from sklearn.exceptions import NotFittedError as SklearnNotFittedError

    def reduced(fault: Exception) -> tuple[Any, ...]:
        return NotFittedError, fault.args  # what a worker process can send home

    return type("NotFittedError", (NotFittedError, SklearnNotFittedError), {"__reduce__": reduced})


def _real(owner: str, values: Any, name: str) -> Array:
    """Real numbers as float32 or float64."""
    _refuse_unreal(owner, values, name, _REAL + "O")
    array = np.asarray(values)
    _refuse_unreal(owner, array, name, _REAL + "O")  # a list shows its type only now
    if array.dtype in (np.float32, np.float64):
        return array
    try:
        return array.astype(np.float32 if array.dtype.itemsize <= _NARROW else np.float64)
    except (TypeError, ValueError):
        raise _unreal(owner, name, array.dtype) from None


def _refuse_unreal(owner: str, values: Any, name: str, kinds: str) -> None:
    dtype = getattr(values, "dtype", None)
    if isinstance(dtype, np.dtype) and dtype.kind not in kinds:
        raise _unreal(owner, name, dtype)
    if isinstance(values, np.ma.MaskedArray) and np.ma.is_masked(values):
        fix = "Drop or impute those rows."
        raise DataError(sentence(owner, name, "free of masked values", "some", fix))


def _unreal(owner: str, name: str, dtype: Any) -> DataTypeError:
    told = sentence(owner, name, "real numbers", f"dtype {dtype}", "Convert it first.")
    return DataTypeError(told)


def _refuse_nonfinite(owner: str, values: Array, name: str) -> None:
    # One pass over memory decides the common case; the sum may overflow, so only then look closer.
    with np.errstate(over="ignore", invalid="ignore"):
        if np.isfinite(values.sum()):
            return
    broken = ~np.isfinite(values).reshape(len(values), -1).all(axis=1)
    if not broken.any():
        return
    first = f"the first being row {int(broken.argmax())}"
    got = f"NaN or inf in {int(broken.sum())} of {len(values)} rows, {first}"
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
