"""Arrays at a public entry: real, finite, of a given shape, of a size float32 can square.

One rule of magnitudes serves the whole project: no number larger than 1e18, and training rows spread
over at least 1e-18. Formulas behind this door need no guards of their own.
"""

import functools
from collections.abc import Sequence
from typing import Any

import numpy as np

from dima import memory
from dima.elements import REAL, refuse_unreal, unreal
from dima.errors import DataError, DataTypeError, DimaError, NotFittedError, ShapeError
from dima.typing import Array

__all__ = [
    "LARGEST",
    "SMALLEST_SPREAD",
    "array",
    "feature_names",
    "fitted",
    "form",
    "labels",
    "pixels",
    "plain",
    "points",
    "remember",
]

LARGEST = 1e18
SMALLEST_SPREAD = 1e-18
_MOST_CLASSES = 1000
_ROUNDING = 1e-3  # by which pixels may pass the ends of their range

_NARROW = 2  # bytes; float16, int8, uint8 and int16 fit float32 without loss
_ADVICE = {  # what to do about scikit-learn's messages, by a word in them
    "Complex": " Pass real and imaginary parts as columns.",
    "could not convert": " Make numbers of words, or leave their columns out.",
}
_BEYOND = "an integer beyond float64"
Shape = tuple[int | str, ...]


def array(owner: str, name: str, values: Any, shape: Shape = ("n", "D"), *, finite: bool = True) -> Array:
    """Check an array and return it as float32 or float64, the caller's own memory where it is one.

    Args:
        owner: who asks; opens every message.
        name: what the caller calls the array.
        values: anything NumPy reads as an array.
        shape: a number for an axis of that size, a letter for one of any size above zero.
        finite: whether NaN and infinity are refused, and numbers beyond 1e18.

    Raises:
        DataTypeError: text, dates, complex numbers, or objects that are no numbers.
        ShapeError: another number of axes, or an axis of another size.
        DataError: nothing in it, NaN or infinity, masked values, or numbers beyond 1e18.

    Example:
        >>> array("plot", "points", [[1, 2], [3, 4]], ("n", 2))
        array([[1., 2.],
               [3., 4.]])
    """
    read = plain(owner, name, values)
    if read.dtype not in (np.float32, np.float64):
        try:
            read = read.astype(np.float32 if read.dtype.itemsize <= _NARROW else np.float64)
        except OverflowError:
            raise _too_large(owner, name, _BEYOND) from None
        except (TypeError, ValueError):
            raise unreal(owner, name, read.dtype, read) from None
    form(owner, name, read.shape, read.dtype, shape)
    if finite:
        _refuse_values(owner, name, read)
    return read


def plain(owner: str, name: str, values: Any) -> Array:
    """What NumPy makes of values, of any shape, which are real numbers or objects that may be such.

    Raises:
        DataTypeError: text, dates or complex numbers.
        ShapeError: a list whose parts differ in length.
        DataError: masked values.
    """
    refuse_unreal(owner, name, values)
    if hasattr(values, "toarray"):
        got = type(values).__name__
        raise DataTypeError(f"{owner}: {name} must be a dense array; got a {got}. Pass its toarray().")
    try:
        read = np.asarray(values)
    except ValueError:
        got, fix = f"a {type(values).__name__} of unlike parts", "Pass rows of one length."
        raise ShapeError(f"{owner}: {name} must be an array of one shape; got {got}. {fix}") from None
    if read is not values:  # a list shows its type only now
        refuse_unreal(owner, name, read)
    return read


def form(owner: str, name: str, shape: tuple[int, ...], dtype: np.dtype[Any], wanted: Shape) -> None:
    """Check shape and element type alone, before an element is touched.

    Raises:
        DataTypeError: not real numbers of at most 8 bytes.
        ShapeError: another number of axes, or an axis of another size.
        DataError: an axis of size zero.
    """
    if dtype.kind not in REAL or dtype.itemsize > 8:
        raise unreal(owner, name, dtype)
    fits = len(shape) == len(wanted) and all(
        isinstance(want, str) or size == want for size, want in zip(shape, wanted, strict=True)
    )
    shown = f"({', '.join(map(str, wanted))}{',' * (len(wanted) == 1)})"
    if not fits:
        raise ShapeError(f"{owner}: {name} must have shape {shown}; got shape {shape}.{_hint(shape, wanted)}")
    if 0 in shape:
        raise DataError(f"{owner}: {name} must hold at least one number; got shape {shape}. Pass data.")


def pixels(owner: str, name: str, low: float, high: float) -> None:
    """Hold pixels, of which these are the least and the largest, to [-1, 1].

    Raises:
        DataError: they pass it by more than rounding, or are none.
    """
    if not max(-low, high) <= 1 + _ROUNDING:  # nor NaN
        fix = "Divide bytes by 127.5 and subtract 1."
        raise DataError(f"{owner}: {name} must be in [-1, 1]; got {low:.4g} to {high:.4g}. {fix}")


def labels(
    owner: str,
    name: str,
    values: Any,
    n: int | str,
    n_classes: int = _MOST_CLASSES,
    fix: str = "Number the classes.",
) -> Array:
    """Labels (n,) int64 from 0 to n_classes - 1.

    Raises:
        ShapeError, DataError: as `array`; fractions, or numbers outside.
    """
    checked = array(owner, name, values, (n,))
    low, high = float(checked.min()), float(checked.max())
    if low < 0 or high >= n_classes or (checked != np.round(checked)).any():
        rule = f"whole numbers from 0 to {n_classes - 1}"
        raise DataError(f"{owner}: {name} must be {rule}; got {low:g} to {high:g}. {fix}")
    return checked.astype(np.int64)


def points(estimator: Any, X: Any, *, reset: bool, min_rows: int = 1) -> Array:
    """Check the rows a user passes to an estimator, through scikit-learn's own validation.

    DataFrames, lists, integers, half precision, Fortran order, read-only and memory-mapped arrays are
    understood; feature names and widths are remembered on `fit` (`reset=True`) and compared afterwards.

    Returns:
        (n, D) float32 or float64, finite; the caller's own memory where no conversion is needed.

    Raises:
        DataTypeError: text, dates, complex numbers, or objects that are no numbers.
        ShapeError: not two axes, no columns, or another width than in `fit`.
        DataError: NaN or infinity, masked values, fewer than `min_rows` rows, numbers beyond 1e18,
            or training rows that differ by less than 1e-18.
        MemoryBudgetError: training rows of which a float32 copy alone does not fit into memory.
    """
    # scikit-learn takes half a second to import; reading and writing tables must not pay for it.
    from sklearn.utils.validation import validate_data

    owner = type(estimator).__name__
    if getattr(X, "ndim", 2) == 1:
        # In scikit-learn's words, which its checks of estimators look for.
        fix = "Reshape your data: X[None] for one row, X[:, None] for one column."
        raise ShapeError(f"{owner}: Expected 2D array, got 1D array instead. {fix}")
    X = plain(owner, "X", X) if isinstance(X, list | tuple) else X
    refuse_unreal(owner, "X", X, REAL + "cO")  # of the last two, scikit-learn says more
    shape: tuple[Any, ...] = getattr(X, "shape", ())
    if reset and len(shape) == 2 and all(isinstance(size, int) for size in shape):
        wanted, fix = 4 * shape[0] * shape[1], "Pass fewer rows or columns."
        memory.refuse_beyond(owner, f"a float32 copy of X {shape}", wanted, fix)
    itemsize = getattr(getattr(X, "dtype", None), "itemsize", 8)
    wanted = [np.float32, np.float64] if itemsize <= _NARROW else [np.float64, np.float32]
    rules = {"dtype": wanted, "ensure_all_finite": False, "ensure_min_samples": min_rows}
    try:
        checked = validate_data(estimator, X, reset=reset, **rules)
    except OverflowError:
        raise _too_large(owner, "X", _BEYOND) from None
    except (ValueError, TypeError) as fault:
        raise _from_sklearn(owner, fault) from None
    _refuse_values(owner, "X", checked)
    spread = float((checked.max(axis=0) - checked.min(axis=0)).max()) if reset else 0.0
    if 0 < spread < SMALLEST_SPREAD:
        rule, fix = f"spread over at least {SMALLEST_SPREAD:g}", "Multiply the data by a constant."
        raise DataError(f"{owner}: X must be {rule}; got {spread:.3g}. {fix}")
    return np.asarray(checked)


def fitted(estimator: Any, attribute: str = "fit_") -> Any:
    """The fitted state of an estimator.

    Raises:
        NotFittedError: `fit` was not called; scikit-learn's error of that name catches it too.
    """
    if hasattr(estimator, attribute):
        return getattr(estimator, attribute)
    owner = type(estimator).__name__
    message = f"{owner}: the estimator must be fitted; got one without fit. Call {owner}.fit first."
    raise _not_fitted()(message)


def feature_names(estimator: Any, otherwise: Sequence[str] | None = None) -> list[str] | None:
    """Column names `fit` saw, as a plain list, or those given otherwise; None if there are none.

    Raises:
        ShapeError: those given are not as many as the columns.
    """
    names = getattr(estimator, "feature_names_in_", otherwise)
    if names is None:
        return None
    if len(names) != estimator.n_features_in_:
        owner, width = type(estimator).__name__, estimator.n_features_in_
        rule, fix = f"{width}, one for each column", "Pass as many."
        raise ShapeError(f"{owner}: names must be {rule}; got {len(names)}. {fix}")
    return [str(name) for name in names]


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


def _too_large(owner: str, name: str, got: str) -> DataError:
    fix = "Divide the data by a constant, or drop what stands out."
    return DataError(f"{owner}: {name} must hold numbers of at most {LARGEST:g}; got {got}. {fix}")


def _refuse_values(owner: str, name: str, values: Array) -> None:
    """Hold values to the rule of magnitudes."""
    # Two passes over memory decide the common case: NaN and infinity come through both.
    low, high = float(values.min()), float(values.max())
    if low >= -LARGEST and high <= LARGEST:
        return
    finite = np.isfinite(values)
    if finite.all():
        raise _too_large(owner, name, f"{max(-low, high):.3g}")
    n_rows = values.shape[0] if values.ndim else 1
    broken = np.flatnonzero(~finite.reshape(n_rows, -1).all(axis=1))
    got = f"NaN or inf in {len(broken)} of {n_rows} rows, the first being row {broken[0] + 1}"
    raise DataError(f"{owner}: {name} must be finite; got {got}. Drop or impute those rows.")


def _hint(shape: tuple[int, ...], wanted: Shape) -> str:
    """What to do about a shape, where a table is wanted and an axis is missing or too many."""
    if len(wanted) != 2 or len(shape) == 2:
        return ""
    if len(shape) > 2:
        return " Flatten each sample with X.reshape(len(X), -1)."
    return " Pass X[None] for one row, X[:, None] for one column."


def _from_sklearn(owner: str, fault: Exception) -> DimaError:
    """The first line of scikit-learn's message, under our own error tree."""
    first, _, rest = str(fault).partition("\n")
    line = first.rstrip(".:")
    if "unique column names" in line:
        twice = rest.partition("\n")[0].removeprefix("- ")
        line = f"columns must have different names; got {twice}. Rename one"
    if line.startswith("float()"):
        return unreal(owner, "X", f"object ({line})")
    fix = next((advice for word, advice in _ADVICE.items() if word in line), "")
    message = f"{owner}: {line}.{fix}"
    if isinstance(fault, TypeError) or any(word in line for word in ("omplex", "convert", "dtype")):
        return DataTypeError(message)
    if any(word in line for word in ("feature", "dim", "2D")):
        return ShapeError(message)
    return DataError(message)
