"""What the elements of an array are, where they must be real numbers."""

from typing import Any

import numpy as np

from dima.errors import DataError, DataTypeError

__all__ = ["REAL", "refuse_unreal", "unreal"]

REAL = "fiub"  # kinds of element type that are real numbers
_DATES = (np.datetime64, np.timedelta64)  # objects that NumPy would make numbers of


def refuse_unreal(owner: str, name: str, values: Any, kinds: str = REAL + "O") -> None:
    """Refuse values whose element type is of none of the kinds, dates among objects, and masked values.

    Raises:
        DataTypeError: of another type.
        DataError: masked.
    """
    _refuse_dates(owner, values)
    dtype = getattr(values, "dtype", None)
    if isinstance(dtype, np.dtype) and dtype.kind not in kinds:
        raise unreal(owner, name, dtype)
    if isinstance(values, np.ndarray) and values.dtype.hasobject:
        for kind in {type(cell) for cell in values.flat if isinstance(cell, _DATES)}:
            raise unreal(owner, name, kind.__name__)
    if isinstance(values, np.ma.MaskedArray) and np.ma.is_masked(values):
        fix = "Drop or impute those rows."
        raise DataError(f"{owner}: {name} must be free of masked values; got some. {fix}")


def _refuse_dates(owner: str, X: Any) -> None:
    """Refuse a data frame with a column of dates or spans: where all are, NumPy would count microseconds."""
    if not hasattr(X, "columns"):  # the dtypes of a series are one
        return
    for name, dtype in zip(X.columns, getattr(X, "dtypes", ()), strict=False):
        if getattr(dtype, "kind", None) in ("m", "M") or getattr(dtype, "is_temporal", bool)():
            raise unreal(owner, f"column {name!r}", dtype)


def unreal(owner: str, name: str, dtype: Any, values: Any = None) -> DataTypeError:
    """The error for elements of such a type; of `values`, objects, it tells the first that is no number."""
    held = "" if values is None else next((f" with a {kind}" for kind in map(_kind, values.flat) if kind), "")
    return DataTypeError(f"{owner}: {name} must be real numbers; got dtype {dtype}{held}. Convert it first.")


def _kind(cell: Any) -> str:
    """The type of a cell that no number can be made of, else ""."""
    try:
        float(cell)
    except (TypeError, ValueError, OverflowError):
        return type(cell).__name__
    return ""
